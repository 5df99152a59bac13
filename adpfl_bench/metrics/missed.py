"""Number of missed structures as a metric."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.region import is_missed
from adpfl_bench.metrics.region_metric import RegionMetric


class Missed(RegionMetric):
    """Number of cases per region in which exactly one of the masks is empty; see `functional.RegionScore`.

    These are the cases that `Dice`, `IoU`, `HD95` and `NSD` count with their worst value.

    Example:
        >>> import torch
        >>> prediction, target = torch.zeros(2, 3, 1, 8, 8, dtype=torch.bool)
        >>> target[:2, 0, 2, 3] = True
        >>> Missed()(prediction, target)
        tensor([2.])
    """

    higher_is_better = False

    def score(self, prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], region: int) -> float:
        """1 if exactly one of the masks is empty, else 0."""
        return float(is_missed(prediction, target))

    def compute(self) -> Tensor:
        """Number of such cases among all added so far, of shape ``[R]``."""
        return dim_zero_cat(self.scores).sum(dim=0)
