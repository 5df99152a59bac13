"""State of a run of the grid: from what is on the disk, and while the benchmark is at work."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from adpfl_bench.errors import RecordError
from adpfl_bench.grid.engine import Ended, Job
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.run_files import Attempt
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_lock import UNNAMED_HOLDER
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.settings import SEED, SPEED, describe_difference, differences, flatten_config

Stage = Literal["new", "resumable", "finished", "failed", "taken", "refused", "no room"]

_SHOWN_DIFFERENCES = 3


@dataclass(frozen=True)
class RunState:
    """State of a run.

    Attributes:
        stage: ``new``; ``resumable``, when it was broken off; ``finished`` or ``failed``; ``taken``, while a process is
            at work on it; ``refused``, when its folder holds something else; ``no room``, when it no longer fits into
            the account of its cohort.
        rounds: Rounds completed.
        seconds: Time spent on it so far.
        reason: Why it failed or is refused, or who is at work on it.
    """

    stage: Stage
    rounds: int = 0
    seconds: float = 0.0
    reason: str = ""


def inspect_run(run: GridRun) -> RunState:
    """Say how far a run is."""
    try:
        if run.files.lock.taken:
            return RunState("taken", reason=str(run.files.lock.holder() or UNNAMED_HOLDER))
        record, attempts = RunDirectory(run.files.folder).find_record(), run.files.read_attempts()
        other = other_settings(record, run.settings)
    except RecordError as error:
        return RunState("refused", reason=str(error))
    rounds, seconds = (record.rounds_completed, record.wall_seconds or 0.0) if record else (0, 0.0)
    why = failure(record, attempts)
    if why is not None:
        changed = f" (its settings have changed since: {other})" if other else ""
        return RunState("failed", rounds, seconds, why + changed)
    if attempts and attempts[-1].outcome == "no room" and (record is None or record.status != "finished"):
        return RunState("no room", rounds, seconds, attempts[-1].error or "")
    if record is None:
        return RunState("resumable" if attempts else "new")
    if other:
        how = "a finished run" if record.status == "finished" else f"a run ({record.status}, {rounds} rounds)"
        reason = (
            f"{run.files.folder} holds {how} with other settings: {other}. Give another --output, state the settings"
            " of that run, or move its folder away."
        )
        return RunState("refused", rounds, seconds, reason)
    return RunState("finished" if record.status == "finished" else "resumable", rounds, seconds)


def other_settings(record: RunRecord | None, settings: Mapping[str, str]) -> str:
    """Find the settings in which a record's run is another than the planned one; empty if in none.

    It may have been made, or begun, with other worker processes, say.
    """
    if record is None:
        return ""
    found = differences({"there": flatten_config(record.config), "in the grid": settings})
    described = [describe_difference(key, values) for key, values in found.items() if key not in (SEED, *SPEED)]
    more = len(described) - _SHOWN_DIFFERENCES
    return "; ".join(described[:_SHOWN_DIFFERENCES]) + (f"; and {more} more" if more > 0 else "")


def failure(record: RunRecord | None, attempts: list[Attempt]) -> str | None:
    """Say why the last attempt failed, or return ``None`` if it did not.

    A run that no benchmark made is judged by its record.
    """
    if record is not None and record.status == "finished":
        return None
    if attempts:
        return (attempts[-1].error or "it failed") if attempts[-1].outcome == "failed" else None
    return (record.error or "it failed") if record is not None and record.status == "failed" else None


def last_lines(log: Path, count: int) -> list[str]:
    """Return the last lines of a log, without what progress bars wrote over."""
    try:
        text = log.read_bytes()[-65536:].decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    return [line for line in lines if line][-count:]


Status = Literal["waiting", "running", "taken", "finished", "failed", "broken off", "no room"]


@dataclass
class TrackedRun:
    """A run, and what has become of it.

    Attributes:
        run: The run.
        status: ``taken`` while another process makes it; ``broken off`` when it was stopped, or killed too often, and
            can be continued; ``no room`` where the account of its cohort has none for it.
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
        status: dict[str, Status] = {"finished": "finished", "taken": "taken", "failed": "failed"}
        status |= {"refused": "failed", "no room": "no room"}
        found = status.get(state.stage, "waiting")
        if state.stage in ("failed", "no room") and run.retry_failed:
            found = "waiting"
        reason = state.reason if found in ("failed", "taken", "no room") else ""
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
