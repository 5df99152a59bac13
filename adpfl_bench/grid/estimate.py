"""Estimate of how long runs will take, from those that are finished."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from adpfl_bench.grid.tracked_run import TrackedRun
from adpfl_bench.text import count

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class TimeEstimate:
    """Seconds of a run: those of the same task and method, else of the same task, in proportion to rounds.

    Args:
        runs: All runs; the finished ones among them teach.

    Attributes:
        unfinished: The others, apart from those that failed.
    """

    def __init__(self, runs: Sequence[TrackedRun]) -> None:
        self.unfinished = [tracked for tracked in runs if tracked.status not in ("finished", "failed")]
        self._by_round: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for tracked in runs:
            if tracked.status == "finished" and tracked.seconds > 0:
                for kind in ((tracked.run.task, tracked.run.method), (tracked.run.task,)):
                    self._by_round[kind].append(tracked.seconds / tracked.run.rounds)

    def left(self, tracked: TrackedRun) -> float | None:
        """Seconds that a run still takes, or ``None`` where nothing is known."""
        run = tracked.run
        known = self._by_round.get((run.task, run.method)) or self._by_round.get((run.task,))
        if not known and not tracked.rounds:
            return None
        by_round = mean(known) if known else tracked.seconds / tracked.rounds
        return by_round * max(run.rounds - tracked.rounds, 0)

    def total(self, slots: int) -> str:
        """The time until all is done, in words.

        Args:
            slots: How many runs go on at a time.
        """
        known = [left for left in map(self.left, self.unfinished) if left is not None]
        unknown = self.unfinished[len(known) :]
        if not known:
            return "unknown" if unknown else "0 s"
        more = f" and {count(unknown, 'run')} of unknown length" if unknown else ""
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
