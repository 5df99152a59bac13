"""The segmentation task: network, per-record loss, optimizer, and scores by case and region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from adpfl_bench.errors import CheckpointError
from adpfl_bench.metrics.functional.region import score_region
from adpfl_bench.results.case_row import CaseRow
from adpfl_bench.results.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network
from adpfl_bench.tasks.schedules import CosineOverRounds

Mask = NDArray[np.bool_]


class SegmentationTask(LightningModule):
    """Segments regions, each a sigmoid of its own.

    A subclass overrides only what differs: ``configure_network``, ``record_losses`` or the class attributes.

    Args:
        network: Name of a MONAI network; see :func:`~adpfl_bench.tasks.networks.build_network`.
        network_arguments: Further arguments of the network.
        optimizer: Makes the clients' local optimizer.
        lr_scheduler: Makes its schedule, which is stepped once per round; none keeps the rate constant.
        init_from: Checkpoint to start the weights from.
        surface_tolerance: Tolerance of the normalised surface distance, in the unit of the dataset's spacing (pixels
            where it has none).
    """

    regions: Sequence[str]
    spatial_dims: int
    in_channels: int

    def __init__(
        self,
        network: str = "UNet",
        network_arguments: dict[str, Any] | None = None,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        lr_scheduler: LRSchedulerCallable | None = None,
        init_from: Path | None = None,
        surface_tolerance: float = 2.0,
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.surface_tolerance = surface_tolerance
        self.network = self.configure_network(network, network_arguments or {})
        if init_from is not None:
            self._start_from(init_from)
        self.rows: list[CaseRow] = []

    def configure_network(self, network: str, arguments: Mapping[str, Any]) -> nn.Module:
        """Build the network, [B, C, *spatial] to logits [B, R, *spatial]."""
        return build_network(network, self.spatial_dims, self.in_channels, len(self.regions), arguments)

    def _start_from(self, path: Path) -> None:
        try:
            weights = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
            self.load_state_dict(weights)
        except Exception as error:  # torch.load raises whatever its file makes it stumble over
            raise CheckpointError(
                f"model.init_from is {path}, but the weights of this network could not be read from it: {error}"
            ) from error

    def configure_optimizers(self) -> Any:
        """Make the clients' optimizer and its schedule by rounds."""
        optimizer = self.optimizer(self.parameters())
        if self.lr_scheduler is None:
            return optimizer
        scheduler = self.lr_scheduler(optimizer)
        if isinstance(scheduler, CosineOverRounds) and scheduler.rounds is None:
            scheduler.rounds = self.trainer.max_epochs
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

    def record_losses(self, image: Tensor, label: Tensor) -> Tensor:
        """Compute the loss of each record, [B]; it must not pool over the batch."""
        return dice_cross_entropy(self.network(image), label)

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        """Mean loss of the batch's records."""
        return self.record_losses(batch["image"], batch["label"]).mean()

    def on_train_epoch_start(self) -> None:
        """Forget the scores of the round before, in case this one is not validated."""
        self.rows = []

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the evaluation before."""
        self.rows = []

    def on_test_epoch_start(self) -> None:
        """Forget the scores of the evaluation before."""
        self.rows = []

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Score cases: overlap only while training, with surface distances at the end."""
        self._score(batch, surface=self.trainer.state.fn != "fit")

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        """Score cases with all metrics; ``masks`` are the predictions, [R, *grid] of each case."""
        return {"masks": self._score(batch, surface=True)}

    def predict_step(self, batch: dict[str, Any], batch_idx: int) -> list[Mask]:
        """Segment cases on the grids of their own labels; each [R, *grid]."""
        return self.segment(batch)

    def segment(self, batch: dict[str, Any]) -> list[Mask]:
        """Predict each case's regions on the grid of its label.

        Args:
            batch: ``image`` [B, C, *spatial] and ``label``, a list of [R, *grid].

        Returns:
            Masks [R, *grid], one for each case. Logits are interpolated linearly to the grid and cut at 0.
        """
        logits = self.network(batch["image"])
        mode = {2: "bilinear", 3: "trilinear"}[self.spatial_dims]
        masks = []
        for case, label in zip(logits, batch["label"], strict=True):
            grid = label.shape[1:]
            if case.shape[1:] != grid:
                case = functional.interpolate(case[None].float(), size=grid, mode=mode, align_corners=False)[0]
            masks.append((case > 0).cpu().numpy())
        return masks

    def _score(self, batch: dict[str, Any], surface: bool) -> list[Mask]:
        masks = self.segment(batch)
        for index, prediction in enumerate(masks):
            label = batch["label"][index].cpu().numpy().astype(bool)
            spacing = batch["spacing"][index]
            for name, predicted, target in zip(self.regions, prediction, label, strict=True):
                score = score_region(
                    predicted,
                    target,
                    spacing=spacing or (1.0,) * target.ndim,
                    tolerance=self.surface_tolerance,
                    surface=surface,
                )
                self.rows.append(
                    CaseRow(
                        case=batch["case"][index],
                        patient=batch["patient"][index],
                        client=batch["client"],
                        split=batch["split"],
                        region=name,
                        dice=score.dice,
                        iou=score.iou,
                        hd95=score.hd95,
                        hd95_unit="mm" if spacing else "px",
                        nsd=score.nsd,
                        missed=score.missed,
                    )
                )
        return masks

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Mean validation Dice of the round by client and region, and over all; none if it was not validated."""
        groups: dict[tuple[str, str], list[float]] = {}
        for row in self.rows:
            for client in (row.client, ALL_CLIENTS):
                groups.setdefault((client, "val_dice"), []).append(row.dice)
                if len(self.regions) > 1:
                    groups.setdefault((client, f"val_dice_{row.region}"), []).append(row.dice)
        return [RoundMetric(client, name, float(np.mean(values))) for (client, name), values in groups.items()]

    def on_validation_epoch_end(self) -> None:
        """Publish the mean Dice, for the progress bar and whatever monitors it."""
        self.log("val_dice", float(np.mean([row.dice for row in self.rows])), logger=False)
