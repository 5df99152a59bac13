"""Settings that change what a run releases, gathered from its parts for the key of its noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from adpfl_bench.callbacks.federation_record import describe_federation
from adpfl_bench.callbacks.round_dependence import depends_on_rounds
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.server import describe_optimizer
from adpfl_bench.tasks.federated_task import FederatedTask

_COUNTS = ("optimizer", "last_epoch", "best", "num_bad_epochs", "cooldown_counter", "T_cur", "T_i")
_SIMPLE = (bool, int, float, str, tuple, list, type(None))


def release_settings(
    task: FederatedTask,
    datamodule: FederatedDataModule,
    federation: FederatedSettings,
    privacy: Mapping[str, Any],
    precision: str,
) -> dict[str, Any]:
    """Gather the settings; see :mod:`adpfl_bench.privacy.noise_key`."""
    optimizer = federation.client_optimizer or task.optimizer
    schedule = None if task.lr_scheduler is None else task.lr_scheduler(task.optimizer([nn.Parameter(torch.zeros(1))]))
    # The same rounds in a longer run release the same, so that a run may go on under its key.
    of_all_rounds = set() if depends_on_rounds(task, federation, schedule) else {"rounds", "total_rounds"}
    attributes = {name: value for name, value in vars(task).items() if not name.startswith("_")}
    return {
        "task": type(task),
        "model": dict(task.hparams),
        "attributes": {name: value for name, value in attributes.items() if isinstance(value, _SIMPLE)},
        "trained": [name for name, parameter in task.named_parameters() if parameter.requires_grad],
        "optimizer": describe_optimizer(optimizer),
        "schedule": [] if schedule is None else schedule_settings(schedule),
        "precision": precision,
        "data": datamodule.release_settings,
        "federated": describe_federation(federation, task).model_dump(mode="json", exclude=of_all_rounds),
        "privacy": privacy,
    }


def schedule_settings(schedule: Any) -> list[Any]:
    """Class and settings of a learning-rate schedule, and of those that it is made of, without what it counts."""
    settings = {name: value for name, value in vars(schedule).items() if name not in _COUNTS}
    return [type(schedule), settings, [schedule_settings(part) for part in getattr(schedule, "_schedulers", ())]]
