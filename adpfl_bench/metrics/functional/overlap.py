"""Dice and IoU: how much of two masks is shared."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from adpfl_bench.metrics.functional.masks import check_masks


def dice(prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> float:
    """Dice similarity coefficient, 2 |P and T| / (|P| + |T|) (Dice 1945).

    Args:
        prediction: Boolean (or 0/1 integer) mask of one region, 2-D or 3-D.
        target: Mask of the same shape.

    Returns:
        A number in [0, 1]; 1 if both masks are empty, 0 if exactly one is.

    Raises:
        ValueError: If the masks differ in shape, are not 2-D or 3-D, or hold other values than 0 and 1.

    Example:
        >>> import numpy as np
        >>> dice(np.array([[True, True, False]]), np.array([[False, True, False]]))
        0.6666666666666666
    """
    return dice_compute(*overlap_update(prediction, target))


def iou(prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> float:
    """Intersection over union, |P and T| / |P or T| (Jaccard 1912), of masks as for :func:`dice`.

    Returns:
        A number in [0, 1]; 1 if both masks are empty, 0 if exactly one is.

    Example:
        >>> import numpy as np
        >>> iou(np.array([[True, True, False]]), np.array([[False, True, False]]))
        0.5
    """
    return iou_compute(*overlap_update(prediction, target))


def overlap_update(prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> tuple[int, int]:
    """Count the voxels that the overlap scores are made of: those of both masks, and of each mask added up."""
    prediction, target = check_masks(prediction, target)
    return int(np.count_nonzero(prediction & target)), int(np.count_nonzero(prediction) + np.count_nonzero(target))


def dice_compute(intersection: int, total: int) -> float:
    """Dice from the counts of `overlap_update`."""
    return 2 * intersection / total if total else 1.0


def iou_compute(intersection: int, total: int) -> float:
    """IoU from the counts of `overlap_update`."""
    return intersection / (total - intersection) if total else 1.0
