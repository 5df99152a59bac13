"""Every score of one region of one case."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adpfl_bench.metrics.functional.masks import Spacing
from adpfl_bench.metrics.functional.overlap import dice_compute, iou_compute, overlap_update
from adpfl_bench.metrics.functional.surface import hausdorff_distance, normalized_surface_distance


@dataclass(frozen=True)
class RegionScore:
    """The scores of one region of one case.

    Attributes:
        dice: In [0, 1].
        iou: In [0, 1].
        hd95: In mm, or in pixels where the dataset states no spacing; ``None`` if surfaces were not asked for.
        nsd: In [0, 1]; ``None`` if surfaces were not asked for, or no tolerance was given.
        missed: Exactly one of the two masks is empty: the prediction leaves out a structure that is there, or invents
            one that is not. Both are failures of detection, and both get the worst value of every score.
    """

    dice: float
    iou: float
    hd95: float | None
    nsd: float | None
    missed: bool


def score_region(
    prediction: npt.NDArray[np.generic],
    target: npt.NDArray[np.generic],
    spacing: Spacing,
    tolerance: float | None,
    surface: bool = True,
) -> RegionScore:
    """Score one region of one case.

    Args:
        prediction: Boolean (or 0/1 integer) mask of one region, 2-D or 3-D.
        target: Mask of the same shape.
        spacing: Voxel edge length in mm, one number or one per axis; 1.0 measures in pixels.
        tolerance: Of the NSD, in mm; ``None`` leaves the NSD out.
        surface: Whether to compute HD95 and NSD, which take far longer than the overlap scores.

    Raises:
        ValueError: If the masks differ in shape, are not 2-D or 3-D or hold other values than 0 and 1, or if the
            spacing or the tolerance is out of range.

    Example:
        >>> import numpy as np
        >>> prediction, target = np.zeros((2, 3, 4), dtype=bool)
        >>> target[1, 1:3] = True
        >>> score_region(prediction, target, spacing=1.0, tolerance=1.0)
        RegionScore(dice=0.0, iou=0.0, hd95=5.0, nsd=0.0, missed=True)
    """
    intersection, total = overlap_update(prediction, target)
    hd95 = nsd = None
    if surface:
        hd95 = hausdorff_distance(prediction, target, spacing)
        if tolerance is not None:
            nsd = normalized_surface_distance(prediction, target, tolerance, spacing)
    return RegionScore(
        dice=dice_compute(intersection, total),
        iou=iou_compute(intersection, total),
        hd95=hd95,
        nsd=nsd,
        missed=is_missed(prediction, target),
    )


def is_missed(prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> bool:
    """Whether exactly one of two masks is empty."""
    return bool(prediction.any() != target.any())
