"""Progress by rounds: a line for each, and in a terminal a bar below them that says how long the run will take."""

from __future__ import annotations

import sys
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.utilities.types import STEP_OUTPUT
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn
from rich.text import Text

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import find_callback, need_callback, need_task
from adpfl_bench.callbacks.round_clock import RoundClock, left_text

_ROUND = "Round "
_BAR_WIDTH = 10
_LONGEST_CLIENT = 10
"""With these, and rounds and steps of three and four digits, the bar has 80 columns."""


def epsilon_text(trainer: Trainer) -> str | None:
    """Accounted epsilon so far, ``none`` where nothing is proved, or ``None`` without any privacy."""
    privacy = find_callback(trainer, DifferentialPrivacy)
    if privacy is None or privacy.unit == "none":
        return None
    epsilon = privacy.accounted.epsilon
    return "none" if epsilon is None else f"{epsilon:.4g}"


def round_line(trainer: Trainer, pl_module: LightningModule, seconds: float) -> str:
    """Say of the round that has just ended its number, loss, validation score, epsilon so far, and time."""
    loop = need_callback(trainer, FederatedLoop)
    values = {(m.client, m.name): m.value for m in loop.round_metrics(trainer)}
    loss = values.get(("all", "train_loss"))
    trained = f"loss {loss:.3f}" if loss is not None else "without this hospital"
    parts = [f"round {loop.rounds_completed}/{loop.schedule.total_rounds}", trained]
    parts += [f"{name} {value:.3f}" for name, value in _main_mean(trainer, pl_module).items()]
    epsilon = epsilon_text(trainer)
    if epsilon is not None:
        parts.append(f"epsilon {epsilon}")
    return "  ".join([*parts, f"{seconds:.1f} s"])


class TimeLeftColumn(ProgressColumn):
    """Time left: of the whole run for the bar of a round, of its own work for any other bar."""

    def __init__(self) -> None:
        super().__init__()
        self.clock: RoundClock | None = None

    def render(self, task: Task) -> Text:
        """Return the text."""
        rounds = self.clock if task.description.startswith(_ROUND) else None
        return Text(left_text(task.time_remaining if rounds is None else rounds.left), style="dim")


class RoundProgressBar(RichProgressBar):
    """Lightning's rich progress bar: the round at hand, whose turn it is, and the time left of the whole run.

    Each round leaves its line above the bar.

    Args:
        console_kwargs: How rich's console is made, where not by default.
    """

    def __init__(self, console_kwargs: dict[str, Any] | None = None) -> None:
        super().__init__(console_kwargs=console_kwargs)
        self._time_left = TimeLeftColumn()

    def configure_columns(self, trainer: Trainer) -> list[ProgressColumn]:
        """What stands in the bar, apart from client and loss, which come last."""
        text = TextColumn("{task.description}")
        return [text, BarColumn(bar_width=_BAR_WIDTH), MofNCompleteColumn(), self._time_left]

    def _get_train_description(self, current_epoch: int) -> str:
        return f"{_ROUND}{current_epoch + 1}/{self.trainer.max_epochs}"

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Loss and client of the step at hand."""
        loop = need_callback(trainer, FederatedLoop)
        client = loop.client or "-"
        short = client if len(client) <= _LONGEST_CLIENT else f"{client[: _LONGEST_CLIENT - 1]}…"
        loss: dict[str, int | str | float | dict[str, float]] = {}
        if loop.loss is not None:
            loss["loss"] = f"{loop.loss:.3f}"
        return {**loss, "client": short}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        loop = need_callback(trainer, FederatedLoop)
        self._time_left.clock = RoundClock(loop.schedule.total_rounds, loop.rounds_completed)
        super().on_train_start(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: STEP_OUTPUT, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar."""
        assert self._time_left.clock is not None
        self._time_left.clock.advance((batch_idx + 1) / max(self.total_train_batches, 1))
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the line of the round that has just been validated."""
        assert self._time_left.clock is not None
        seconds = self._time_left.clock.end_round()
        if self.progress is not None and self.is_enabled:
            line = Text(round_line(trainer, pl_module, seconds))
            # Whoever draws the bar meanwhile would take away the line above it, too: rich counts the bar's lines when
            # it begins to print, and not when it writes.
            with self.progress.live._lock:
                self.progress.console.print(line, soft_wrap=True)
        super().on_train_epoch_end(trainer, pl_module)


class RoundLines(Callback):
    """Progress as one line per round, for logs and pipes."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        loop = need_callback(trainer, FederatedLoop)
        self._clock = RoundClock(loop.schedule.total_rounds, loop.rounds_completed)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the round that has just been validated."""
        print(round_line(trainer, pl_module, self._clock.end_round()), flush=True)


def _main_mean(trainer: Trainer, pl_module: LightningModule) -> dict[str, float]:
    """Return the main metric's mean over validation cases, by its name; nothing if the round was not validated."""
    name = need_task(pl_module).metrics[0].name
    found = trainer.callback_metrics.get(f"val_{name}")
    return {} if found is None else {name: float(found)}


def progress_callback() -> Callback:
    """Make a bar where someone can watch it, lines elsewhere."""
    return RoundProgressBar() if sys.stdout.isatty() else RoundLines()
