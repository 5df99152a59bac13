"""Intersection over union as a metric."""

from __future__ import annotations

from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.overlap import iou
from adpfl_bench.metrics.region_metric import RegionMetric


class IoU(RegionMetric):
    """Intersection over union per region, averaged over cases; see `functional.iou`.

    Example:
        >>> import torch
        >>> prediction = torch.tensor([[[[True, True, False]], [[False, False, False]]]])
        >>> target = torch.tensor([[[[False, True, False]], [[False, False, False]]]])
        >>> IoU()(prediction, target)
        tensor([0.5000, 1.0000])
    """

    higher_is_better = True

    def score(self, prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], region: int) -> float:
        """Intersection over union of one region of one case."""
        return iou(prediction, target)
