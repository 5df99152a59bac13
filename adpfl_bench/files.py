"""Files and folders written so that a reader, or the next run, never finds half of one."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


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
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
        except OSError:
            os.truncate(path, size)
            raise


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside ``folder``, ``.NAME-partial-*``, that takes its place when the block ends.

    Whoever finds ``folder`` finds it whole; after an error, or Ctrl-C, nothing is left.

    Args:
        folder: The folder; it may be there if it is empty.

    Raises:
        FileExistsError: Another process was faster; its folder stays as it is.
        OSError: It could not be written.
    """
    partial = folder.with_name(f".{folder.name}-partial-{os.getpid()}-{secrets.token_hex(4)}")
    partial.mkdir(parents=True)
    try:
        yield partial
        try:
            partial.replace(folder)
        except OSError as error:
            if folder.is_dir():
                raise FileExistsError(f"{folder} was written by another process meanwhile") from error
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
