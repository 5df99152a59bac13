"""Progress by rounds: a bar in a terminal, a line per round in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import find_callback, need_callback, need_task


def epsilon_text(trainer: Trainer) -> str | None:
    """Accounted epsilon so far, ``none`` where nothing is proved, or ``None`` without any privacy."""
    privacy = find_callback(trainer, DifferentialPrivacy)
    if privacy is None or privacy.unit == "none":
        return None
    epsilon = privacy.accounted.epsilon
    return "none" if epsilon is None else f"{epsilon:.4g}"


class RoundProgressBar(RichProgressBar):
    """Lightning's rich progress bar, counting rounds and saying whose turn it is."""

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Round {current_epoch + 1}/{self.trainer.max_epochs}"

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Client, loss, validation score and accounted epsilon."""
        loop = need_callback(trainer, FederatedLoop)
        metrics: dict[str, Any] = {"client": loop.client or "-"}
        if loop.loss is not None:
            metrics["loss"] = f"{loop.loss:.3f}"
        metrics |= {name: f"{value:.3f}" for name, value in _main_mean(trainer, pl_module).items()}
        epsilon = epsilon_text(trainer)
        if epsilon is not None:
            metrics["epsilon"] = epsilon
        return metrics


class RoundLines(Callback):
    """Progress as one line per round, for logs and pipes."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._started = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the round that has just been validated."""
        loop = need_callback(trainer, FederatedLoop)
        values = {(m.client, m.name): m.value for m in loop.round_metrics(trainer)}
        parts = [
            f"round {loop.rounds_completed}/{loop.schedule.total_rounds}",
            f"loss {values['all', 'train_loss']:.3f}",
        ]
        parts += [f"{name} {value:.3f}" for name, value in _main_mean(trainer, pl_module).items()]
        epsilon = epsilon_text(trainer)
        if epsilon is not None:
            parts.append(f"epsilon {epsilon}")
        now = time.monotonic()
        parts.append(f"{now - self._started:.1f} s")
        self._started = now
        print("  ".join(parts), flush=True)


def _main_mean(trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
    """Return the main metric's mean over validation cases, by its name; nothing if the round was not validated."""
    name = need_task(pl_module).metrics[0].name
    found = trainer.callback_metrics.get(f"val_{name}")
    return {} if found is None else {name: float(found)}


def progress_callback() -> Callback:
    """Make a bar where someone can watch it, lines elsewhere."""
    return RoundProgressBar() if sys.stdout.isatty() else RoundLines()
