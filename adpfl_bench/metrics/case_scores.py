"""All scores of a batch of cases at once."""

from __future__ import annotations

from dataclasses import astuple, fields
from functools import partial
from typing import Any

from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from adpfl_bench.metrics.batches import BatchSpacing, Tolerance, check_tolerances, map_regions, tolerance_of
from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.region import RegionScore, score_region
from adpfl_bench.metrics.region_metric import PerRegion


def score_cases(
    prediction: Tensor,
    target: Tensor,
    spacing: BatchSpacing = None,
    tolerance: Tolerance | None = None,
    surface: bool = True,
) -> list[list[RegionScore]]:
    """Score every region of every case of a batch.

    Args:
        prediction: Boolean (or 0/1 integer) masks of shape ``[B, R, H, W]`` or ``[B, R, D, H, W]``.
        target: Masks of the same shape.
        spacing: Voxel edge length in mm: one number, one per axis, or one row per case; ``None`` measures in pixels.
        tolerance: Of the NSD, in mm, one for all regions or one per region; ``None`` leaves the NSD out.
        surface: Whether to compute HD95 and NSD.

    Returns:
        One list per case with one score per region.

    Raises:
        ValueError: If the tensors are not two batches of masks of one shape, or spacing or tolerance do not fit them.
    """
    tolerances = None if tolerance is None else check_tolerances(tolerance)
    return map_regions(partial(_score, tolerances, surface), prediction, target, spacing)


class CaseScores(PerRegion):
    """Dice, IoU, HD95 and NSD per region, averaged over cases, and the number of missed structures.

    Gives the numbers of `Dice`, `IoU`, `HD95`, `NSD` and `Missed` in one pass, and keeps those of each case.

    Args:
        tolerance: Of the NSD, in mm, one for all regions or one per region; ``None`` leaves the NSD out.
        surface: Whether to compute HD95 and NSD.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Raises:
        ValueError: If a tolerance is negative or not finite.

    Example:
        >>> import torch
        >>> prediction, target = torch.zeros(2, 1, 2, 30, 40, dtype=torch.bool)
        >>> prediction[0, 0, 2, 2] = target[0, 0, 2, 2] = True
        >>> target[0, 1, 2, 5] = True
        >>> for name, value in CaseScores(tolerance=1.0)(prediction, target).items():
        ...     print(name, value.tolist())
        dice [1.0, 0.0]
        iou [1.0, 0.0]
        hd95 [0.0, 50.0]
        nsd [1.0, 0.0]
        n_missed [0.0, 1.0]
    """

    def __init__(self, tolerance: Tolerance | None = None, surface: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tolerance = None if tolerance is None else check_tolerances(tolerance)
        self.surface = surface

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the scores that are computed."""
        absent = {"hd95", "nsd"} if not self.surface else {"nsd"} if self.tolerance is None else set()
        return tuple(field.name for field in fields(RegionScore) if field.name not in absent)

    def update(self, prediction: Tensor, target: Tensor, spacing: BatchSpacing = None) -> None:
        """Add a batch of cases; arguments as those of `score_cases`.

        Raises:
            ValueError: If the tensors are not two batches of masks of one shape, or the spacing does not fit them.
        """
        scores = map_regions(partial(_score, self.tolerance, self.surface), prediction, target, spacing)
        self._append([[[v for v in astuple(score) if v is not None] for score in case] for case in scores])

    def compute(self) -> dict[str, Tensor]:
        """Means over all cases added so far, and ``n_missed``: tensors of shape ``[R]`` by name."""
        cases = self.cases()
        n_missed = cases.pop("missed").sum(dim=0)
        return {name: values.mean(dim=0) for name, values in cases.items()} | {"n_missed": n_missed}

    def cases(self) -> dict[str, Tensor]:
        """Scores of each case added so far: tensors of shape ``[cases, R]`` by name, in the order of arrival.

        Called outside of ``compute``, this covers the cases of this process only.
        """
        return dict(zip(self.names, dim_zero_cat(self.scores).unbind(dim=-1), strict=True))


def _score(
    tolerance: tuple[float, ...] | float | None,
    surface: bool,
    prediction: BoolArray,
    target: BoolArray,
    spacing: tuple[float, ...],
    region: int,
) -> RegionScore:
    chosen = None if tolerance is None else tolerance_of(region, tolerance)
    return score_region(prediction, target, spacing, chosen, surface)
