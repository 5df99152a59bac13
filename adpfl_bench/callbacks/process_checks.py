"""Checks of a run that several processes share, a sentence each."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Timer

from adpfl_bench.callbacks.lookup import callbacks_of
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.peers import PeerPlace, peers
from adpfl_bench.privacy.noise_key import weights_digest

_ONE_PROCESS = "Use one process (trainer.devices: 1)."


def check_processes(trainer: Trainer, federation: FederatedSettings, audited: bool) -> None:
    """Refuse, by a ConfigError, what several processes would do otherwise than one."""
    if peers().count == 1:
        return
    untyped: Any = trainer
    if audited:
        raise ConfigError(f"An audit watches every release of its run, which only one process can. {_ONE_PROCESS}")
    method = type(federation.client_method)
    if not method.can_be_shared():
        raise ConfigError(
            f"{method.__name__} keeps a state (state_dict) and does not say how several processes bring it together:"
            f" give it a method exchange, as ClientMethod describes it. {_ONE_PROCESS}"
        )
    if any(isinstance(callback, Timer) for callback in callbacks_of(trainer)):
        raise ConfigError(
            "A Timer (trainer.max_time) ends a run by the clock, which each of its processes would read at another"
            f" moment: leave it out, and stop the run by a signal. {_ONE_PROCESS}"
        )
    for name in ("limit_val_batches", "limit_test_batches", "limit_predict_batches"):
        value = getattr(untyped, name)
        if not (type(value) is float and value == 1.0) and value != 0:
            raise ConfigError(
                f"trainer.{name} is {value}, but each of the run's processes would take so many of its own batches:"
                f" leave it at 1.0, or at 0. {_ONE_PROCESS}"
            )


def check_same_start(module: LightningModule) -> None:
    """Refuse, by a BenchError, processes that start from different weights, and let each know what the others are."""
    others = peers()
    digest = weights_digest(module) if others.count > 1 else ""
    found = others.gather((digest, PeerPlace(str(module.device), torch.get_num_threads())))
    others.places = tuple(place for _, place in found)
    others.settle(module.device)
    if len({digest for digest, _ in found}) > 1:
        raise BenchError(
            "The processes of this run start from different weights, so that their clients would train different"
            " models: start them with the same seed, settings and checkpoint, and the same versions of packages."
        )
