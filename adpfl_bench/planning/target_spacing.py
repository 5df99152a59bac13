"""Target spacing of volumes: the voxel size that all of them are resampled to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

ANISOTROPY = 3
"""How much coarser than the others an axis is, in mm and in voxels, before it has a rule of its own."""

_FINE = 10  # percentile of the spacings along such an axis
_DIGITS = 4  # of mm; what scanners state beyond them is rounding

Spacing = tuple[float, float, float]


class TargetSpacing(NamedTuple):
    """The target spacing, and whether an axis had a rule of its own.

    Attributes:
        spacing: Voxel edge lengths in mm along x, y and z.
        coarse_axis: The axis whose spacing is the 10th percentile; ``None`` where all are medians.
    """

    spacing: Spacing
    coarse_axis: int | None


def choose_spacing(spacings: Sequence[Spacing], shapes: Sequence[Sequence[int]]) -> TargetSpacing:
    """Choose the target spacing as nnU-Net does (Isensee et al. 2021, Supplementary Note 2, "Target spacing").

    It is the median along each axis. Where the coarsest axis is more than three times as coarse as the others, and has
    fewer than a third of their voxels, interpolation along it would invent slices of the finer half of the cases: it
    takes the 10th percentile along that axis, but none finer than the others.

    Args:
        spacings: Voxel edge lengths in mm of each case, along x, y and z; at least one case.
        shapes: Voxels of each case along the same axes.

    Example:
        >>> choose_spacing([(1.0, 1.0, 5.0), (1.0, 1.0, 8.0)], [(200, 200, 20), (200, 200, 12)])
        TargetSpacing(spacing=(1.0, 1.0, 5.3), coarse_axis=2)
    """
    all_spacings = np.array(spacings, dtype=np.float64)
    target = np.median(all_spacings, axis=0)
    size = np.median(np.array(shapes, dtype=np.float64), axis=0)
    coarse = int(target.argmax())
    others = [axis for axis in range(3) if axis != coarse]
    coarser = target[coarse] > ANISOTROPY * target[others].max()
    shorter = size[coarse] * ANISOTROPY < size[others].min()
    if coarser and shorter:
        target[coarse] = max(np.percentile(all_spacings[:, coarse], _FINE), target[others].max())
    x, y, z = (round(float(edge), _DIGITS) for edge in target)
    return TargetSpacing((x, y, z), coarse if coarser and shorter else None)
