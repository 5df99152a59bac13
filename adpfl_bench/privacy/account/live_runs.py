"""Live runs of an account: each holds a lock, which the system releases when its process ends, however."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from adpfl_bench.errors import RecordError

_LONGEST_WAIT_S = 120.0
_LOOKS_S = 5.0  # others take a run's lock for a moment to see whether it is free


class LiveRuns:
    """Locks of an account's folder: one of whoever writes, and one of each run that is at work.

    Args:
        folder: The account's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, BaseFileLock] = {}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep everybody else from writing.

        Raises:
            RecordError: Somebody writes for minutes, or the folder cannot be locked.
        """
        lock = self._taken(self._folder / ".lock", _LONGEST_WAIT_S)
        if lock is None:
            raise RecordError(
                f"{self._folder} is being written to by another process for {_LONGEST_WAIT_S:g} s; stop it, or wait."
            )
        try:
            yield
        finally:
            lock.release()

    def enter(self, run: str) -> bool:
        """Let a run be at work in this process; false where it is in another one."""
        if run in self._held:
            return True
        lock = self._taken(self._file(run), _LOOKS_S)
        if lock is not None:
            self._held[run] = lock
        return lock is not None

    def leave(self, run: str) -> None:
        """Let a run be at work no longer."""
        if (lock := self._held.pop(run, None)) is not None:
            lock.release()

    def end(self, run: str) -> None:
        """Let a run be at work no longer, and remove its lock; whoever writes does that."""
        self.leave(run)
        self._file(run).unlink(missing_ok=True)

    def at_work(self, run: str) -> bool:
        """Whether any process is at work on a run; to whoever may not lock the folder every run seems to be."""
        if run in self._held:
            return True
        file = self._file(run)
        if not file.exists():
            return False
        try:
            lock = self._taken(file, 0.0)
        except RecordError:
            return True
        if lock is not None:
            lock.release()
        return lock is None

    def _file(self, run: str) -> Path:
        return self._folder / f".run-{run}.lock"

    def _taken(self, file: Path, wait: float) -> BaseFileLock | None:
        lock: BaseFileLock = FileLock(file)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="flock not supported")
                lock.acquire(timeout=wait)
        except Timeout:
            return None
        except (OSError, NotImplementedError) as error:
            raise RecordError(
                f"{self._folder} cannot be locked ({getattr(error, 'strerror', None) or error}), so that two processes"
                " could spend the same budget: make it writable, or put the account on a file system with locks."
            ) from error
        if isinstance(lock, SoftFileLock):
            lock.release()
            raise RecordError(
                f"{self._folder} is on a file system without locks, where two processes could spend the same budget:"
                " put the account on another one."
            )
        return lock
