"""Display of how far runs are, and estimate of how long they will take: a table in a terminal, lines elsewhere."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import mean

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from adpfl_bench.grid.run_state import Status, TrackedRun, last_lines
from adpfl_bench.leaderboard.formatting import EMPTY, percent
from adpfl_bench.text import count, make_table

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


_ENDED: tuple[Status, ...] = ("finished", "failed", "no room")


class TimeEstimate:
    """Seconds of a run: those of the same task and method, else of the same task, in proportion to rounds.

    Args:
        runs: All runs; the finished ones among them teach and, as long as none of a task is, those that go on.

    Attributes:
        unfinished: The others, apart from those that failed or have no room.
    """

    def __init__(self, runs: Sequence[TrackedRun]) -> None:
        self.unfinished = [tracked for tracked in runs if tracked.status not in _ENDED]
        self._by_round: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for tracked in runs:
            if tracked.status == "finished" and tracked.seconds > 0:
                for kind in ((tracked.run.task, tracked.run.method), (tracked.run.task,)):
                    self._by_round[kind].append(tracked.seconds / tracked.run.rounds)
        self._going: dict[str, list[float]] = defaultdict(list)
        for tracked in self.unfinished:
            if tracked.rounds and tracked.seconds > 0:
                self._going[tracked.run.task].append(tracked.seconds / tracked.rounds)

    def left(self, tracked: TrackedRun) -> float | None:
        """Seconds that a run still takes, or ``None`` where nothing is known."""
        run = tracked.run
        known = self._by_round.get((run.task, run.method)) or self._by_round.get((run.task,))
        if not known and tracked.rounds:
            known = [tracked.seconds / tracked.rounds]
        known = known or self._going.get(run.task)
        if not known:
            return None
        return mean(known) * max(run.rounds - tracked.rounds, 0)

    def total(self, slots: int) -> str:
        """Return the time until all is done, in words."""
        known = [left for left in map(self.left, self.unfinished) if left is not None]
        unknown = self.unfinished[len(known) :]
        if not known:
            return "unknown" if unknown else "0 s"
        more = f" and {count(unknown, 'unknown run')}" if unknown else ""
        return f"about {duration(max(sum(known) / slots, *known))}{more}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them, or ``unknown``."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    minutes = round(seconds / _MINUTE)
    if whole < _DAY:
        return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR:02d} h"


_ORDER: tuple[Status, ...] = ("running", "taken", "failed", "no room", "broken off", "waiting", "finished")
_STYLES = {
    "running": "bold",
    "failed": "red",
    "broken off": "yellow",
    "no room": "yellow",
    "finished": "green",
    "taken": "cyan",
}
_REFRESH_S = 1.0
_AROUND_THE_TABLE = 6
_LOG_LINES = 8


class LineDisplay:
    """A line for each change of a run."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._runs: Sequence[TrackedRun] = ()

    def changed(self, tracked: TrackedRun, text: str) -> None:
        """Print what has become of a run, and how many are done."""
        if tracked.status == "finished":
            dice = f", validation Dice {percent(tracked.dice)} %" if tracked.dice is not None else ""
            text = f"{text} in {duration(tracked.seconds)}{dice}"
        elif tracked.status == "running" and tracked.rounds:
            text = f"{text} from round {tracked.rounds + 1} of {tracked.run.rounds}"
        done = sum(other.status in _ENDED for other in self._runs)
        progress = f"[{done}/{len(self._runs)}] " if self._runs else ""
        self.console.print(f"{progress}{tracked.run.name} {text}", markup=False, soft_wrap=True)

    def refresh(self, runs: Sequence[TrackedRun]) -> None:
        """Remember the runs, to count them."""
        self._runs = runs


