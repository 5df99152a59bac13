"""Checks of masks and settings that every metric makes, and their sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

BoolArray: TypeAlias = npt.NDArray[np.bool_]
FloatArray: TypeAlias = npt.NDArray[np.float64]
Spacing: TypeAlias = "float | Sequence[float] | npt.NDArray[np.floating]"
"""Voxel edge length in mm: one number for all axes, or one per axis in array order. 1.0 measures in pixels."""


def check_masks(prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic]) -> tuple[BoolArray, BoolArray]:
    """Return both masks as boolean arrays.

    Boolean arrays pass as they are. Integer arrays pass if they hold nothing but 0 and 1, which is how masks come out
    of image files. Floating point arrays never pass: they are probabilities that somebody forgot to threshold.

    Args:
        prediction: Mask of one region of one case, 2-D or 3-D.
        target: Mask of the same shape.

    Raises:
        ValueError: If a mask is not an array, has another number of axes, no voxels or values other than 0 and 1, or
            if the shapes differ.
    """
    checked = _check_mask("prediction", prediction), _check_mask("target", target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"The prediction and target masks must have one shape, but found {prediction.shape} and {target.shape}: "
            "resample the prediction onto the grid of the target first."
        )
    return checked


def check_spacing(spacing: Spacing, dimensions: int) -> tuple[float, ...]:
    """Return the spacing as one positive number per axis.

    Args:
        spacing: One number for all axes, or one per axis, in mm.
        dimensions: Number of spatial axes.

    Raises:
        ValueError: If there are fewer or more numbers than axes, or one of them is not positive and finite.
    """
    values = np.asarray(spacing, dtype=np.float64)
    if values.ndim == 0:
        values = np.repeat(values, dimensions)
    if values.shape != (dimensions,):
        raise ValueError(
            f"The spacing must be one number, or one for each of the {dimensions} axes of the mask, but found "
            f"{values.tolist()}: give it in the order of the array's axes."
        )
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(
            f"Every spacing must be a positive, finite number of mm, but found {values.tolist()}: check the image "
            "header, or use 1.0 to measure in pixels."
        )
    return tuple(values.tolist())


def _check_mask(name: str, mask: npt.NDArray[np.generic]) -> BoolArray:
    if not isinstance(mask, np.ndarray):
        raise ValueError(
            f"The {name} mask must be a numpy array, but found {type(mask).__name__}: convert it with numpy.asarray, "
            "or use the classes of adpfl_bench.metrics for tensors."
        )
    if mask.ndim not in (2, 3) or mask.size == 0:
        raise ValueError(
            f"The {name} mask must be 2-D or 3-D with at least one voxel, but found shape {mask.shape}: pass one "
            "region of one case at a time."
        )
    if mask.dtype == np.bool_:
        return mask.astype(np.bool_, copy=False)
    if not np.issubdtype(mask.dtype, np.integer):
        raise ValueError(
            f"The {name} mask must be boolean, or integers 0 and 1, but found {mask.dtype}: threshold it first."
        )
    if mask.min() < 0 or mask.max() > 1:
        raise ValueError(
            f"The {name} mask must hold only 0 and 1, but found values from {mask.min()} to {mask.max()}: turn the "
            "label map into one mask per region first."
        )
    return mask.astype(np.bool_)
