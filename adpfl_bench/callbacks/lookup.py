"""Search among a Trainer's callbacks, datamodule and module by type."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from lightning.pytorch import Callback, LightningModule, Trainer

from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.errors import ConfigError
from adpfl_bench.tasks.federated_task import FederatedTask

CallbackT = TypeVar("CallbackT", bound=Callback)


def callbacks_of(trainer: Trainer) -> list[Callback]:
    """Return the Trainer's callbacks, in the order in which they are called."""
    untyped: Any = trainer
    return list(untyped.callbacks)


def folders_of_checkpoint(trainer: Trainer) -> tuple[Path, ...]:
    """Return the folder of the checkpoint that a Trainer goes on from, and the one above it; nothing without one."""
    untyped: Any = trainer
    return tuple(Path(untyped.ckpt_path).resolve().parents[:2]) if untyped.ckpt_path else ()


def find_callback(trainer: Trainer, kind: type[CallbackT]) -> CallbackT | None:
    """Return the Trainer's first callback of a type, or ``None``."""
    return next((callback for callback in callbacks_of(trainer) if isinstance(callback, kind)), None)


def need_callback(trainer: Trainer, kind: type[CallbackT]) -> CallbackT:
    """Return the Trainer's first callback of a type.

    Raises:
        ConfigError: There is none.
    """
    callback = find_callback(trainer, kind)
    if callback is None:
        raise ConfigError(
            f"A {kind.__name__} was expected among the Trainer's callbacks, but there is none; add one to the list."
        )
    return callback


def federated_data(trainer: Trainer) -> FederatedDataModule:
    """Return the Trainer's datamodule.

    Raises:
        ConfigError: It knows no clients.
    """
    untyped: Any = trainer
    if not isinstance(untyped.datamodule, FederatedDataModule):
        raise ConfigError(
            "A FederatedDataModule (clients with their cases) was expected, but the Trainer was given"
            f" {type(untyped.datamodule).__name__}."
        )
    return untyped.datamodule


def need_task(module: LightningModule) -> FederatedTask:
    """Return the module as a task.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(module, FederatedTask):
        raise ConfigError(f"The model must be a FederatedTask here, but it is {type(module).__name__}.")
    return module
