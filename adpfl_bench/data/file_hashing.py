"""Hashing of files in threads, for those whose digests are not known."""

from __future__ import annotations

import errno
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.filesize import decimal

from adpfl_bench.data.digest_cache import FileTimes, KnownDigest
from adpfl_bench.errors import DataError
from adpfl_bench.processors import in_parallel
from adpfl_bench.text import count

_BUFFER = 2**18  # bytes
_PART = 2**23  # bytes that a thread hashes at a time
_LONG = 2**26  # bytes from which on it takes long enough to be told
_SETTLED = 2_000_000_000  # ns: the coarsest clock of a usual file system, within which a second change does not show
_UNSETTLED = -1  # in place of a time within that: no file has it, so the file is read again
_ERRORS_SHOWN = 5


class FileHashing:
    """Files on their way to their digests.

    Args:
        above: What stands before their paths.
        cases: A case of each file, by its path.
        times: The times of each.
        workers: Threads that hash; by default one for each processor.

    Attributes:
        known: The digests so far, by path.
    """

    def __init__(
        self, above: str, cases: Mapping[str, str], times: Mapping[str, FileTimes], workers: int | None = None
    ) -> None:
        self._above, self._cases, self._times, self._workers = above, cases, times, workers
        self.known: dict[str, KnownDigest] = {}

    def take_over(self, before: Mapping[str, KnownDigest]) -> None:
        """Take over the digests of files that have the times that they had."""
        for file, times in self._times.items():
            if (entry := before.get(file)) is not None and entry.times == times:
                self.known[file] = entry

    @property
    def takes_long(self) -> bool:
        """Whether there is so much to hash that it takes more than a moment."""
        return sum(times.size for _, times in self._missing) >= _LONG

    def finish(self) -> None:
        """Hash the other files.

        Raises:
            DataError: Some cannot be read, or change while they are read; the first few are told.
        """
        missing, errors = self._missing, list[str]()
        if not missing:
            return

        def read(part: Sequence[tuple[str, FileTimes]]) -> None:
            buffer = memoryview(bytearray(_BUFFER))
            for file, seen in part:
                try:
                    self.known[file] = _read(self._above + file, seen, buffer)
                except OSError as error:
                    errors.append(unreadable_file(self._cases[file], self._above + file, error))

        size = decimal(sum(times.size for _, times in missing))
        title = f"Hashing {count(missing, 'file')} of the data ({size}) in parts"
        for _ in in_parallel(read, list(_parts(missing)), title, self._workers, bar=self.takes_long):
            pass
        if errors:
            shown = sorted(errors)
            more = f"\n  and {len(shown) - _ERRORS_SHOWN:,} more" if len(shown) > _ERRORS_SHOWN else ""
            listing = "".join(f"\n  {line}" for line in shown[:_ERRORS_SHOWN])
            raise DataError(f"{count(shown, 'file')} of {len(self._cases):,} cannot be hashed:{listing}{more}")

    @property
    def _missing(self) -> list[tuple[str, FileTimes]]:
        return [(file, times) for file, times in self._times.items() if file not in self.known]


def times_of(case_id: str, path: str) -> FileTimes:
    """The times of a case's file.

    Raises:
        DataError: It cannot be seen.
    """
    try:
        return FileTimes.of(path)
    except OSError as error:
        raise DataError(unreadable_file(case_id, path, error)) from error


def unreadable_file(case_id: str, path: str, error: OSError) -> str:
    """Say of a case's file that it cannot be read."""
    return f"{path} of the case {case_id} cannot be read: {error.strerror}; restore it or scan the folder again."


def _parts(files: Iterable[tuple[str, FileTimes]]) -> Iterator[list[tuple[str, FileTimes]]]:
    """Divide files into parts of about the same size."""
    part: list[tuple[str, FileTimes]] = []
    filled = 0
    for entry in files:
        part.append(entry)
        filled += entry[1].size
        if filled >= _PART:
            yield part
            part, filled = [], 0
    if part:
        yield part


def _read(path: str, seen: FileTimes, buffer: memoryview) -> KnownDigest:
    """Hash one file, which must not have changed since it was seen."""
    start, digest = time.time_ns(), hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while length := file.readinto(buffer):
            digest.update(buffer[:length])
    if FileTimes.of(path) != seen:
        raise OSError(errno.EBUSY, "it was changed while it was read")
    if start - max(seen.changed, seen.linked) < _SETTLED:
        seen = seen._replace(changed=_UNSETTLED)
    return KnownDigest(seen, digest.hexdigest())
