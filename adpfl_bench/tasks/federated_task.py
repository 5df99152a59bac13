"""What callbacks and commands know of a task: its network, the loss of each example, its optimizer and its scores."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.case_score import GLOBAL_MODEL, CaseScore, mean_score
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
        metrics: What cases are scored by; the first is the main one, which methods are compared by.
        scores: The scores of the evaluation at hand.
        private_step: Takes the place of the mean loss where gradients are made private unit by unit: returns a loss
            whose backward pass brings the clipped sum. DifferentialPrivacy sets it.
        change_gradients: Called with the optimizer after every callback has seen a step's gradients (and made them
            private). FederatedLoop sets it.
        started_from: What the weights started from: ``phantom``, ``real`` or ``unknown`` data, or ``None`` for chance.

    Args:
        module: The network that is trained.
        optimizer: Makes the clients' local optimizer.
        lr_scheduler: Makes its schedule, which is stepped once per round; none keeps the rate constant.
        init_from: Checkpoint to start the weights from. Weights trained on phantoms are public; those trained on real
            images carry what these images gave away.
        frozen: Regular expression of parameters that stay as they started, by name; noise is added only to those that
            are trained.

    ``load_from_checkpoint`` makes a task with the arguments that it had, as far as they are plain values as in YAML: a
    function, such as the optimizer's, has no place in a file.
    """

    regions: Sequence[str]
    metrics: Sequence[Metric]
    private_step: Callable[[TrainingBatch], Tensor] | None = None
    change_gradients: Callable[[Optimizer], None] | None = None

    def __init__(
        self,
        module: nn.Module,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        lr_scheduler: LRSchedulerCallable | None = None,
        init_from: Path | None = None,
        frozen: str | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["module", "optimizer", "lr_scheduler", "init_from"], logger=False)
        for name in [name for name, value in self.hparams.items() if not _is_plain(value)]:
            del self.hparams[name]
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.network = module
        self.started_from = self._start_from(init_from) if init_from is not None else None
        if frozen is not None:
            self._freeze(frozen)
        self.scores: list[CaseScore] = []

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note what data weights have seen that are loaded outside of a run; in a run it is known from its start."""
        if self._trainer is None:
            self.started_from = _trained_on(checkpoint)

    def forward(self, image: Tensor) -> Tensor:
        """The network's output for images [B, C, *spatial]."""
        output: Tensor = self.network(image)
        return output

    @property
    def predicted(self) -> Sequence[str]:
        """Names of what ``predict_step`` brings of a case."""
        return self.regions

    def tolerance(self, region: str) -> float | None:
        """Largest distance between surfaces that scores accept in a region; ``None`` where none do."""
        return None

    @abstractmethod
    def example_losses(self, image: Tensor, label: Tensor) -> Tensor:
        """Compute the loss of each example, [B]; it must not pool over the batch."""

    @abstractmethod
    def score(self, batch: EvaluationBatch, complete: bool) -> list[Mask] | None:
        """Score a batch's cases by :meth:`add_score`, and return what there is to look at.

        Args:
            batch: Cases of one client, predicted by one model.
            complete: Whether all metrics are asked for, or those alone that are followed over the rounds.

        Returns:
            Masks of the regions of each case, [R, *grid]; ``None`` of a task that predicts no masks.
        """

    def add_score(
        self,
        batch: EvaluationBatch,
        index: int,
        region: str,
        values: Mapping[str, float],
        distance_unit: str = "",
        missed: bool | None = None,
    ) -> None:
        """Add the scores of one region of a batch's case to ``scores``.

        Args:
            batch: The batch.
            index: Position of the case in it.
            region: What was scored.
            values: The scores by their metrics' names.
            distance_unit: Unit of those that are distances.
            missed: Whether exactly one of prediction and truth was empty.
        """
        owners = batch.cases[index], batch.patients[index], batch.client, batch.split
        self.scores.append(CaseScore(*owners, region, values, distance_unit, missed, batch.model))

    def predict_step(self, batch: EvaluationBatch, batch_idx: int) -> list[Any]:
        """Predict cases, for the datamodule to write.

        Raises:
            ConfigError: The task cannot.
        """
        raise ConfigError(f"{type(self).__name__} predicts nothing to be written; give it the method predict_step.")

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
        self.scores = []

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the evaluation before."""
        self.scores = []

    def on_test_epoch_start(self) -> None:
        """Forget the scores of the evaluation before."""
        self.scores = []

    def validation_step(self, batch: EvaluationBatch, batch_idx: int) -> None:
        """Score cases: by what is fast while training, by all metrics at the end."""
        self.score(batch, complete=self.trainer.state.fn != "fit")

    def test_step(  # type: ignore[override]  # Lightning hands on whatever it is to callbacks
        self, batch: EvaluationBatch, batch_idx: int
    ) -> list[Mask] | None:
        """Score cases with all metrics, and let callbacks look at the masks of each case, [R, *grid]."""
        return self.score(batch, complete=True)

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Means of the round's validation scores by client and region, and over all; none if it was not validated.

        Where clients have models of their own, ``val_dice`` is the mean over the scores of these, and what the global
        model scored beside them is ``val_dice_global``. Other metrics likewise.
        """
        found = []
        for name, metric, scores in self._published("val", in_rounds=True):
            groups: dict[tuple[str, str], list[CaseScore]] = {}
            for score in scores:
                for client in (score.client, ALL_CLIENTS):
                    groups.setdefault((client, name), []).append(score)
                    if len(self.regions) > 1:
                        groups.setdefault((client, f"{name}_{score.region}"), []).append(score)
            means = [(client, what, mean_score(group, metric)) for (client, what), group in groups.items()]
            found += [RoundMetric(client, what, mean) for client, what, mean in means if mean is not None]
        return found

    def on_validation_epoch_end(self) -> None:
        """Publish means over all cases, for the progress bar and whatever monitors them."""
        for name, metric, scores in self._published("val", in_rounds=True):
            self._log_mean(name, scores, metric)

    def on_test_epoch_end(self) -> None:
        """Publish means over all cases by metric and region, which ``Trainer.test`` returns."""
        for name, metric, scores in self._published("test"):
            self._log_mean(name, scores, metric, logger=True)  # Trainer.test returns what loggers are given
            for region in self.regions if len(self.regions) > 1 else ():
                of_region = [score for score in scores if score.region == region]
                self._log_mean(f"{name}_{region}", of_region, metric, logger=True)

    def _log_mean(self, name: str, scores: Sequence[CaseScore], metric: Metric, logger: bool = False) -> None:
        if (mean := mean_score(scores, metric)) is not None:
            self.log(name, mean, logger=logger)

    def _published(self, stage: str, in_rounds: bool = False) -> Iterator[tuple[str, Metric, list[CaseScore]]]:
        """What means are taken of: the scores of the clients' own models where there are such, and the global one's."""
        of_global = [score for score in self.scores if score.model == GLOBAL_MODEL]
        own = [score for score in self.scores if score.model != GLOBAL_MODEL]
        for metric in self.metrics:
            if metric.in_rounds or not in_rounds:
                yield f"{stage}_{metric.name}", metric, own or of_global
                if own and of_global:
                    yield f"{stage}_{metric.name}_global", metric, of_global

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
        return _trained_on(checkpoint)

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


def _trained_on(checkpoint: Mapping[str, Any]) -> str:
    """Kind of data that a checkpoint's weights were trained on, as far as it says."""
    recorder: Mapping[str, Any] = checkpoint.get("callbacks", {}).get("RunRecorder", {})
    return str(recorder.get("data_kind", "unknown"))


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)
