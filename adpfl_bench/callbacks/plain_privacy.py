"""Private training of any LightningModule on a plain DataLoader, without a federation."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from adpfl_bench.callbacks import privacy_checks as checks
from adpfl_bench.callbacks.account_keeping import AccountKeeping
from adpfl_bench.callbacks.lookup import callbacks_of
from adpfl_bench.callbacks.model_loading import ModelLoading
from adpfl_bench.callbacks.plain_parts import gather_plain
from adpfl_bench.callbacks.plain_passes import PlainPasses, read_passes
from adpfl_bench.callbacks.release_settings import schedule_settings
from adpfl_bench.callbacks.run_books import RunBooks
from adpfl_bench.callbacks.trainer_checks import check_accumulation, check_optimizers
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.accounting import Accounted
from adpfl_bench.privacy.guarantee import PrivacySetting
from adpfl_bench.privacy.ledger import PrivacyUnit, Sampling
from adpfl_bench.privacy.lineage import CHECKPOINT_KEY, Ancestor, DataState, Lineage
from adpfl_bench.privacy.local_step import LocalStep
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.seeding import SecretDraws

CLIENT = "all data"
"""The one client of a run without a federation, in its ledger."""

_LINEAGE = "privacy_lineage"


class _PlainTraining:
    """A private run of a module that has a loss per example, on a DataLoader that brings pairs of input and target.

    The module's ``training_step`` gives way to the mean of ``example_losses(input, target)``, [B], whose backward pass
    brings what is released.

    Args:
        privacy: The method.
        trainer: The Trainer.
        module: What is trained.

    Raises:
        ConfigError: The module has no loss per example, or the run cannot be private in this way.
    """

    def __init__(self, privacy: PlainPrivacy, trainer: Trainer, module: LightningModule) -> None:
        checks.check_plain(privacy.unit, privacy.views)
        losses = getattr(module, "example_losses", None)
        if not callable(losses):
            raise ConfigError(
                f"{type(module).__name__} has no loss per example: give it a method example_losses(input, target) that"
                " returns [B], such as functional.cross_entropy(self(input), target, reduction='none')."
            )
        if not module.automatic_optimization:
            raise ConfigError("DifferentialPrivacy needs automatic optimization, but the model optimizes by hand.")
        self.lineage: Lineage = vars(module).setdefault(_LINEAGE, Lineage())
        self._privacy = privacy
        self._trainer: Any = trainer
        self._module: Any = module
        self._losses: Callable[[Tensor, Tensor], Tensor] = losses
        self._passes: PlainPasses | None = None
        self._step: LocalStep | None = None
        self._batch: TrainingBatch | None = None
        privacy.run_books.open(Path(trainer.default_root_dir), self.lineage)

    def start(self) -> None:
        """Settle noise, key and guarantee, when loader and optimizer are made and a checkpoint has been loaded.

        Raises:
            ConfigError: A setting does not go together with privacy, or no noise reaches the target.
        """
        privacy, trainer = self._privacy, self._trainer
        checks.check_private_trainer(trainer)
        check_accumulation(trainer)
        check_optimizers(trainer)
        if trainer.world_size != 1:
            raise ConfigError(f"The Trainer runs {trainer.world_size} processes; a private run needs one.")
        self._passes = passes = read_passes(trainer.train_dataloader, privacy.secure)
        self._check_sampling(passes)
        checks.check_delta(privacy.delta, privacy.unit, {CLIENT: passes.units}, "record")
        privacy.guarantee.decide_by(self._module, partial(self._look, passes, privacy.guarantee.setting))
        rounds = trainer.max_epochs
        if privacy.target_epsilon is not None and (rounds is None or rounds < 1):
            raise ConfigError(
                f"privacy.target_epsilon needs a number of passes to solve for the noise, but max_epochs is {rounds}."
            )
        privacy.settle_noise(RoundSchedule(max(rounds or 1, 1)), {CLIENT: passes.units}, passes.units_per_step)
        if privacy.engine.clips_units:
            checks.check_private_task(self._module)
            privacy.engine.clip_units_of(self._module, self._losses, privacy.memory_budget)
        own = Ancestor(kind="unknown", unit=privacy.unit, seed=torch.initial_seed())
        device = trainer.strategy.root_device
        privacy.run_books.begin(own, self._module, self._settings, device, lambda: privacy.accounted.reason)
        self._step = LocalStep(self._losses, privacy.engine, watch=privacy.guarantee.watch)
        if privacy.secure:  # dropout's masks must not tell whose batch they are from
            torch.manual_seed(SecretDraws().seed())
        self._module.training_step = self._training_step
        print(f"privacy: {privacy.promise()}")

    def _check_sampling(self, passes: PlainPasses) -> None:
        privacy = self._privacy
        if passes.sampling != privacy.sampling:
            raise ConfigError(
                f"privacy.sampling is {privacy.sampling}, but the DataLoader draws by {passes.sampling}: it"
                " needs adpfl_bench.poisson_loader for poisson and a batch_size for shuffle; fixed is for federations."
            )
        if privacy.units_per_step not in (None, passes.units_per_step):
            raise ConfigError(
                f"privacy.units_per_step is {privacy.units_per_step}, but the DataLoader's batches have"
                f" {passes.units_per_step} examples: leave it out."
            )

    def _look(self, passes: PlainPasses, setting: PrivacySetting, started: bool) -> PrivacySetting:
        now = read_passes(self._trainer.train_dataloader, self._privacy.secure)
        if now != passes:
            now = replace(now, fault=now.fault or "the DataLoader changed during the run")
        return gather_plain(setting, self._trainer, self._module, self.lineage, now)

    def _settings(self) -> dict[str, Any]:
        optimizer = self._trainer.optimizers[0]
        return {
            "module": type(self._module),
            "hyperparameters": dict(self._module.hparams),
            "losses": inspect.unwrap(getattr(self._losses, "__func__", self._losses)),
            "optimizer": [type(optimizer), optimizer.defaults],
            "schedules": [schedule_settings(config.scheduler) for config in self._trainer.lr_scheduler_configs],
            "precision": str(self._trainer.precision),
            "passes": self._passes,
            "privacy": self._privacy.settings,
        }

    def begin(self, batch: Any, batch_idx: int) -> None:
        """Enter a step's release before it is computed.

        Raises:
            ConfigError: The batch is no pair of tensors.
            RecordError: The ledger cannot be written, so nothing may be released.
        """
        assert self._passes is not None
        pair = isinstance(batch, list | tuple) and len(batch) == 2
        if not pair or not all(isinstance(part, Tensor) for part in batch) or len(batch[0]) != len(batch[1]):
            raise ConfigError(
                "DifferentialPrivacy needs batches that are pairs of tensors, input [B, ...] and target [B, ...], but"
                f" the DataLoader brings {type(batch).__name__}."
            )
        check_accumulation(self._trainer)
        passes = self._passes
        self._batch = TrainingBatch(
            client=CLIENT,
            turn="shared",
            local_epoch=0,
            last=self._trainer.is_last_batch or self._trainer.global_step + 1 == self._trainer.max_steps,
            planned_units=passes.units_per_step if passes.sampling == "poisson" else len(batch[0]),
            divisor=passes.units_per_step,
            pass_steps=passes.steps,
            sampling_rate=passes.rate,
            image=batch[0],
            label=batch[1],
            units=torch.arange(len(batch[0])),
            round=self._trainer.current_epoch,
        )
        assert self._step is not None
        self._step.begin(self._batch)

    def _training_step(self, batch: Any, batch_idx: int) -> Tensor:
        assert self._batch is not None
        assert self._step is not None
        return self._step.loss(self._batch)

    def release(self, optimizer: torch.optim.Optimizer) -> None:
        """Make the step's gradients private, in place."""
        assert self._step is not None
        self._step.change_gradients(optimizer)

    def end(self) -> None:
        """Make sure that the step released what the ledger says."""
        assert self._step is not None
        self._step.end()
        self._batch = None

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Note which runs the weights came from."""
        checkpoint[CHECKPOINT_KEY] = self.lineage.state()

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the run that wrote a checkpoint."""
        self.lineage.resume(checkpoint, DataState(), None, self._privacy.unit)

    def finish(self) -> None:
        """Give the module its own training step back."""
        vars(self._module).pop("training_step", None)


