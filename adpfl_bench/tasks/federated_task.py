"""Federated task: the base of all tasks, and all that callbacks and commands know of one."""

from __future__ import annotations

import importlib
import re
import sys
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer

import adpfl_bench
from adpfl_bench.errors import CheckpointError, ConfigError
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.lineage import CHECKPOINT_KEY, Ancestor, Lineage
from adpfl_bench.privacy.local_step import LocalStep, mean_loss
from adpfl_bench.records.checkpoint_lineage import checkpoint_lineage
from adpfl_bench.tasks.fused_steps import fuse_steps
from adpfl_bench.tasks.public_weights import as_checkpoint, public_ancestors, stated_public, statement_of
from adpfl_bench.tasks.schedules import CosineOverRounds
from adpfl_bench.tasks.scored_task import ScoredTask
from adpfl_bench.tasks.starting_models import named_model
from adpfl_bench.tasks.weight_checks import check_weights

# What torch says when a skip connection or the result does not fit, or when nothing is left to normalise.
_SIZE_ERROR = re.compile(
    r"Sizes of tensors must match|must match the size of tensor|must be the same as input size|more than 1 spatial elem"
)


class FederatedTask(ScoredTask):
    """A network with a loss for each example, trained by the federation and scored case by case.

    A subclass states ``regions`` and ``metrics`` and says how :meth:`example_losses`, :meth:`score` and
    :meth:`predict_step` follow from a batch.

    Attributes:
        local_step: Makes the steps of a federation's clients; FederatedLoop sets it for its fit.
        lineage: The runs that the weights came from.

    Args:
        module: The network that is trained.
        optimizer: Makes the clients' local optimizer.
        lr_scheduler: Makes its schedule, which is stepped once per round; none keeps the rate constant.
        init_from: Checkpoint to start the weights from, or a model of the package adpfl-bench-models by its name, such
            as ``models/isic``. Weights trained on phantoms are public; those trained on real images carry what these
            images gave away. Others' published weights have a statement beside them; see
            :func:`~adpfl_bench.tasks.public_weights.stated_public`.
        frozen: Regular expression of parameters that stay as they started, by name; noise is added only to those that
            are trained.

    A checkpoint has a task's arguments as far as they are plain values as in YAML: a function, such as the optimizer's,
    has no place in a file.
    """

    local_step: LocalStep | None = None

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
        self.lineage = Lineage(self._start_from(init_from) if init_from is not None else public_ancestors(module))
        if frozen is not None:
            self._freeze(frozen)

    @property
    def started_from(self) -> str | None:
        """Data that weights started from: ``phantom``, ``public``, ``real`` or ``unknown``, or ``None`` for chance."""
        return self.lineage.started_from

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note which runs the weights came from."""
        checkpoint[CHECKPOINT_KEY] = self.lineage.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Note which runs weights came from that are loaded outside of a fit; a fit that is resumed goes on.

        Raises:
            CheckpointError: The weights are not those of this network.
        """
        check_weights(checkpoint.get("state_dict"), self, complete=self._trainer is not None)
        if self._trainer is None or self._trainer.state.fn != "fit":
            self.lineage = Lineage(checkpoint_lineage(checkpoint))

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *arguments: Any, **changed: Any) -> Any:
        """Make the task of a checkpoint, of the class that it names, with the arguments and weights that it had.

        Args:
            checkpoint_path: The file.
            *arguments: As of ``LightningModule.load_from_checkpoint``.
            **changed: Arguments that are to be others.

        Raises:
            CheckpointError: A run of ``fit`` did not write it, and it is asked for by a class that is none by itself.
        """
        kind = _class_of(checkpoint_path, cls)
        return super(FederatedTask, kind).load_from_checkpoint(checkpoint_path, *arguments, **changed)

    def forward(self, image: Tensor) -> Tensor:
        """Return the network's output for images [B, C, *spatial]."""
        output: Tensor = self.network(image)
        return output

    @abstractmethod
    def example_losses(self, image: Tensor, label: Tensor) -> Tensor:
        """Compute the loss of each example, [B]; it must not pool over the batch."""

    def training_step(self, batch: TrainingBatch, batch_idx: int) -> Tensor:
        """Compute the mean loss of the batch's examples; its gradient may be a private sum instead of its own.

        Raises:
            ConfigError: The network cannot take images of this size.
        """
        try:
            if self.local_step is not None:
                return self.local_step.loss(batch)
            return mean_loss(self.example_losses(batch.image, batch.label), batch.weights)
        except (RuntimeError, ValueError) as error:
            if not _SIZE_ERROR.search(str(error)):
                raise
            size = list(batch.image.shape[2:])
            raise ConfigError(
                f"{type(self.network).__name__} cannot take images of {size}: {str(error).splitlines()[0]} Choose"
                " data.patch_size (or data.image_size) so that the network's strides divide it, or fewer strides."
            ) from error

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Make the gradients private and let the client's method change them, after every callback has seen them."""
        if self.local_step is not None:
            self.local_step.change_gradients(optimizer)

    def configure_optimizers(self) -> Any:
        """Make the clients' optimizer and its schedule by rounds."""
        own = self.local_step.client_optimizer if self.local_step is not None else None
        optimizer = (own or self.optimizer)(self.parameters())
        fuse_steps(optimizer)
        if self.lr_scheduler is None:
            return optimizer
        scheduler = self.lr_scheduler(optimizer)
        if isinstance(scheduler, CosineOverRounds) and scheduler.rounds is None:
            scheduler.rounds = self.trainer.max_epochs
        # Only a schedule that follows a number says which.
        number = {"monitor": scheduler.monitor} if hasattr(scheduler, "monitor") else {}
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "epoch", **number}}

    def _start_from(self, given: Path) -> tuple[Ancestor, ...]:
        model = named_model(given)
        path = given if model is None else model.weights
        published = stated_public(path)
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            if published is not None:
                checkpoint = as_checkpoint(checkpoint, self.state_dict())
            check_weights(checkpoint["state_dict"], self)
            self.load_state_dict(checkpoint["state_dict"])
        except Exception as error:  # torch.load raises whatever its file makes it stumble over
            advice = "give a checkpoint of a run with it" if model is None else f"{model.place} has its network"
            raise CheckpointError(
                f"model.init_from is {given}, but the weights of this network could not be read from it:"
                f" {type(error).__name__}: {' '.join(str(error).split())[:200]}; {advice}."
            ) from error
        before = checkpoint_lineage(checkpoint)
        if model is not None:
            return model.published(before)
        if published is None:
            return before
        if CHECKPOINT_KEY in checkpoint or before[0].kind == "real":
            raise CheckpointError(
                f"{path} says itself which runs its weights came from, so that {statement_of(path).name} cannot call"
                " them public: remove that file."
            )
        return (published.ancestor,)

    def _freeze(self, pattern: str) -> None:
        names = [name for name, _ in self.named_parameters()]
        try:
            chosen = [name for name in names if re.search(pattern, name)]
        except re.error as error:
            raise ConfigError(f"model.frozen is {pattern}, which is no regular expression: {error}.") from error
        if not chosen or len(chosen) == len(names):
            raise ConfigError(
                f"model.frozen is {pattern}, which is found in {len(chosen)} of the {len(names)} parameters' names;"
                f" some and not all must be frozen. The names are like {names[0]} and {names[-1]}."
            )
        for name in chosen:
            self.get_parameter(name).requires_grad_(False)


def _class_of(path: Any, asked: type[FederatedTask]) -> type[FederatedTask]:
    """The class that a checkpoint names: one of this suite, or one that is imported already."""
    named: Any = None
    if isinstance(path, (str, Path)):
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        named = checkpoint.get(FederatedTask.CHECKPOINT_HYPER_PARAMS_KEY, {}).get("_class_path")
    if isinstance(named, str):
        module, _, name = named.rpartition(".")
        if module.partition(".")[0] == adpfl_bench.__name__:
            importlib.import_module(module)
        kind = getattr(sys.modules.get(module), name, None)
        if isinstance(kind, type) and issubclass(kind, asked):
            return kind
        raise CheckpointError(
            f"{path} holds a {named}, which is no {asked.__name__} that is imported; import it, and call its own"
            " load_from_checkpoint."
        )
    if getattr(asked.example_losses, "__isabstractmethod__", False):
        raise CheckpointError(
            f"{path} does not name its task's class, as runs of adpfl-bench fit do; call load_from_checkpoint of that"
            f" class, and not of {asked.__name__}."
        )
    return asked


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)
