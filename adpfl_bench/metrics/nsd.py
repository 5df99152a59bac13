"""Normalised surface distance as a metric."""

from __future__ import annotations

from typing import Any

from adpfl_bench.metrics.batches import Tolerance, check_tolerances, tolerance_of
from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.surface import normalized_surface_distance
from adpfl_bench.metrics.region_metric import RegionMetric


class NSD(RegionMetric):
    """Normalised surface distance per region, averaged over cases; see `functional.normalized_surface_distance`.

    Args:
        tolerance: Largest acceptable distance in mm: one for all regions, or one per region.
        kwargs: Passed on to ``torchmetrics.Metric``.

    Raises:
        ValueError: If a tolerance is negative or not finite.

    Example:
        >>> import torch
        >>> prediction, target = torch.zeros(2, 1, 1, 8, 8, dtype=torch.bool)
        >>> prediction[0, 0, 2, 2] = target[0, 0, 2, 3] = True
        >>> NSD(tolerance=0.5)(prediction, target)
        tensor([0.5000])
        >>> NSD(tolerance=1.0)(prediction, target)
        tensor([1.])
    """

    higher_is_better = True

    def __init__(self, tolerance: Tolerance, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.tolerance = check_tolerances(tolerance)

    def score(self, prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], region: int) -> float:
        """NSD of one region of one case."""
        return normalized_surface_distance(prediction, target, tolerance_of(region, self.tolerance), spacing)
