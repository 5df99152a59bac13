"""Who reports on a round: callbacks, and the module."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer

from adpfl_bench.callbacks.lookup import callbacks_of
from adpfl_bench.records.round_metrics import ReportsRounds, RoundMetric


def round_metrics(trainer: Trainer, pl_module: LightningModule) -> list[RoundMetric]:
    """Ask every callback, and the module, for the numbers of the round that has just ended."""
    sources = [*callbacks_of(trainer), pl_module]
    return [m for source in sources if isinstance(source, ReportsRounds) for m in source.round_metrics(trainer)]
