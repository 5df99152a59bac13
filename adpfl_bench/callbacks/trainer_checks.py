"""Checks of a federated run's Trainer at its start, a sentence each."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    GradientAccumulationScheduler,
    LearningRateFinder,
    StochasticWeightAveraging,
    WeightAveraging,
)

from adpfl_bench.callbacks.lookup import callbacks_of
from adpfl_bench.errors import ConfigError

_WRONG_IN_A_FEDERATION = (
    (
        (WeightAveraging, StochasticWeightAveraging),
        "averages the network's weights from step to step, but in a federation these are one client's after another's;"
        " the server averages clients (federated.server_optimizer)",
    ),
    (
        GradientAccumulationScheduler,
        "adds up gradients of several steps, but the next step may be another client's; raise data.batch_size instead",
    ),
    (
        (LearningRateFinder, BatchSizeFinder),
        "trains outside of the rounds, where no client has its turn and no ledger counts; try values in runs of their"
        " own",
    ),
)


def check_trainer(trainer: Trainer, pl_module: LightningModule, rounds: int) -> None:
    """Refuse, by a ConfigError, Trainer settings under which an epoch would not be one whole federated round."""
    settings: Any = trainer
    _check_whole_rounds(settings)
    if settings.max_epochs != rounds:
        raise ConfigError(
            f"The Trainer's max_epochs is {settings.max_epochs} and federated.rounds is {rounds}; one epoch is one"
            " round, so give both the same value (the command line does this by itself)."
        )
    if not pl_module.automatic_optimization:
        raise ConfigError("FederatedLoop needs automatic optimization, but the model optimizes by hand.")
    if settings.check_val_every_n_epoch is not None and settings.check_val_every_n_epoch < 1:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch is a number of rounds and must be at least 1, but it is"
            f" {settings.check_val_every_n_epoch}."
        )
    check_accumulation(trainer)
    _check_callbacks(trainer)
    if settings.world_size != 1:
        raise ConfigError(
            f"The Trainer runs {settings.world_size} processes, which would train one client together: set its devices"
            " and num_nodes to 1. Several processes share the clients of a run out where the command line starts them"
            " (adpfl-bench fit --trainer.devices N)."
        )


def check_accumulation(trainer: Trainer) -> None:
    """Refuse, by a ConfigError, local steps on more than one batch: a client's gradient would move the next client."""
    settings: Any = trainer
    if settings.accumulate_grad_batches != 1:
        raise ConfigError(
            f"trainer.accumulate_grad_batches is {settings.accumulate_grad_batches}, but gradients must not be"
            " accumulated across clients: set it to 1 and raise data.batch_size instead."
        )


def _check_callbacks(trainer: Trainer) -> None:
    for callback in callbacks_of(trainer):
        for kinds, reason in _WRONG_IN_A_FEDERATION:
            if isinstance(callback, kinds):
                raise ConfigError(f"{type(callback).__name__} {reason}. Take it out of trainer.callbacks.")


def _check_whole_rounds(settings: Any) -> None:
    limits = {
        "limit_train_batches": (settings.limit_train_batches, 1.0),
        "overfit_batches": (settings.overfit_batches, 0.0),
        "max_steps": (settings.max_steps, -1),
        # The Trainer has no such attribute when it was given a time.
        "val_check_interval": (getattr(settings, "val_check_interval", "a time"), 1.0),
    }
    if settings.fast_dev_run:
        raise ConfigError(
            "trainer.fast_dev_run would cut the round short; for a run of seconds add --config configs/smoke.yaml."
        )
    for name, (value, whole) in limits.items():
        # An integer counts batches: 1 is one batch, although it equals the fraction 1.0.
        if value != whole or (whole == 1.0 and type(value) is int):
            raise ConfigError(
                f"trainer.{name} is {value}, which would cut a round short or look into its middle: leave it at"
                f" {whole}; use federated.local_steps for shorter rounds and federated.rounds for fewer."
            )


def check_optimizers(trainer: Trainer) -> None:
    """Refuse several optimizers: clients share one, and its state is reset or swapped between them.

    Raises:
        ConfigError: There is not exactly one.
    """
    # Where the model configures none, Lightning puts in one without parameters.
    count = sum(bool(optimizer.param_groups) for optimizer in trainer.optimizers)
    if count != 1:
        raise ConfigError(f"FederatedLoop needs exactly one optimizer, but the model configures {count}.")
