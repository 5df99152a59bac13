"""What phantoms say at the weights of the moment, every so many rounds: the base of callbacks that use it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import callbacks_of, federated_data, need_callback, need_task
from adpfl_bench.data.phantom_examples import phantom_examples
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.seeding import derive_seed
from adpfl_bench.tasks.federated_task import FederatedTask


class PhantomCallback(Callback):
    """Base of what is measured of phantoms at the global weights, and changes how private gradients are released.

    Phantoms are public and global weights are released, so that what follows from both costs no epsilon. It is measured
    before a round begins, when every process of the run has the global weights: so each measures the same.

    Args:
        cases: Number of phantom cases, at least 1.
        refresh: Rounds between two measurements, at least 1.
        seed: Seed of the phantoms: another one than that of phantoms that weights were made on.

    Raises:
        ConfigError: A number is out of range, or the run is none in which this can be public.
    """

    names: ClassVar[tuple[str, ...]] = ("cases", "refresh", "seed")
    """The settings, all of which what is measured depends on."""

    def __init__(self, cases: int, refresh: int, seed: int) -> None:
        if cases < 1 or refresh < 1:
            raise ConfigError(
                f"{type(self).__name__}.cases and refresh must be at least 1, but they are {cases} and {refresh}."
            )
        self.cases = cases
        self.refresh = refresh
        self.seed = seed
        self._phantoms: Example | None = None
        self._measured: int | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What is measured follows from these, beside the weights."""
        return {name: getattr(self, name) for name in self.names}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make sure that the weights of the moment are public, and make the phantoms.

        Raises:
            ConfigError: As the class says.
        """
        if stage != "fit":
            return
        privacy, settings = need_callback(trainer, DifferentialPrivacy), need_callback(trainer, FederatedLoop).settings
        name = type(self).__name__
        if privacy.unit not in ("record", "patient"):
            raise ConfigError(
                f"{name} changes the gradients of units, but privacy.unit is {privacy.unit}: use record or patient, or"
                " leave it out."
            )
        if settings.local_parameters or settings.schedule.turns != ("shared",) or settings.schedule.fine_tuning_epochs:
            raise ConfigError(
                f"{name} measures at the global weights, but clients have parameters or models of their own here:"
                " leave it out."
            )
        changing = [type(own).__name__ for own in callbacks_of(trainer) if isinstance(own, PhantomCallback)]
        if len(changing) > 1:
            raise ConfigError(
                f"{' and '.join(changing)} would each change the gradients of units by what phantoms say, which is"
                " proved for one of them alone: leave the others out."
            )
        self._measured = None
        self.use_engine(privacy, need_task(pl_module))
        self._phantoms = self.make_phantoms(trainer)

    def make_phantoms(self, trainer: Trainer) -> Example:
        """Make the phantoms: images [N, C, *spatial] and labels [N, ...]."""
        return phantom_examples(federated_data(trainer), self.cases, self.seed)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure before a round that is due, when the network has the global weights."""
        task = need_task(pl_module)
        due = trainer.current_epoch - trainer.current_epoch % self.refresh
        if self._measured is None or self._measured < due:
            self._measured = trainer.current_epoch
            self.measure(task)
        else:
            self.restore(task)

    def examples(self, task: FederatedTask) -> Example:
        """Return the phantoms as the network takes them."""
        assert self._phantoms is not None
        image, label = (part.to(task.device) for part in self._phantoms)
        return Example(image.to(next(task.parameters()).dtype), label)

    @contextmanager
    def own_chance(self) -> Iterator[None]:
        """Draw from the seed and the round within, so that a measurement that is repeated brings the same."""
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self.seed, type(self).__name__, self._measured or 0))
            yield

    @abstractmethod
    def use_engine(self, privacy: DifferentialPrivacy, task: FederatedTask) -> None:
        """Find what the measurements change, before anything is measured.

        Raises:
            ConfigError: They cannot.
        """

    @abstractmethod
    def measure(self, task: FederatedTask) -> None:
        """Measure at the weights that the task has, and use what comes of it."""

    @abstractmethod
    def restore(self, task: FederatedTask) -> None:
        """Use what was measured before the run was interrupted, if it was and that is not done."""
