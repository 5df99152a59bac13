"""95th percentile Hausdorff distance as a metric."""

from __future__ import annotations

from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.surface import hausdorff_distance
from adpfl_bench.metrics.region_metric import RegionMetric


class HD95(RegionMetric):
    """95th percentile Hausdorff distance in mm per region, averaged over cases; see `functional.hausdorff_distance`.

    A case in which exactly one of the masks is empty counts with the diagonal of its image. Report `Missed` next to
    this mean, which says how many cases those are.

    Example:
        >>> import torch
        >>> prediction, target = torch.zeros(2, 1, 2, 30, 40, dtype=torch.bool)
        >>> prediction[0, 0, 2, 2] = target[0, 0, 2, 5] = True
        >>> target[0, 1, 2, 5] = True
        >>> HD95()(prediction, target, spacing=(2.0, 2.0))
        tensor([  6., 100.])
    """

    higher_is_better = False

    def score(self, prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], region: int) -> float:
        """HD95 of one region of one case, in mm."""
        return hausdorff_distance(prediction, target, spacing)
