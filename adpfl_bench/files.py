"""Files and folders written so that a reader, or the next run, never finds half of one."""

from __future__ import annotations

import errno
import glob
import os
import platform
import re
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_HOST = f"{zlib.crc32(platform.node().encode()):08x}"
# A file that was to be renamed, or a folder; those of earlier versions do not name the host.
_LEFTOVER = re.compile(
    r"\.(?P<name>.+)(\.|-partial-)((?P<host>[0-9a-f]{8})-)?(?P<process>\d+)(?P<folder>-[0-9a-f]+)?", re.DOTALL
)
_NOT_FOR_FOLDERS = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM}


_TROUBLE = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EMFILE, errno.ENFILE, errno.ESTALE),
}


def file_trouble(error: BaseException) -> str | None:
    """Say what the system has against a file, where it is nothing that a program could have done right.

    Args:
        error: What was raised.

    Returns:
        A sentence; ``None`` of any other error.
    """
    if not isinstance(error, OSError) or error.errno not in _TROUBLE:
        return None
    where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "A file"
    return f"{where} cannot be used: {error.strerror}. Make room, mend its rights or its path, and try again."


def cache_directory(given: Path | None = None) -> Path:
    """The folder of what is kept for the next run: the given one, or ``ADPFL_CACHE``, or ``~/.cache/adpfl_bench``."""
    return Path(given or os.environ.get("ADPFL_CACHE") or "~/.cache/adpfl_bench").expanduser()


def file_state(path: Path) -> tuple[str, int, int]:
    """Path, size and time of change of a file: where these are the same, so is its content."""
    status = path.stat()
    return str(path.resolve()), status.st_size, status.st_mtime_ns


def replace_file(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of ``path``: a reader sees the old file or the new one, also after a crash.

    Args:
        path: The file; its folder must exist.
        content: Its new bytes.

    Raises:
        OSError: It could not be written (a full disk, say); the old file is whole, and nothing is left beside it.
    """
    replace_file_by(path, lambda file: file.write(content))


def replace_file_by(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """As :func:`replace_file`, with content that ``write`` brings piece by piece.

    Raises:
        OSError: As there; also whatever ``write`` raises, after which the old file is whole too.
    """
    temporary = path.with_name(f".{path.name}.{_HOST}-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_to_file(path: Path, content: bytes) -> None:
    """Append ``content`` whole, or leave the file as it was.

    Raises:
        OSError: It could not be written; what was written of ``content`` has been cut off again.
    """
    with path.open("ab", buffering=0) as file:  # a buffer would be written once more when the file is closed
        size = file.tell()
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except BaseException:
            os.truncate(path, size)
            raise
    if size == 0:  # it may be new
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed or made in a folder outlast a power failure, on platforms and file systems that can.

    Raises:
        OSError: The disk failed.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_FOR_FOLDERS:
            raise


def remove_leftovers(folder: Path, name: str | None = None, ours: bool = False) -> list[Path]:
    """Remove what processes that were killed left in a folder: files and folders that never got their names.

    Args:
        folder: The folder, which is not searched below.
        name: Only those that were to have this name.
        ours: Whether this process alone may write there, which has not begun: those of other hosts can go too then,
            and of earlier processes with its own id. Those of other living processes of this host stay.

    Returns:
        What was removed.
    """
    removed = []
    for path in list(folder.glob(f".{glob.escape(name)}*" if name else ".*")):
        found = _LEFTOVER.fullmatch(path.name)
        if found is None or name not in (None, found["name"]) or path.is_dir() != bool(found["folder"]):
            continue
        process, here = int(found["process"]), found["host"] in (None, _HOST)
        if not ours and (not here or process == os.getpid()):
            continue
        if here and process != os.getpid() and lives(process):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):  # another user's, say; it is in nobody's way
                path.unlink(missing_ok=True)
        if not path.exists():
            removed.append(path)
    return removed


def lives(process: int) -> bool:
    """Tell whether a process of this host has the id."""
    try:
        os.kill(process, 0)
    except PermissionError:  # it is another user's
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside ``folder``, ``.NAME-partial-*``, that takes its place when the block ends.

    Whoever finds ``folder`` finds it whole; after an error, or Ctrl-C, nothing is left, and what a killed process left
    is removed by the next one.

    Args:
        folder: The folder; it may be there if it is empty.

    Raises:
        FileExistsError: Another process was faster; its folder stays as it is.
        OSError: It could not be written.
    """
    partial = folder.with_name(f".{folder.name}-partial-{_HOST}-{os.getpid()}-{secrets.token_hex(4)}")
    remove_leftovers(folder.parent, folder.name)
    partial.mkdir(parents=True)
    try:
        yield partial
        try:
            partial.replace(folder)
        except OSError as error:
            if folder.is_dir():
                raise FileExistsError(f"{folder} was written by another process meanwhile") from error
            raise
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
