"""Tracked run: a run while the benchmark is at work."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from adpfl_bench.errors import RecordError
from adpfl_bench.grid.engine import Ended, Job
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.run_state import RunState
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.records.run_directory import RunDirectory

Status = Literal["waiting", "running", "taken", "finished", "failed", "broken off"]


@dataclass
class TrackedRun:
    """A run, and what has become of it.

    Attributes:
        run: The run.
        status: ``taken`` while another process makes it; ``broken off`` when it was stopped, or killed too often, and
            can be continued.
        rounds: Rounds completed.
        seconds: Time spent on it so far.
        dice: Validation Dice after its last round.
        reason: Why it failed or was broken off, or who makes it.
        kills: How often it was killed in this benchmark.
        tried: Whether it was started in this benchmark.
        job: Its job while it runs.
        ended: How its last process ended, while that is to be judged.
        slot: Which slot it takes.
        attempts_before: Attempts at it before the last start.
    """

    run: GridRun
    status: Status = "waiting"
    rounds: int = 0
    seconds: float = 0.0
    dice: float | None = None
    reason: str = ""
    kills: int = 0
    tried: bool = False
    job: Job | None = None
    ended: Ended | None = None
    slot: int = 0
    attempts_before: int = 0
    _seen: tuple[int, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, run: GridRun, state: RunState) -> TrackedRun:
        """Track a run as it is found."""
        status: dict[str, Status] = {"finished": "finished", "taken": "taken", "failed": "failed", "refused": "failed"}
        found = status.get(state.stage, "waiting")
        if state.stage == "failed" and run.retry_failed:
            found = "waiting"
        reason = state.reason if found in ("failed", "taken") else ""
        tracked = cls(run, found, state.rounds, state.seconds, reason=reason)
        tracked.look()
        return tracked

    @property
    def troubled(self) -> bool:
        """Whether its log may say what is wrong with it: it failed, or was killed more than once."""
        return self.status == "failed" or self.kills > 1

    def look(self) -> None:
        """Bring rounds, time and Dice up to date with what the run has written, if that has changed."""
        directory = RunDirectory(self.run.files.folder)
        try:
            seen = tuple(path.stat().st_mtime_ns for path in (directory.record_file, directory.rounds_file))
        except FileNotFoundError:
            return
        if seen == self._seen:
            return
        try:
            record, rows = directory.read_record(), directory.read_rounds()
        except RecordError:  # the run itself will meet what is wrong with its files, and say so
            return
        self._seen = seen
        self.rounds = record.rounds_completed
        self.seconds = record.wall_seconds or 0.0
        main = f"val_{record.model.metrics[0].name}"
        dice = [row.value for row in rows if (row.client, row.name) == (ALL_CLIENTS, main)]
        self.dice = dice[-1] if dice and math.isfinite(dice[-1]) else None
