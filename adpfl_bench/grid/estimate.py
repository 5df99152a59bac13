"""How long runs will take, from those that are finished."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean

from adpfl_bench.grid.plan import GridRun

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class TimeEstimate:
    """Seconds of a run: those of the same task and method, else of the same task, in proportion to rounds."""

    def __init__(self) -> None:
        self._by_method: dict[tuple[str, str], list[float]] = {}
        self._by_task: dict[str, list[float]] = {}

    def learn(self, run: GridRun, seconds: float) -> None:
        """Take a finished run into account.

        Args:
            run: The run.
            seconds: What it took.
        """
        self._by_method.setdefault((run.task, run.method), []).append(seconds / run.rounds)
        self._by_task.setdefault(run.task, []).append(seconds / run.rounds)

    def left(self, run: GridRun, rounds: int = 0, seconds: float = 0.0) -> float | None:
        """Seconds that a run still takes, or ``None`` where nothing is known.

        Args:
            run: The run.
            rounds: Rounds that it has completed.
            seconds: What they took.
        """
        known = self._by_method.get((run.task, run.method)) or self._by_task.get(run.task)
        if known:
            by_round = mean(known)
        elif rounds > 0:
            by_round = seconds / rounds
        else:
            return None
        return by_round * max(run.rounds - rounds, 0)


def total_left(each: Iterable[float | None], slots: int) -> tuple[float, int]:
    """Seconds until all is done, and the number of runs that are not in it because nothing is known of them.

    Args:
        each: Seconds that each run still takes.
        slots: How many go on at a time.
    """
    stated = list(each)
    known = [seconds for seconds in stated if seconds is not None]
    return max(sum(known) / slots, max(known, default=0.0)), len(stated) - len(known)


def total_text(each: Iterable[float | None], slots: int) -> str:
    """The same in words."""
    stated = list(each)
    seconds, unknown = total_left(stated, slots)
    if unknown == len(stated):
        return "unknown" if stated else "0 s"
    more = f" and {unknown} run{'s' if unknown != 1 else ''} of unknown length" if unknown else ""
    return f"about {duration(seconds)}{more}"


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
