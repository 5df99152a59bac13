"""Network plan: depth, strides and kernels of a U-Net that fits a patch and its spacing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SHORTEST_EDGE = 4
"""Voxels that a feature map has at least along an axis that is still halved."""

_FEWEST_STAGES = 3  # that MONAI's DynUNet can be built of
_FIRST_FEATURES = 32
_MOST_FEATURES = {2: 512, 3: 320}
_NEARLY_ISOTROPIC = 2  # spacings within this factor are halved, and convolved over, together


@dataclass(frozen=True)
class NetworkPlan:
    """A U-Net of MONAI's class DynUNet, by its stages from the finest to the coarsest.

    Attributes:
        patch: Shape of the input, divisible by the product of the strides along each axis.
        strides: Of each stage against the one before; the first is 1.
        kernels: Of each stage's convolutions.
        features: Channels of each stage.
    """

    patch: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]
    features: tuple[int, ...]

    @property
    def stages(self) -> int:
        """Number of resolutions."""
        return len(self.strides)

    @property
    def divisors(self) -> tuple[int, ...]:
        """What the patch is divisible by, along each axis."""
        return tuple(math.prod(steps) for steps in zip(*self.strides, strict=True))

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of MONAI's DynUNet, as a YAML file has them."""
        strides = [list(stride) for stride in self.strides]
        return {
            "filters": list(self.features),
            "kernel_size": [list(kernel) for kernel in self.kernels],
            "strides": strides,
            "upsample_kernel_size": strides[1:],
        }


def plan_network(patch: Sequence[int], spacing: Sequence[float]) -> NetworkPlan:
    """Plan a network as nnU-Net does (Isensee et al. 2021, Supplementary Note 2, "Network topology").

    At every stage those axes are halved that are at least 8 voxels long and whose spacing is within a factor of two of
    the finest of them; the last axis that is left is halved down from 12 voxels only. Convolutions reach over an axis
    from the stage on at which its spacing is within a factor of two of the finest. There are 32 features at first, and
    twice as many at each stage, up to 320 of volumes and 512 of pictures. The patch is enlarged to what the strides
    divide.

    A patch too small for three stages, of which DynUNet has no fewer, is first enlarged to 16 along every axis, or
    twice as much, and so on.

    Args:
        patch: Wanted shape of the input in voxels or pixels.
        spacing: Their edge lengths along the same axes.
    """
    strides, kernels = _halve(patch, spacing)
    least = SHORTEST_EDGE * 2 ** (_FEWEST_STAGES - 1)
    while len(strides) < _FEWEST_STAGES:
        patch = [max(side, least) for side in patch]
        strides, kernels = _halve(patch, spacing)
        least *= 2
    most = _MOST_FEATURES[len(patch)]
    divisors = [math.prod(steps) for steps in zip(*strides, strict=True)]
    return NetworkPlan(
        patch=tuple(-(-side // by) * by for side, by in zip(patch, divisors, strict=True)),
        strides=tuple(strides),
        kernels=tuple(kernels),
        features=tuple(min(_FIRST_FEATURES * 2**stage, most) for stage in range(len(strides))),
    )


def _halve(patch: Sequence[int], spacing: Sequence[float]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Strides and kernels of every stage, until no axis can be halved any more."""
    axes = range(len(patch))
    sides, edges = list(patch), list(spacing)
    strides, kernels = [(1,) * len(patch)], []
    reach = [1] * len(patch)
    while halved := _axes_to_halve(sides, edges):
        reach = [3 if edges[axis] < _NEARLY_ISOTROPIC * min(edges) else reach[axis] for axis in axes]
        kernels.append(tuple(reach))
        strides.append(tuple(2 if axis in halved else 1 for axis in axes))
        for axis in halved:
            edges[axis] *= 2
            sides[axis] = -(-sides[axis] // 2)
    return strides, [*kernels, (3,) * len(patch)]


def _axes_to_halve(sides: Sequence[int], edges: Sequence[float]) -> list[int]:
    long = [axis for axis, side in enumerate(sides) if side >= 2 * SHORTEST_EDGE]
    finest = min((edges[axis] for axis in long), default=0.0)
    halved = [axis for axis in long if edges[axis] < _NEARLY_ISOTROPIC * finest]
    return [] if len(halved) == 1 and sides[halved[0]] < 3 * SHORTEST_EDGE else halved
