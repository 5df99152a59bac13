"""Dependence on the number of rounds: whether the first rounds of a run would be others if it had more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.tasks.schedules import CosineOverRounds

_OWN, _TORCH = "adpfl_bench.", "torch.optim.lr_scheduler"


def depends_on_rounds(task: FederatedTask, federation: FederatedSettings, schedule: Any) -> bool:
    """Whether the number of rounds may change what a round before the last one does.

    Tasks and schedules of others are taken to look at it, since nobody knows.

    Args:
        task: The task.
        federation: The federation, whose fine-tuning comes after the last round.
        schedule: The task's learning-rate schedule as it starts, or ``None``.
    """
    foreign = not type(task).__module__.startswith(_OWN)
    return foreign or federation.schedule.fine_tuning_epochs > 0 or _looks_at_rounds(schedule)


def _looks_at_rounds(schedule: Any) -> bool:
    if schedule is None:
        return False
    if isinstance(schedule, CosineOverRounds):
        return schedule.rounds is None
    foreign = not type(schedule).__module__.startswith(_TORCH)
    return foreign or any(_looks_at_rounds(part) for part in getattr(schedule, "_schedulers", ()))


def follows_rounds(lr_scheduler: Any) -> bool:
    """Whether a schedule of a resolved configuration runs over all rounds of the run, however many."""
    if not isinstance(lr_scheduler, Mapping):
        return False
    named = str(lr_scheduler.get("class_path", "")).rpartition(".")[2] == CosineOverRounds.__name__
    arguments = lr_scheduler.get("init_args")
    return named and not (isinstance(arguments, Mapping) and arguments.get("rounds") is not None)
