"""What only the first process of a run does: write records and checkpoints, show progress, and log."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import (
    Checkpoint,
    DeviceStatsMonitor,
    LearningRateMonitor,
    ModelSummary,
    ProgressBar,
)
from lightning.pytorch.cli import SaveConfigCallback

from adpfl_bench.callbacks.lookup import callbacks_of
from adpfl_bench.callbacks.progress import RoundLines
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.peers import peers

_OF_THE_FIRST = (
    Checkpoint, DeviceStatsMonitor, LearningRateMonitor, ModelSummary, ProgressBar, RoundLines, RunRecorder,
    SaveConfigCallback,
)  # fmt: skip


def leave_to_the_first(trainer: Trainer) -> None:
    """Take out of the Trainer of any other process what only the first one does; other callbacks run in all."""
    if not peers().first:
        untyped: Any = trainer
        untyped.callbacks = [callback for callback in callbacks_of(trainer) if not isinstance(callback, _OF_THE_FIRST)]
        untyped.loggers = []
