"""From batches of tensors to the single numpy masks that the functional metrics take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from torch import Tensor

from adpfl_bench.metrics.functional.masks import BoolArray, Spacing, check_spacing, check_tolerance

Score = TypeVar("Score")
BatchSpacing: TypeAlias = "Spacing | Sequence[Sequence[float]] | Tensor | None"
"""Voxel edge length in mm: one number, one per axis, or one row per case; ``None`` measures in pixels."""
Tolerance: TypeAlias = "float | Sequence[float]"
"""NSD tolerance in mm: one for all regions, or one per region."""


def map_regions(
    score: Callable[[BoolArray, BoolArray, tuple[float, ...], int], Score],
    prediction: Tensor,
    target: Tensor,
    spacing: BatchSpacing,
) -> list[list[Score]]:
    """Score every region of every case of a batch.

    Args:
        score: Called with prediction, target, spacing and the index of the region.
        prediction: Masks of shape ``[B, R, H, W]`` or ``[B, R, D, H, W]``, on any device.
        target: Masks of the same shape.
        spacing: Voxel edge length in mm: one number, one per axis, or one row per case; ``None`` measures in pixels.

    Returns:
        What ``score`` returned, one list per case with one item per region.

    Raises:
        ValueError: If the tensors are not two batches of masks of one shape, or the spacing does not fit them.
    """
    _validate_masks(prediction, target)
    spacings = _spacing_per_case(spacing, len(target), target.ndim - 2)
    predictions, targets = _as_array(prediction), _as_array(target)
    return [
        [score(predictions[case, region], targets[case, region], scale, region) for region in range(target.shape[1])]
        for case, scale in enumerate(spacings)
    ]


def check_tolerances(tolerance: Tolerance) -> tuple[float, ...] | float:
    """Return the tolerance with each of its numbers checked.

    Raises:
        ValueError: If a tolerance is negative or not finite.
    """
    if isinstance(tolerance, int | float):
        check_tolerance(tolerance)
        return float(tolerance)
    for value in tolerance:
        check_tolerance(value)
    return tuple(tolerance)


def tolerance_of(region: int, tolerance: tuple[float, ...] | float) -> float:
    """Pick the tolerance of a region.

    Raises:
        ValueError: If there is one tolerance per region, but none for this region.
    """
    if isinstance(tolerance, float):
        return tolerance
    if region >= len(tolerance):
        raise ValueError(
            f"Expected one tolerance for all regions or one for each, but found {len(tolerance)} tolerances and a "
            f"region number {region + 1}: add its tolerance, in the order of the regions."
        )
    return tolerance[region]


def _validate_masks(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape or target.ndim not in (4, 5) or target.numel() == 0:
        raise ValueError(
            "Prediction and target must be two batches of masks of one shape, [B, R, H, W] or [B, R, D, H, W], but "
            f"found {tuple(prediction.shape)} and {tuple(target.shape)}: add the axes of cases and regions, and turn "
            "label maps into one mask per region."
        )
    for name, masks in (("prediction", prediction), ("target", target)):
        if masks.is_floating_point():
            raise ValueError(
                f"The {name} must be boolean, or integers 0 and 1, but found {masks.dtype}: threshold it first."
            )


def _spacing_per_case(spacing: BatchSpacing, cases: int, dimensions: int) -> list[tuple[float, ...]]:
    if isinstance(spacing, Tensor):
        spacing = spacing.detach().cpu().numpy()
    values = np.asarray(1.0 if spacing is None else spacing, dtype=np.float64)
    if values.ndim < 2:
        return [check_spacing(values.tolist(), dimensions)] * cases
    if len(values) != cases:
        raise ValueError(
            f"The spacing must have one row for each of the {cases} cases of the batch, but found {len(values)}: "
            "collate the spacing together with the images."
        )
    return [check_spacing(row, dimensions) for row in values]


def _as_array(masks: Tensor) -> npt.NDArray[np.generic]:
    array: npt.NDArray[np.generic] = masks.detach().to("cpu").numpy()
    return array