class TableDisplay:
    """A table that is drawn anew every second, with what needs attention on top."""

    def __init__(self, live: Live, slots: int) -> None:
        self.live = live
        self.slots = slots
        self._drawn = 0.0

    def changed(self, tracked: TrackedRun, text: str) -> None:
        """Say why a run does not just go on; the rest shows in the table."""
        if tracked.status in ("failed", "no room", "broken off") or (tracked.status == "waiting" and tracked.kills):
            self.live.console.print(f"{tracked.run.name} {text}", markup=False)
        self._drawn = 0.0

    def refresh(self, runs: Sequence[TrackedRun]) -> None:
        """Draw the table, if the last drawing is old."""
        if time.monotonic() - self._drawn >= _REFRESH_S:
            self._drawn = time.monotonic()
            rows = max(self.live.console.height - _AROUND_THE_TABLE, 1)
            self.live.update(progress_table(runs, self.slots, rows), refresh=True)


def progress_table(runs: Sequence[TrackedRun], slots: int, rows: int) -> Group:
    """Return the state of all runs, with the total below.

    Args:
        runs: The runs.
        slots: How many go on at a time.
        rows: How many runs there is room for; the others are counted.
    """
    estimate = TimeEstimate(runs)
    ordered = sorted(runs, key=lambda tracked: _ORDER.index(tracked.status))
    table = _table("time left", "val. Dice %")
    for tracked in ordered[:rows]:
        state = Text(tracked.status, style=_STYLES.get(tracked.status, ""))
        table.add_row(*_cells(tracked, state, estimate), percent(tracked.dice))
    hidden = Counter(tracked.status for tracked in ordered[rows:])
    lines = [f"and {_counted(hidden)} more"] if hidden else []
    counts = Counter(tracked.status for tracked in runs)
    lines.append(f"{len(runs)} runs: {_counted(counts)}; time left {estimate.total(slots)}")
    return Group(table, *(Text(line) for line in lines))


def plan_table(runs: Sequence[TrackedRun], states: Sequence[str]) -> Table:
    """Return the plan: each run, how far it is, and how long it will take."""
    estimate, table = TimeEstimate(runs), _table("time")
    for tracked, state in zip(runs, states, strict=True):
        table.add_row(*_cells(tracked, state, estimate))
    return table


def _table(*last: str) -> Table:
    return make_table(("task", "method", "seed", "state", "round", *last), left=("task", "method", "state"))


def _cells(tracked: TrackedRun, state: Text | str, estimate: TimeEstimate) -> list[Text | str]:
    run = tracked.run
    left = EMPTY if tracked.status in _ENDED else duration(estimate.left(tracked))
    return [run.task, run.method, str(run.seed), state, f"{tracked.rounds}/{run.rounds}", left]


def summary(runs: Sequence[TrackedRun]) -> str:
    """Count the runs, and list those that are not finished with their errors and the ends of their logs."""
    counts = Counter(tracked.status for tracked in runs)
    total = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    lines = [f"{count(runs, 'run')}: {total}."]
    for tracked in runs:
        if tracked.status in ("failed", "no room", "broken off"):
            log = tracked.run.files.log
            lines.append(f"\n{tracked.run.name} {tracked.status}: {tracked.reason}")
            if tracked.troubled and (found := last_lines(log, _LOG_LINES)):
                lines += [f"  the end of {log}:", *(f"    {line}" for line in found)]
    if counts["failed"]:
        lines.append("\nFailed runs are not tried again unless --retry_failed says so.")
    if counts["no room"]:
        lines.append("\nRuns without room in their account ask again if --retry_failed says so.")
    return "\n".join(lines)


def plan_text(runs: Sequence[TrackedRun], slots: int) -> str:
    """Say how many runs a benchmark would make, and how long that would take."""
    estimate = TimeEstimate(runs)
    return f"{len(estimate.unfinished)} of {len(runs)} runs to make, {slots} at a time; time: {estimate.total(slots)}."


def _counted(counts: Counter[Status]) -> str:
    return ", ".join(f"{counts[status]} {status}" for status in _ORDER if counts[status])


@contextmanager
def make_display(console: Console, slots: int) -> Iterator[LineDisplay | TableDisplay]:
    """Make the display that fits the console: a table in a terminal, lines elsewhere."""
    if not console.is_terminal:
        yield LineDisplay(console)
        return
    # Drawn from the main thread alone, which is the one that signals interrupt.
    with Live(console=console, auto_refresh=False) as live:
        yield TableDisplay(live, slots)
