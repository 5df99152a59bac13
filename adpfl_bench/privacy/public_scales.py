"""Public scales: what each number of a gradient is multiplied by before the gradient is clipped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adpfl_bench.errors import BenchError

Tensors = Sequence[Tensor]


class PublicScales:
    """Scales of the trained parameters, of public data alone; none leave gradients as they are.

    Attributes:
        settings: What they follow from, for the key of the noise; empty where there are none.
    """

    def __init__(self) -> None:
        self.settings: Mapping[str, Any] = {}
        self._scales: list[Tensor] = []

    @property
    def key(self) -> dict[str, Any]:
        """What they add to the key of the noise: nothing where there are none."""
        return {"scales": self.settings} if self.settings else {}

    def use(self, scales: Tensors, settings: Mapping[str, Any]) -> None:
        """Take over scales, one tensor for each trained parameter in the module's order, or none.

        Raises:
            BenchError: One is no positive number.
        """
        if any(not bool((torch.isfinite(scale) & (scale > 0)).all()) for scale in scales):
            raise BenchError("A public scale of a gradient is no positive number: lower the learning rate.")
        self._scales, self.settings = [scale.detach() for scale in scales], settings

    def state(self) -> list[Tensor]:
        """Return the scales on the CPU."""
        return [scale.cpu() for scale in self._scales]

    def apply(self, gradients: list[Tensor]) -> list[Tensor]:
        """Return gradients [U, *parameter], each number times its scale."""
        if not self._scales:
            return gradients
        return [gradient * scale.to(gradient) for gradient, scale in zip(gradients, self._scales, strict=True)]


def inverse_moments(moments: Tensors, power: float, damping: float) -> list[Tensor]:
    """Turn second moments v into scales ``(v / mean(v) + damping)^-power``, divided by their root mean square.

    Args:
        moments: Mean squares of the numbers of gradients, not all 0.
        power: 1/2 makes all numbers equally large (AdaDPS, Li et al. 2022, arXiv 2202.05963); 0 changes nothing.
        damping: What every number has at least, in units of the mean.

    Raises:
        BenchError: The moments are all 0, or not finite.
    """
    count = sum(moment.numel() for moment in moments)
    mean = sum(float(moment.double().sum()) for moment in moments) / count
    if not 0 < mean < math.inf:
        raise BenchError(f"The mean square of public gradients is {mean}, so nothing can be scaled by it.")
    scales = [(moment.double() / mean + damping) ** -power for moment in moments]
    size = math.sqrt(sum(float(scale.square().sum()) for scale in scales) / count)
    return [(scale / size).to(moment) for scale, moment in zip(scales, moments, strict=True)]
