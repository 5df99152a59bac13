"""Cache of file digests, so that a dataset that has not changed is not read again only to be hashed."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from adpfl_bench.files import cache_directory, remove_leftovers, replace_file

_log = logging.getLogger(__name__)

FOLDER = "digests"
_FORMAT = 1
_MOST_FILES = 200_000  # of one dataset: beyond the files of the run at hand, others are kept up to this number
_MOST_DATASETS = 64
_MOST_BYTES = 2**28
_PATIENCE = 600  # seconds
_SHA256 = re.compile("[0-9a-f]{64}")


class FileTimes(NamedTuple):
    """What tells that a file is not the one it was.

    Attributes:
        size: Size in bytes.
        modified: Time of its last modification in ns, which a copy may keep.
        changed: Time of the last change to it or to its attributes in ns, which no program can set.
        linked: The same of the symbolic link that leads to it; 0 where none does.
    """

    size: int
    modified: int
    changed: int
    linked: int

    @classmethod
    def of(cls, path: str) -> FileTimes:
        """Ask for those of a file.

        Raises:
            IsADirectoryError: It is a folder.
            OSError: There is no such file, or it may not be seen.
        """
        status, linked = os.lstat(path), 0
        if stat.S_ISLNK(status.st_mode):
            status, linked = os.stat(path), status.st_ctime_ns
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, linked)


class KnownDigest(NamedTuple):
    """SHA-256 of a file in hexadecimal, and the file's times when it was read."""

    times: FileTimes
    sha256: str


class DigestCache:
    """Digests of one dataset's files in ``digests/`` of the cache directory, in a JSON file for each dataset's folder.

    It only saves time. What cannot be read, or is not what it should be, counts as nothing known, and a folder that
    cannot be written is passed over with a line in the log. Processes that write at once replace each other's file
    whole. It is bounded: old datasets, and files that a dataset no longer has, make room for new ones.

    Args:
        root: The dataset's folder.
        directory: The cache directory; by default the user's.
    """

    def __init__(self, root: Path, directory: Path | None = None) -> None:
        name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()[:20]
        self.path = cache_directory(directory) / FOLDER / f"{name}.json"

    def read(self) -> dict[str, KnownDigest]:
        """Return what is known, by path relative to the dataset's folder."""
        try:
            if self.path.stat().st_size > _MOST_BYTES:
                return {}
            content = json.loads(self.path.read_bytes())
            if content["format"] != _FORMAT:
                return {}
            return {file: _entry(entry) for file, entry in content["files"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            _log.warning("The digests in %s cannot be used (%r); the files are hashed again.", self.path, error)
            return {}

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let one process at a time hash a dataset, since the others then find what it hashed.

        Who cannot lock anything, or has waited for ten minutes, goes on with the others.
        """
        lock = FileLock(self.path.with_suffix(".lock"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                print("Another process hashes these files; waiting for what it finds ...", file=sys.stderr, flush=True)
                lock.acquire(timeout=_PATIENCE)
        except (OSError, Timeout) as error:
            _log.warning("The files are hashed without a lock on %s: %s", self.path, error)
        try:
            yield
        finally:
            lock.release()

    def write(self, known: Mapping[str, KnownDigest], before: Mapping[str, KnownDigest]) -> None:
        """Keep digests for the next run.

        Args:
            known: Those of the files of the run at hand.
            before: What :meth:`read` returned, of which other files are kept.
        """
        others = [file for file in before if file not in known][: max(0, _MOST_FILES - len(known))]
        kept = {**known, **{file: before[file] for file in others}}
        content = {"format": _FORMAT, "files": {file: [*times, digest] for file, (times, digest) in kept.items()}}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.path.parent, self.path.name)
            replace_file(self.path, json.dumps(content, separators=(",", ":")).encode())
            for old in sorted(self.path.parent.glob("*.json"), key=lambda path: -path.stat().st_mtime)[_MOST_DATASETS:]:
                old.unlink(missing_ok=True)
                old.with_suffix(".lock").unlink(missing_ok=True)
        except OSError as error:
            _log.warning("The digests of files cannot be kept in %s: %s; they are hashed again.", self.path, error)


def _entry(found: list[object]) -> KnownDigest:
    *times, sha256 = found
    size, modified, changed, linked = times
    for number in (size, modified, changed, linked):
        if type(number) is not int:
            raise ValueError(f"{number!r} is no whole number")
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{sha256!r} is no SHA-256")
    return KnownDigest(FileTimes(size, modified, changed, linked), sha256)  # type: ignore[arg-type]
