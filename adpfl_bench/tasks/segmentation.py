"""Segmentation: regions predicted by a network, painted into a label map and scored case by case."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from monai.inferers import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.errors import ConfigError
from adpfl_bench.metrics.region_masks import CaseMasks, RegionMasks
from adpfl_bench.metrics.registry import METRICS, MaskMetric
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.tasks.challenge_scores import challenge_metrics, check_voxel_sizes
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network
from adpfl_bench.tasks.scored_task import Mask, case_score

_DEFAULT_TOLERANCE = {2: 0.5, 3: 2.0}
"""By number of axes: in percent of a picture's diagonal, and in mm."""


class SegmentationTask(FederatedTask):
    """Segmentation of regions, each a sigmoid of its own.

    A subclass overrides only what differs: ``configure_network``, ``example_losses`` or the class attributes. A task
    with a ``scheme`` takes its regions from there: the network predicts some of them, a label map is painted from
    these, and all are scored as they stand in that map. Without one, each region is predicted and scored by itself.

    Args:
        network: Name of a MONAI network; see :func:`~adpfl_bench.tasks.networks.build_network`.
        network_arguments: Further arguments of the network.
        surface_tolerance: Tolerance of the normalised surface distance for all regions, in mm or, where no size of a
            voxel is known, in percent of the image's diagonal; by default the published ones of the label scheme, or 2
            of volumes and 0.5 of pictures.
        challenge_scores: Challenges by whose scores cases are scored too, at the end: ``brats2023``, ``brats2024``,
            ``isic2018``; by default those whose regions the task has. An empty list is none.
        **task: Arguments of FederatedTask.

    Raises:
        ConfigError: A challenge scores other regions, or volumes where the task has pictures.
    """

    metrics: Sequence[MaskMetric] = METRICS
    challenges: Sequence[str] = ()
    _scored_logits: list[Tensor] | None = None
    """What masks were made of, while a batch is scored: a task that makes them of something else has no calibration."""
    scheme: LabelScheme | None = None
    spatial_dims: int
    in_channels: int

    def __init__(
        self,
        network: str = "UNet",
        network_arguments: dict[str, Any] | None = None,
        surface_tolerance: float | None = None,
        challenge_scores: list[str] | None = None,
        **task: Any,
    ) -> None:
        if self.scheme is not None:
            self.regions = tuple(self.scheme.regions)
        names = self.challenges if challenge_scores is None else challenge_scores
        self.metrics = (*self.metrics, *challenge_metrics(names, self.regions, self.spatial_dims))
        super().__init__(self.configure_network(network, network_arguments or {}), **task)
        if surface_tolerance is not None and not 0 <= surface_tolerance < math.inf:
            raise ConfigError(f"model.surface_tolerance must be at least 0, but it is {surface_tolerance}.")
        self.surface_tolerance = surface_tolerance

    def setup(self, stage: str) -> None:
        """Refuse challenges' scores in mm where the files do not state the size of a voxel.

        Raises:
            ConfigError: As above.
        """
        check_voxel_sizes(self.metrics, getattr(self.trainer, "datamodule", None))

    @property
    def predicted(self) -> Sequence[str]:
        """Regions that the network predicts, in the order of its channels."""
        return self.regions if self.scheme is None else self.scheme.predicted

    def tolerance(self, region: str) -> float:
        """Tolerance of the normalised surface distance of a region."""
        if self.surface_tolerance is not None:
            return self.surface_tolerance
        published = self.scheme.tolerances if self.scheme is not None else {}
        return published.get(region, _DEFAULT_TOLERANCE[self.spatial_dims])

    def configure_network(self, network: str, arguments: Mapping[str, Any]) -> nn.Module:
        """Build the network, [B, C, *spatial] to logits [B, P, *spatial]."""
        return build_network(network, self.spatial_dims, self.in_channels, len(self.predicted), arguments)

    def example_losses(self, image: Tensor, label: Tensor) -> Tensor:
        """Compute the loss of each example, [B]; it must not pool over the batch."""
        return dice_cross_entropy(self.network(image), label)

    def predict_step(self, batch: EvaluationBatch, batch_idx: int) -> list[Mask]:
        """Predict cases' regions on the grids of their own labels; each [P, *grid]."""
        return self.predict_regions(batch)

    def segment(self, batch: EvaluationBatch) -> list[Mask]:
        """Segment each case on the grid of its label.

        Args:
            batch: As :meth:`predict_regions`.

        Returns:
            Masks of the scored regions, [R, *grid], one array for each case.
        """
        masks = self.predict_regions(batch)
        return masks if self.scheme is None else [self.scheme.masks(self.scheme.paint(case)) for case in masks]

    def predict_regions(self, batch: EvaluationBatch) -> list[Mask]:
        """Predict each case's regions on the grid of its label.

        Args:
            batch: Cases with their labels, of whose grids only the shape is looked at.

        Returns:
            Masks of the predicted regions, [P, *grid], one array for each case. Logits are interpolated linearly to
            the grid and cut at 0.
        """
        return self.masks_of(self._logits(batch), batch)

    def masks_of(self, logits: Tensor, batch: EvaluationBatch) -> list[Mask]:
        """Bring logits [B, P, *spatial] of a batch to the grid of each case's label, and cut them at 0."""
        if self._scored_logits is not None:
            self._scored_logits.append(logits)
        masks = []
        for case, label, grid in zip(logits, batch.labels, batch.grids, strict=True):
            if grid is not None:
                masks.append(grid.restore(case))
                continue
            masks.append((self._resized(case, label.shape[1:]) > 0).cpu().numpy())
        return masks

    def probabilities(self, batch: EvaluationBatch, flips: bool = False) -> list[NDArray[np.float32]]:
        """Predict the probability of each region on the grid of each case's label.

        Args:
            batch: As :meth:`predict_regions`.
            flips: Whether to predict the image and all its mirror images along the axes, turn those back, and take the
                mean.

        Returns:
            Arrays [P, *grid] in [0, 1], one for each case, interpolated linearly to the grid.
        """
        axes = range(-self.spatial_dims, 0)
        ways = [way for count in range(self.spatial_dims + 1) for way in itertools.combinations(axes, count)]
        ways = ways if flips else ways[:1]
        total: Tensor | float = 0.0
        for way in ways:
            mirrored = replace(batch, image=batch.image.flip(way))
            total = total + torch.sigmoid(self._logits(mirrored).float()).flip(way)
        means = cast(Tensor, total) / len(ways)
        return [
            self._resized(case, label.shape[1:]).cpu().numpy() if grid is None else grid.restore_values(case)
            for case, label, grid in zip(means, batch.labels, batch.grids, strict=True)
        ]

    def _resized(self, case: Tensor, size: torch.Size) -> Tensor:
        """Values [P, *spatial] on a grid of another size, linearly."""
        if case.shape[1:] == size:
            return case
        mode = {2: "bilinear", 3: "trilinear"}[self.spatial_dims]
        return functional.interpolate(case[None].float(), size=size, mode=mode, align_corners=False)[0]

    def _logits(self, batch: EvaluationBatch) -> Tensor:
        window = batch.window
        if window is None:
            logits: Tensor = self.network(batch.image)
            return logits
        stitched = sliding_window_inference(
            batch.image,
            window.size,
            window.batch_size,
            self.network,
            overlap=window.overlap,
            mode="gaussian",
            padding_mode="constant",
            cval=window.background,
        )
        return cast(Tensor, stitched)

    def score(self, batch: EvaluationBatch, complete: bool) -> list[Mask]:
        """Add the scores of a batch's cases to ``scores`` and return the masks of the scored regions, [R, *grid]."""
        self._scored_logits = []
        predictions = self.segment(batch)
        if complete and batch.split == "test" and len(self._scored_logits) == 1:
            self.calibration.add(self._scored_logits[0], batch, self.predicted, self.regions)
        self._scored_logits = None
        self.add_scores_behind(batch, partial(self._scores_of, predictions, complete))
        return predictions

    def _scores_of(
        self, predictions: list[Mask], complete: bool, batch: EvaluationBatch, index: int
    ) -> list[CaseScore]:
        label = batch.labels[index].cpu().numpy().astype(bool)
        spacing, found = batch.spacings[index], []
        case = CaseMasks(dict(zip(self.regions, zip(predictions[index], label, strict=True), strict=True)))
        for region, (predicted, target) in case.regions.items():
            masks = RegionMasks(predicted, target, spacing, self.tolerance(region), region, case)
            values = {metric.name: metric.score(masks) for metric in self.metrics if complete or metric.in_rounds}
            found.append(case_score(batch, index, region, values, masks.unit, masks.missed))
        return found
