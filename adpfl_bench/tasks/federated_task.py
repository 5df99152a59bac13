"""What callbacks and commands know of a task: its network, the loss of each example, its optimizer and its scores."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch
from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.records.case_row import GLOBAL_MODEL, CaseRow
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.tasks.schedules import CosineOverRounds

Mask = NDArray[np.bool_]

# What torch says when a skip connection or the result does not fit, or when nothing is left to normalise.
_SIZE_ERROR = re.compile(
    r"Sizes of tensors must match|must match the size of tensor|must be the same as input size|more than 1 spatial elem"
)


class FederatedTask(LightningModule):
    """A network with a loss for each example, trained by the federation and scored case by case.

    A subclass states ``regions`` and says how :meth:`example_losses`, :meth:`score` and :meth:`predict_step` follow
    from a batch.

    Attributes:
        regions: Names of what is scored of a case.
        rows: The scores of the evaluation at hand.
        private_step: Takes the place of the mean loss where gradients are made private unit by unit: returns a loss
            whose backward pass brings the clipped sum. DifferentialPrivacy sets it.
        change_gradients: Called with the optimizer after every callback has seen a step's gradients (and made them
            private). FederatedLoop sets it.
        started_from: What the weights started from: ``phantom``, ``real`` or ``unknown`` data, or ``None`` for chance.

    Args:
        network: What is trained.
        optimizer: Makes the clients' local optimizer.
        lr_scheduler: Makes its schedule, which is stepped once per round; none keeps the rate constant.
        init_from: Checkpoint to start the weights from. Weights trained on phantoms are public; those trained on real
            images carry what these images gave away.
        frozen: Regular expression of parameters that stay as they started, by name; noise is added only to those that
            are trained.
    """

    regions: Sequence[str]
    private_step: Callable[[TrainingBatch], Tensor] | None = None
    change_gradients: Callable[[Optimizer], None] | None = None

    def __init__(
        self,
        network: nn.Module,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        lr_scheduler: LRSchedulerCallable | None = None,
        init_from: Path | None = None,
        frozen: str | None = None,
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.network = network
        self.started_from = self._start_from(init_from) if init_from is not None else None
        if frozen is not None:
            self._freeze(frozen)
        self.rows: list[CaseRow] = []

    @property
    def predicted(self) -> Sequence[str]:
        """Names of what ``predict_step`` brings of a case."""
        return self.regions

    @abstractmethod
    def example_losses(self, image: Tensor, label: Tensor) -> Tensor:
        """Compute the loss of each example, [B]; it must not pool over the batch."""

    @abstractmethod
    def score(self, batch: EvaluationBatch, surface: bool) -> list[Mask] | None:
        """Add the scores of a batch's cases to ``rows`` and return what there is to look at.

        Args:
            batch: Cases of one client, predicted by one model.
            surface: Whether to compute what takes long as well.

        Returns:
            Masks of the regions of each case, [R, *grid]; ``None`` of a task that predicts no masks.
        """

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> Tensor:
        """Mean loss of the batch's examples; its gradient may be a private sum instead of its own.

        Raises:
            ConfigError: The network cannot take images of this size.
        """
        try:
            if self.private_step is not None:
                return self.private_step(batch)
            losses = self.example_losses(batch.image, batch.label)
            return (losses if batch.weights is None else losses * batch.weights).mean()
        except (RuntimeError, ValueError) as error:
            if not _SIZE_ERROR.search(str(error)):
                raise
            size = list(batch.image.shape[2:])
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

    def validation_step(self, batch: EvaluationBatch, batch_idx: int) -> None:
        """Score cases: overlap only while training, with surface distances at the end."""
        self.score(batch, surface=self.trainer.state.fn != "fit")

    def test_step(  # type: ignore[override]  # Lightning hands on whatever it is to callbacks
        self, batch: EvaluationBatch, batch_idx: int
    ) -> list[Mask] | None:
        """Score cases with all metrics, and let callbacks look at the masks of each case, [R, *grid]."""
        return self.score(batch, surface=True)

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

    def configure_optimizers(self) -> Any:
        """Make the clients' optimizer and its schedule by rounds."""
        optimizer = self.optimizer(self.parameters())
        if self.lr_scheduler is None:
            return optimizer
        scheduler = self.lr_scheduler(optimizer)
        if isinstance(scheduler, CosineOverRounds) and scheduler.rounds is None:
            scheduler.rounds = self.trainer.max_epochs
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch"}}

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
