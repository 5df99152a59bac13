"""Files of a benchmark's run, and what is kept of each attempt at it."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from adpfl_bench.errors import RecordError
from adpfl_bench.files import remove_leftovers, replace_file
from adpfl_bench.records.run_lock import RunLock

Outcome = Literal["finished", "failed", "out of memory", "interrupted", "refused", "no room"]


@dataclass(frozen=True)
class Attempt:
    """One process's attempt at a run.

    Attributes:
        started: When it started.
        process: The process's id.
        host: The machine.
        ended: When it ended; ``None`` while it goes on, and of one that was killed.
        outcome: How it ended: ``failed`` by an error of the run, ``out of memory`` by what the machine lacks just then,
            ``refused`` before the run was touched, ``no room`` where the account of its cohort has none for it.
        error: What was wrong.
    """

    started: str
    process: int
    host: str
    ended: str | None = None
    outcome: Outcome | None = None
    error: str | None = None

    @classmethod
    def now(cls) -> Attempt:
        """Return the attempt of this process, starting."""
        return cls(_now(), os.getpid(), platform.node())

    def end(self, outcome: Outcome, error: str | None = None) -> Attempt:
        """Return the attempt, ended."""
        return replace(self, ended=_now(), outcome=outcome, error=error)


@dataclass(frozen=True)
class RunFiles:
    """Places of a run's files.

    Attributes:
        output: The benchmark's folder.
        name: The run's name, ``TASK/METHOD/seedS``.
    """

    output: Path
    name: str

    @property
    def folder(self) -> Path:
        """The run's own folder, with its record and checkpoints."""
        return self.output / "runs" / self.name

    @property
    def log(self) -> Path:
        """What the run printed, attempt after attempt."""
        return self.output / "logs" / f"{self.name}.log"

    @property
    def attempts_file(self) -> Path:
        """The attempts at the run."""
        return self.output / "state" / f"{self.name}.json"

    @property
    def lock(self) -> RunLock:
        """The lock of the run's folder, which every command takes that works there."""
        return RunLock(self.folder)

    def set_aside(self) -> Path | None:
        """Move the run's folder out of the runs, so that it can be started anew; ``None`` if there is none.

        Its lock, which must be held, is that of the place, and does not move along.
        """
        if not self.folder.exists():
            return None
        number = 1
        while (target := self.output / "replaced" / f"{self.name}-{number}").exists():
            number += 1
        target.parent.mkdir(parents=True, exist_ok=True)
        self.folder.rename(target)
        self.lock.forget_in(target)
        return target

    def read_attempts(self) -> list[Attempt]:
        """Return the attempts so far, the last one last.

        Raises:
            RecordError: Their file cannot be read.
        """
        try:
            return [Attempt(**entry) for entry in json.loads(self.attempts_file.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise RecordError(f"{self.attempts_file} cannot be read as the attempts at a run: {error}") from error

    def write_attempt(self, attempt: Attempt) -> None:
        """Write down an attempt in the place of what is known of it, or as a new one.

        Raises:
            RecordError: It could not be written.
        """
        earlier = [other for other in self.read_attempts() if _identity(other) != _identity(attempt)]
        content = json.dumps([asdict(entry) for entry in [*earlier, attempt]], indent=1) + "\n"
        try:
            self.attempts_file.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.attempts_file.parent, self.attempts_file.name)
            replace_file(self.attempts_file, content.encode())
        except OSError as error:
            raise RecordError(f"{self.attempts_file} could not be written: {error.strerror}; make room.") from error


def _identity(attempt: Attempt) -> tuple[str, int, str]:
    return attempt.started, attempt.process, attempt.host


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
