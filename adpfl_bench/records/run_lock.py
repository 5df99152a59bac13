"""Lock of a run's folder: one process at a time works there."""

from __future__ import annotations

import errno
import json
import os
import platform
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from adpfl_bench.errors import BenchError, RecordError
from adpfl_bench.files import lives, remove_leftovers
from adpfl_bench.records.run_directory import RunDirectory

UNNAMED_HOLDER = "another process, which is just starting"
"""Who holds a lock that nobody's name is in yet."""

_WAIT_S = 1.0  # others take the lock for a moment to see whether it is free
_WAIT_FOR_CHILDREN_S = 10.0  # until the loading processes of one that was killed have noticed it, which takes 5
_POLL_S = 0.05
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class RunIsTaken(BenchError):
    """Another process is at work in the run's folder."""


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock.

    Attributes:
        process: Its id.
        host: The machine.
        since: When it took the lock.
    """

    process: int
    host: str
    since: str

    @property
    def dead(self) -> bool:
        """Whether no process of this host is the holder any more; of other hosts nobody knows."""
        return self.host == platform.node() and not lives(self.process)

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}, since {self.since}"


@dataclass
class _Hold:
    """A lock that is held."""

    lock: FileLock
    file: os.stat_result
    made: list[Path]
    uses: int = 1


_holds: dict[tuple[Path, int, int], _Hold] = {}
"""By folder, process and thread; a forked process finds its parent's here."""


class RunLock:
    """Lock of a run's folder, which the system releases when the process that holds it ends, however.

    The lock is a file ``.lock`` in the folder while a process works there; ``.lock-holder`` says which. What that
    process finds half-written of earlier ones, it removes.

    Args:
        folder: The run's folder; it is made for the lock and, if nothing else comes there, removed with it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.file = self.folder / ".lock"
        self._holder_file = self.folder / ".lock-holder"

    @contextmanager
    def held(self, wait: float | None = None) -> Iterator[None]:
        """Hold the lock, as :meth:`acquire` and :meth:`release` do."""
        self.acquire(wait)
        try:
            yield
        finally:
            self.release()

    @contextmanager
    def joined(self) -> Iterator[None]:
        """Hold the lock, as :meth:`join` and :meth:`release` do."""
        self.join()
        try:
            yield
        finally:
            self.release()

    def acquire(self, wait: float | None = None) -> None:
        """Take the lock.

        Args:
            wait: Seconds to wait for it, 1 by default. For the loading processes of a holder that was killed it is
                waited longer.

        Raises:
            RunIsTaken: Another process has it, or this one already.
            RecordError: The folder cannot be locked.
        """
        lock = FileLock(self.file)
        with self._in_a_sentence():
            made = [path for path in (self.folder, *self.folder.parents) if not path.exists()]
            self._acquire(lock, _WAIT_S if wait is None else wait)
            _holds[self._key] = _Hold(lock, self.file.stat(), made)
        try:
            with self._in_a_sentence():
                self._holder_file.write_text(json.dumps(asdict(_this_process())))
                for folder in (self.folder, RunDirectory(self.folder).checkpoints):
                    remove_leftovers(folder, ours=True)
        except BaseException:
            self.release()
            raise

    def join(self) -> None:
        """Take the lock, or go on with it as part of whatever this thread holds it for.

        Raises:
            RunIsTaken: Another process or thread has it.
            RecordError: The folder cannot be locked.
        """
        if self._key in _holds:
            _holds[self._key].uses += 1
        else:
            self.acquire()

    def release(self) -> None:
        """Give the lock back, when whoever has joined in its holding has given it back too."""
        hold = _holds[self._key]
        hold.uses -= 1
        if hold.uses == 0:
            del _holds[self._key]
            self._clear(hold)
            hold.lock.release()

    @property
    def _key(self) -> tuple[Path, int, int]:
        with self._in_a_sentence():
            return self.folder.resolve(), os.getpid(), threading.get_ident()

    @property
    def taken(self) -> bool:
        """Whether a living process holds it; what a dead one left behind does not count."""
        if not self.file.exists():
            return False
        lock = FileLock(self.file)
        with self._in_a_sentence():
            try:
                _take(lock)
            except Timeout:
                return True
            except FileNotFoundError:  # it has just been released
                return False
        lock.release()
        return False

    def holder(self) -> Holder | None:
        """Return the process that holds it, or the last that did and was killed; ``None`` where none is named yet."""
        try:
            return Holder(**json.loads(self._holder_file.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def _acquire(self, lock: FileLock, wait: float) -> None:
        start = time.monotonic()
        while True:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                _take(lock)
                return
            except FileNotFoundError:  # whoever released it may just have removed the empty folder
                if time.monotonic() - start >= _WAIT_S:
                    raise
            except Timeout:
                holder = self.holder()
                patience = max(wait, _WAIT_FOR_CHILDREN_S) if holder is not None and holder.dead else wait
                if time.monotonic() - start >= patience:
                    raise RunIsTaken(
                        f"{self.folder} is in use by {holder or UNNAMED_HOLDER}. Wait for"
                        " it, stop it, or choose another folder for this run."
                    ) from None
            time.sleep(_POLL_S)

    @contextmanager
    def _in_a_sentence(self) -> Iterator[None]:
        try:
            yield
        except NotImplementedError as error:
            raise RecordError(self._without_locks(error)) from error
        except (OSError, RuntimeError) as error:  # before Python 3.13 a link to itself is the latter
            if getattr(error, "errno", None) in _NO_LOCKS:
                raise RecordError(self._without_locks(error)) from error
            said = getattr(error, "strerror", None) or error
            raise RecordError(
                f"{self.folder} cannot be locked for this run: {said}. Make it writable, make room, or choose another"
                " folder."
            ) from error

    def _without_locks(self, error: Exception) -> str:
        return (
            f"{self.folder} is on a file system without locks ({error}), where two processes could write into one run."
            " Choose a folder on another one, or have it mounted with locks (Lustre: flock; NFS: not nolock)."
        )

    def _clear(self, hold: _Hold) -> None:
        """Remove the lock's files, unless the folder has been moved away and these are another process's."""
        with suppress(OSError):
            if os.path.samestat(self.file.stat(), hold.file):
                self._holder_file.unlink()
                self.file.unlink()
                for path in hold.made:  # ends at the first that is not empty
                    path.rmdir()

    def forget_in(self, moved: Path) -> None:
        """Remove the lock's files from where the folder was moved to, while the lock is held."""
        for file in (self.file, self._holder_file):
            (moved / file.name).unlink(missing_ok=True)


def _this_process() -> Holder:
    return Holder(os.getpid(), platform.node(), datetime.now(timezone.utc).isoformat(timespec="seconds"))


def _take(lock: FileLock) -> None:
    """Take a lock that is free.

    Raises:
        Timeout: Another has it.
        OSError: It cannot be locked.
        NotImplementedError: The file system has no locks.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="flock not supported")
        try:
            lock.acquire(blocking=False)
        finally:
            if isinstance(lock, SoftFileLock):  # in the place of a lock a file, which a killed process would leave
                lock.release()
                raise NotImplementedError("it has no flock")
