"""Scheduler of a grid's runs: starts as many at a time as there is room for, and judges how each ends."""

import time
from collections import deque
from collections.abc import Sequence
from signal import Signals
from typing import Protocol

from adpfl_bench.errors import BenchError
from adpfl_bench.grid.engine import Engine, Job
from adpfl_bench.grid.run_state import Status, TrackedRun, inspect_run
from adpfl_bench.grid.work import TAKEN
from adpfl_bench.stopping import STOPPING, StopSignals, exit_status, heeding_stops

_RETRIES_AFTER_KILL = 1
_STOPPED = tuple(exit_status(number) for number in STOPPING)
_REMIND_S = 10.0


class Display(Protocol):
    """Display of how far the runs are."""

    def changed(self, tracked: TrackedRun, text: str) -> None:
        """Note that a run has come to another state."""

    def refresh(self, runs: Sequence[TrackedRun]) -> None:
        """Note that some time has passed."""


class Scheduler:
    """Scheduler that brings runs to their end.

    A run that raises has failed, and the others go on, as they do where one does not fit into its account. One that is
    killed by a signal, or for which memory was short, goes on from its checkpoint, once, since that may be nothing its
    configuration caused. One that another process is at work on is waited for, and taken over if that process leaves it
    unfinished. The first SIGINT, SIGTERM or SIGHUP stops the runs and waits for them, the second one kills them; they
    can be continued after either.

    Args:
        runs: The runs, in the order in which they start.
        engine: Starts them.
        display: Shows how far they are.
        pause: Seconds between looks at them.
    """

    def __init__(
        self,
        runs: Sequence[TrackedRun],
        engine: Engine,
        display: Display,
        pause: float = 0.2,
    ) -> None:
        self.runs = list(runs)
        self.engine = engine
        self.display = display
        self.pause = pause
        self._waiting = deque(tracked for tracked in self.runs if tracked.status == "waiting")
        self._free = list(range(engine.slots))[::-1]
        self._stops = StopSignals()

    @property
    def stopped_by(self) -> Signals | None:
        """The first signal that told it to stop."""
        return self._stops.came

    def run(self) -> None:
        """Go on until no run is waiting, running or taken, or until interrupted and all runs have ended."""
        with heeding_stops() as self._stops, self._stops.counting():
            try:
                heeded, last = 0, 0.0
                while self._going_on():
                    if self._stops.count > heeded or (self.stopped_by and time.monotonic() - last > _REMIND_S):
                        heeded, last = self._stops.count, time.monotonic()
                        self._stop()
                    self._fill()
                    self.display.refresh(self.runs)
                    time.sleep(self.pause)
                    self._collect()
                self.display.refresh(self.runs)
            finally:
                for _, job in self._running():
                    job.kill()

    def _running(self) -> list[tuple[TrackedRun, Job]]:
        return [(tracked, tracked.job) for tracked in self._with("running") if tracked.job is not None]

    def _with(self, status: Status) -> list[TrackedRun]:
        return [tracked for tracked in self.runs if tracked.status == status]

    def _going_on(self) -> bool:
        waits = not self.stopped_by and (self._waiting or self._with("taken"))
        return bool(waits or self._with("running"))

    def _stop(self) -> None:
        for _, job in self._running():
            if self._stops.count > 1:
                job.kill()
            else:
                job.interrupt()

    def _fill(self) -> None:
        while self._free and self._waiting and not self.stopped_by:
            self._start(self._waiting.popleft())

    def _start(self, tracked: TrackedRun) -> None:
        state = inspect_run(tracked.run)  # another benchmark may have been here since
        if state.stage == "taken":
            self._become(tracked, "taken", state.reason)
            return
        again = tracked.run.retry_failed and not tracked.tried
        may_start = state.stage in ("new", "resumable") or (
            (state.stage == "failed" and (tracked.kills > 0 or again)) or (state.stage == "no room" and again)
        )
        if not may_start:
            stands: Status = "finished" if state.stage == "finished" else "failed"
            self._become(tracked, "no room" if state.stage == "no room" else stands, state.reason)
            return
        slot = self._free.pop()
        tracked.slot, tracked.tried, tracked.ended = slot, True, None
        tracked.attempts_before = len(tracked.run.files.read_attempts())
        try:
            tracked.job = self.engine.start(tracked.run, slot)
        except (BenchError, OSError) as error:
            self._free.append(slot)
            self._become(tracked, "failed", f"it could not be started: {error}")
            return
        self._become(tracked, "running")

    def _collect(self) -> None:
        for tracked, job in self._running():
            tracked.look()
            ended = job.poll()
            if ended is not None:
                tracked.job, tracked.ended = None, ended
                self._free.append(tracked.slot)
                self._judge(tracked)
        for tracked in self._with("taken"):
            tracked.look()
            if not tracked.run.files.lock.taken:
                self._judge(tracked)

    def _judge(self, tracked: TrackedRun) -> None:
        """Decide what becomes of a run whose process, or whose other process, has ended."""
        tracked.look()
        state = inspect_run(tracked.run)
        if state.stage == "taken":  # by another benchmark, or a loading process of the run has not noticed yet
            self._become(tracked, "taken", state.reason)
            return
        ended, tracked.ended = tracked.ended, None
        if state.stage == "finished":
            self._become(tracked, "finished")
            return
        if state.stage == "no room":
            self._become(tracked, "no room", state.reason)
            return
        attempts = tracked.run.files.read_attempts()[tracked.attempts_before :]
        outcome = attempts[-1].outcome if attempts else None
        if ended is None or ended.status == TAKEN:
            # What another process has left unfinished is taken over, unless it failed.
            if state.stage in ("failed", "refused"):
                self._become(tracked, "failed", state.reason)
            else:
                self._wait(tracked, "is free again")
        elif outcome in ("failed", "refused"):
            self._become(tracked, "failed", attempts[-1].error or state.reason)
        elif outcome == "out of memory":
            self._broken_off(tracked, outcome)
        elif outcome == "interrupted" or ended.status in _STOPPED:
            self._broken_off(tracked, "interrupted")
        elif ended.status is None:
            self._broken_off(tracked, ended.how)
        elif self.stopped_by:
            self._broken_off(tracked, "interrupted")
        else:
            self._become(tracked, "failed", state.reason or f"{ended.how} without saying why")

    def _broken_off(self, tracked: TrackedRun, how: str) -> None:
        tracked.kills += 1
        where = f"{how} after round {tracked.rounds}" if tracked.rounds else f"{how} in its first round"
        if self.stopped_by:
            self._become(tracked, "broken off", where)
        elif tracked.kills <= _RETRIES_AFTER_KILL:
            self._wait(tracked, f"{where}, goes on from its checkpoint")
        else:
            self._become(tracked, "broken off", f"{where}, for the {_ordinal(tracked.kills)} time; it can be continued")

    def _wait(self, tracked: TrackedRun, text: str) -> None:
        tracked.status, tracked.reason = "waiting", ""
        self._waiting.appendleft(tracked)
        self.display.changed(tracked, text)

    def _become(self, tracked: TrackedRun, status: Status, reason: str = "") -> None:
        tracked.status, tracked.reason = status, reason
        self.display.changed(tracked, f"{status}: {reason}" if reason else status)


def _ordinal(number: int) -> str:
    return {2: "second", 3: "third"}.get(number, f"{number}th")
