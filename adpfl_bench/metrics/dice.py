"""Dice similarity coefficient as a metric."""

from __future__ import annotations

from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.overlap import dice
from adpfl_bench.metrics.region_metric import RegionMetric


class Dice(RegionMetric):
    """Dice similarity coefficient per region, averaged over cases; see `functional.dice`.

    Example:
        >>> import torch
        >>> prediction = torch.tensor([[[[True, True, False]], [[False, False, False]]]])
        >>> target = torch.tensor([[[[False, True, False]], [[False, False, False]]]])
        >>> Dice()(prediction, target)
        tensor([0.6667, 1.0000])
    """

    higher_is_better = True

    def score(self, prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], region: int) -> float:
        """Dice similarity coefficient of one region of one case."""
        return dice(prediction, target)
