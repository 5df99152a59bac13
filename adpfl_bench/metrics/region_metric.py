"""Metrics over batches of cases, one number per region."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from adpfl_bench.metrics.batches import BatchSpacing, map_regions
from adpfl_bench.metrics.functional.masks import BoolArray


class PerRegion(Metric):
    """Keeps a row of scores per case, and the axis of regions in what ``compute`` returns."""

    is_differentiable = False
    full_state_update = False
    scores: list[Tensor]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("scores", default=[], dist_reduce_fx="cat")

    def _append(self, values: Sequence[object]) -> None:
        """Add the scores of a batch, nested lists of shape ``[B, R, ...]``."""
        scores = torch.tensor(values, dtype=torch.get_default_dtype(), device=self.device)
        if self.scores and self.scores[0].shape[1:] != scores.shape[1:]:
            raise ValueError(
                f"Every batch must have the same regions, but found {scores.shape[1]} after {self.scores[0].shape[1]}: "
                "use one metric for each set of regions, or reset it in between."
            )
        self.scores.append(scores)

    def _wrap_compute(self, compute: Callable[..., Any]) -> Callable[..., Any]:
        # torchmetrics makes a scalar of one element, so that what iterates over regions would break with one region.
        wrapped = super()._wrap_compute(compute)

        @wraps(compute)
        def compute_per_region() -> object:
            value = wrapped()
            if isinstance(value, dict):
                return {name: scores.reshape(-1) for name, scores in value.items()}
            return value.reshape(-1)

        return compute_per_region


class RegionMetric(PerRegion, ABC):
    """Mean over cases of a score of two masks, region by region.

    Every case counts once, however large its image and in whatever batch it arrives. A case that lacks a region in
    both masks, or in one of them, takes part with the value that the score defines for it; none is dropped.

    Accepts in ``update`` and ``forward``:

    * ``prediction`` and ``target``: boolean (or 0/1 integer) tensors of shape ``[B, R, H, W]`` or ``[B, R, D, H, W]``,
      cases by regions by space. Regions may overlap.
    * ``spacing``: voxel edge length in mm: one number, one per axis, or one row of them per case. ``None`` measures in
      pixels.

    Returns from ``compute``: a tensor of shape ``[R]``.

    Subclasses say how one region of one case is scored.
    """

    @abstractmethod
    def score(self, prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], region: int) -> float:
        """Score one region of one case.

        Args:
            prediction: Mask of the region, 2-D or 3-D.
            target: Mask of the same shape.
            spacing: Voxel edge lengths in mm, one per axis.
            region: Index of the region, for settings that differ between regions.
        """

    def update(self, prediction: Tensor, target: Tensor, spacing: BatchSpacing = None) -> None:
        """Add a batch of cases.

        Raises:
            ValueError: If the tensors are not two batches of masks of one shape, or the spacing does not fit them.
        """
        self._append(map_regions(self.score, prediction, target, spacing))

    def compute(self) -> Tensor:
        """Mean over all cases added so far, of shape ``[R]``."""
        return dim_zero_cat(self.scores).mean(dim=0)
