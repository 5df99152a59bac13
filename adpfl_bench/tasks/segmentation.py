"""The segmentation task: network, per-record loss, optimizer, and scores by case and region."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from monai.inferers import sliding_window_inference
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.metrics.functional.region import score_region
from adpfl_bench.records.case_row import GLOBAL_MODEL, CaseRow
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network
from adpfl_bench.tasks.schedules import CosineOverRounds

Mask = NDArray[np.bool_]

_DEFAULT_TOLERANCE = 2.0
# What torch says when a skip connection or the result does not fit, or when nothing is left to normalise.
_SIZE_ERROR = re.compile(
    r"Sizes of tensors must match|must match the size of tensor|must be the same as input size|more than 1 spatial elem"
)


class SegmentationTask(LightningModule):
    """Segments regions, each a sigmoid of its own.

    A subclass overrides only what differs: ``configure_network``, ``record_losses`` or the class attributes. A task
    with a ``scheme`` takes its regions from there: the network predicts some of them, a label map is painted from
    these, and all are scored as they stand in that map. Without one, each region is predicted and scored by itself.

    Attributes:
        private_step: Takes the place of the mean loss where gradients are made private unit by unit: returns a loss
            whose backward pass brings the clipped sum. DifferentialPrivacy sets it.
        change_gradients: Called with the optimizer after every callback has seen a step's gradients (and made them
            private). FederatedLoop sets it.
        started_from: What the weights started from: ``phantom``, ``real`` or ``unknown`` data, or ``None`` for chance.

    Args:
        network: Name of a MONAI network; see :func:`~adpfl_bench.tasks.networks.build_network`.
        network_arguments: Further arguments of the network.
        optimizer: Makes the clients' local optimizer.
        lr_scheduler: Makes its schedule, which is stepped once per round; none keeps the rate constant.
        init_from: Checkpoint to start the weights from. Weights trained on phantoms are public; those trained on real
            images carry what these images gave away.
        frozen: Regular expression of parameters that stay as they started, by name; noise is added only to those that
            are trained.
        surface_tolerance: Tolerance of the normalised surface distance for all regions, in the unit of the dataset's
            spacing (pixels where it has none); by default the published ones of the label scheme, or 2.
    """

    regions: Sequence[str]
    scheme: LabelScheme | None = None
    spatial_dims: int
    in_channels: int
    private_step: Callable[[dict[str, Any]], Tensor] | None = None
    change_gradients: Callable[[Optimizer], None] | None = None

    def __init__(
        self,
        network: str = "UNet",
        network_arguments: dict[str, Any] | None = None,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        lr_scheduler: LRSchedulerCallable | None = None,
        init_from: Path | None = None,
        frozen: str | None = None,
        surface_tolerance: float | None = None,
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.surface_tolerance = surface_tolerance
        self.network = self.configure_network(network, network_arguments or {})
        self.started_from = self._start_from(init_from) if init_from is not None else None
        if frozen is not None:
            self._freeze(frozen)
        self.rows: list[CaseRow] = []

    @property
    def predicted(self) -> Sequence[str]:
        """Regions that the network predicts, in the order of its channels."""
        return self.regions if self.scheme is None else self.scheme.predicted

    def tolerance(self, region: str) -> float:
        """Tolerance of the normalised surface distance of a region."""
        if self.surface_tolerance is not None:
            return self.surface_tolerance
        published = self.scheme.tolerances if self.scheme is not None else {}
        return published.get(region, _DEFAULT_TOLERANCE)

    def configure_network(self, network: str, arguments: Mapping[str, Any]) -> nn.Module:
        """Build the network, [B, C, *spatial] to logits [B, P, *spatial]."""
        return build_network(network, self.spatial_dims, self.in_channels, len(self.predicted), arguments)

    def _start_from(self, path: Path) -> str:
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            self.load_state_dict(checkpoint["state_dict"])
        except Exception as error:  # torch.load raises whatever its file makes it stumble over
            raise CheckpointError(
                f"model.init_from is {path}, but the weights of this network could not be read from it: {error}"
            ) from error
        recorder: Mapping[str, Any] = checkpoint.get("callbacks", {}).get("RunRecorder", {})
        return str(recorder.get("data_kind", "unknown"))

    def _freeze(self, pattern: str) -> None:
        names = [name for name, _ in self.named_parameters()]
        chosen = [name for name in names if re.search(pattern, name)]
        if not chosen or len(chosen) == len(names):
            raise ConfigError(
                f"model.frozen is {pattern}, which is found in {len(chosen)} of the {len(names)} parameters' names;"
                f" some and not all must be frozen. The names are like {names[0]} and {names[-1]}."
            )
        for name in chosen:
            self.get_parameter(name).requires_grad_(False)

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
        """Mean loss of the batch's records; its gradient may be a private sum instead of its own.

        Raises:
            ConfigError: The network cannot take images of this size.
        """
        try:
            if self.private_step is not None:
                return self.private_step(batch)
            return self.record_losses(batch["image"], batch["label"]).mean()
        except (RuntimeError, ValueError) as error:
            if not _SIZE_ERROR.search(str(error)):
                raise
            size = list(batch["image"].shape[2:])
            raise ConfigError(
                f"{type(self.network).__name__} cannot take images of {size}: {str(error).splitlines()[0]} Choose"
                " data.patch_size (or data.image_size) so that the network's strides divide it, or fewer strides."
            ) from error

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Let a client's method change the gradients, which callbacks have made private by now."""
        if self.change_gradients is not None:
            self.change_gradients(optimizer)

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
        """Predict cases' regions on the grids of their own labels; each [P, *grid]."""
        return self.predict_regions(batch)

    def segment(self, batch: dict[str, Any]) -> list[Mask]:
        """Segment each case on the grid of its label.

        Args:
            batch: As :meth:`predict_regions`.

        Returns:
            Masks of the scored regions, [R, *grid], one array for each case.
        """
        masks = self.predict_regions(batch)
        return masks if self.scheme is None else [self.scheme.masks(self.scheme.paint(case)) for case in masks]

    def predict_regions(self, batch: dict[str, Any]) -> list[Mask]:
        """Predict each case's regions on the grid of its label.

        Args:
            batch: ``image`` [B, C, *spatial] and ``label``, a list of [R, *grid]; of volumes also ``grid`` and
                ``window``, as :meth:`~adpfl_bench.data.datamodule.FederatedDataModule.evaluation_case` brings them.

        Returns:
            Masks of the predicted regions, [P, *grid], one array for each case. Logits are interpolated linearly to
            the grid and cut at 0.
        """
        logits = self._logits(batch)
        grids = batch.get("grid") or [None] * len(logits)
        masks = []
        for case, label, grid in zip(logits, batch["label"], grids, strict=True):
            if grid is not None:
                masks.append(grid.restore(case))
                continue
            if case.shape[1:] != label.shape[1:]:
                mode = {2: "bilinear", 3: "trilinear"}[self.spatial_dims]
                size = label.shape[1:]
                case = functional.interpolate(case[None].float(), size=size, mode=mode, align_corners=False)[0]
            masks.append((case > 0).cpu().numpy())
        return masks

    def _logits(self, batch: dict[str, Any]) -> Tensor:
        if "window" not in batch:
            logits: Tensor = self.network(batch["image"])
            return logits
        window = batch["window"][0]
        stitched = sliding_window_inference(
            batch["image"],
            window.size,
            window.batch_size,
            self.network,
            overlap=window.overlap,
            mode="gaussian",
            padding_mode="constant",
            cval=window.background,
        )
        return cast(Tensor, stitched)

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
                    tolerance=self.tolerance(name),
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
                        model=batch.get("model", GLOBAL_MODEL),
                    )
                )
        return masks

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Mean validation Dice of the round by client and region, and over all; none if it was not validated.

        Where clients have models of their own, ``val_dice`` is the mean over the scores of these, and what the global
        model scored beside them is ``val_dice_global``.
        """
        groups: dict[tuple[str, str], list[float]] = {}
        for name, rows in self._rows_by_metric().items():
            for row in rows:
                for client in (row.client, ALL_CLIENTS):
                    groups.setdefault((client, name), []).append(row.dice)
                    if len(self.regions) > 1:
                        groups.setdefault((client, f"{name}_{row.region}"), []).append(row.dice)
        return [RoundMetric(client, name, float(np.mean(values))) for (client, name), values in groups.items()]

    def on_validation_epoch_end(self) -> None:
        """Publish the mean Dice, for the progress bar and whatever monitors it."""
        for name, rows in self._rows_by_metric().items():
            self.log(name, float(np.mean([row.dice for row in rows])), logger=False)

    def _rows_by_metric(self) -> dict[str, list[CaseRow]]:
        """The scored rows by the metric that averages them."""
        of_global = [row for row in self.rows if row.model == GLOBAL_MODEL]
        own = [row for row in self.rows if row.model != GLOBAL_MODEL]
        if own and of_global:
            return {"val_dice": own, "val_dice_global": of_global}
        return {"val_dice": own or of_global}