class PlainPrivacy(AccountKeeping):
    """Base of the callback that makes training private: what it does by itself, where no federation asks it.

    A module trains on a plain DataLoader of pairs (input, target), and has a method ``example_losses(input, target)``
    that returns the loss of each example, [B], and mixes none. Its ``training_step`` gives way to their mean, whose
    backward pass brings what is released; everything else of the module is its own. The unit is ``record``, one example
    of the dataset (or ``batch``). A DataLoader's shuffled passes claim no amplification; one that
    :func:`~adpfl_bench.data.rounds.poisson_loader.poisson_loader` makes does.
    """

    unit: PrivacyUnit
    secure: bool
    sampling: Sampling
    delta: float
    target_epsilon: float | None
    units_per_step: int | None
    views: int
    memory_budget: float
    engine: PrivacyEngine
    run_books: RunBooks
    _plain: _PlainTraining | None = None

    @property
    @abstractmethod
    def accounted(self) -> Accounted:
        """The guarantee that is proved for everything released so far."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Everything that changes what is released."""

    @abstractmethod
    def promise(self) -> str:
        """Return the run's promise, in one line for its start."""

    @abstractmethod
    def settle_noise(self, schedule: RoundSchedule, units: Mapping[str, int], units_per_step: int) -> object:
        """Solve for the noise if a target is given."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take charge of a module that no federation trains."""
        federated = any(isinstance(callback, ModelLoading) for callback in callbacks_of(trainer))
        if stage == "fit" and self.unit != "none" and not federated:
            self._plain = _PlainTraining(self, trainer, pl_module)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Go on with the run that wrote a checkpoint."""
        if self._plain is not None:
            self._plain.load(checkpoint)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Note which runs the weights came from."""
        if self._plain is not None:
            self._plain.save(checkpoint)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Settle noise and guarantee, and see what training starts with."""
        if self._plain is not None:
            self._plain.start()
        super().on_train_start(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Enter a step's release before it is computed."""
        if self._plain is not None:
            self._plain.begin(batch, batch_idx)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Make the gradients private."""
        if self._plain is not None:
            self._plain.release(optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Make sure that the step released what the ledger says."""
        if self._plain is not None:
            self._plain.end()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log what is accounted so far, as ``epsilon``."""
        if self._plain is not None and self.accounted.epsilon is not None:
            pl_module.log("epsilon", self.accounted.epsilon, prog_bar=True)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the journal of releases as one document."""
        if self._plain is not None:
            self.engine.books.close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the module as it was."""
        super().teardown(trainer, pl_module, stage)
        if self._plain is not None and stage == "fit":
            self._plain.finish()
            self._plain = None
