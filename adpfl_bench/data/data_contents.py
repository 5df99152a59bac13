"""Contents of a dataset's files: read once, hashed, and found again in the cache while they do not change."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rich.filesize import decimal

from adpfl_bench.data.case import Case
from adpfl_bench.data.digest_cache import DigestCache, FileTimes, KnownDigest
from adpfl_bench.errors import DataError
from adpfl_bench.processors import in_parallel
from adpfl_bench.records.blocks import ContentsBlock
from adpfl_bench.records.file_digests import ALGORITHM, FileDigest, contents_root
from adpfl_bench.text import count

_BUFFER = 2**18  # bytes
_PART = 2**23  # bytes that a thread hashes at a time
_SHOWN = 2**26  # bytes from which on it takes long enough to be told
_SETTLED = 2_000_000_000  # ns: the coarsest clock of a usual file system, within which a second change does not show
_UNSETTLED = -1  # in place of a time within that: no file has it, so the file is read again
_ERRORS_SHOWN = 5


@dataclass(frozen=True)
class DataContents:
    """What the files of a run's cases held when it read them.

    Attributes:
        root: The dataset's folder.
        files: One row for each file of each case, sorted by case and file.
        known: Digest of each file with its times, by path relative to the folder.
    """

    root: Path
    files: tuple[FileDigest, ...]
    known: Mapping[str, KnownDigest]

    @cached_property
    def digest(self) -> str:
        """Root of the Merkle tree over the files; empty where there are none."""
        return contents_root(self.files)

    @cached_property
    def _owners(self) -> dict[str, str]:
        """A case of each file."""
        return {row.file: row.case for row in reversed(self.files)}

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each file by its path."""
        above = _above(self.root)
        return {above + file: entry.sha256 for file, entry in self.known.items()}

    def describe(self, test: Collection[str]) -> ContentsBlock | None:
        """Return the block of a run record, whose cases ``test`` are scored; ``None`` where there are no files."""
        if not self.files:
            return None
        sizes = {row.file: row.size for row in self.files}
        return ContentsBlock(
            algorithm=ALGORITHM,
            root=self.digest,
            test_root=contents_root(row for row in self.files if row.case in test),
            files=len(sizes),
            bytes=sum(sizes.values()),
        )

    def check(self, paths: Collection[Path] | None = None) -> None:
        """Make sure that the files still hold what they held; only those whose times differ are read.

        Args:
            paths: Those to look at; by default all.

        Raises:
            DataError: One does not, or cannot be read.
        """
        above = _above(self.root)
        cases = self._owners
        if paths is not None:
            files = (str(path)[len(above) :].replace(os.sep, "/") for path in paths)
            cases = {file: cases[file] for file in files if file in cases}
        times = {file: _times(case_id, above + file) for file, case_id in cases.items()}
        now = _hash(above, cases, times, self.known)
        changed = sorted(file for file in cases if now[file].sha256 != self.known[file].sha256)
        if changed:
            more = f", and so were {count(len(changed) - 1, 'more file')}" if len(changed) > 1 else ""
            raise DataError(
                f"{self.root / changed[0]} of the case {cases[changed[0]]} was changed after this run had read"
                f" it{more}; put back what was there, and go on with --ckpt_path last, or start a new run."
            )


def read_contents(
    root: Path, cases: Sequence[Case], directory: Path | None = None, workers: int | None = None, fresh: bool = False
) -> DataContents:
    """Hash all files of cases, those of a folder of slices included; hidden files in such a folder do not count.

    A file that was hashed before is read again only if its size or one of its times is another.

    Args:
        root: The dataset's folder; all files lie below it.
        cases: The cases.
        directory: The cache directory; by default the user's.
        workers: Threads that hash; by default one for each processor.
        fresh: Read every file, whatever the cache says of it.

    Raises:
        DataError: Files lie elsewhere, cannot be read, or change while they are read; the first few are told.
    """
    above, times, owners = _above(root), dict[str, FileTimes](), set[tuple[str, str]]()
    for case in cases:
        for file in _files(above, case, times):
            owners.add((case.case_id, file))
    rows = sorted(owners)
    cache = DigestCache(root, directory)
    before = {} if fresh or not rows else cache.read()
    known = _hash(above, {file: case_id for case_id, file in reversed(rows)}, times, before, workers)
    if any(before.get(file) != entry for file, entry in known.items()):
        cache.write(known, before)
    digests = (FileDigest(case_id, file, known[file].times.size, known[file].sha256) for case_id, file in rows)
    return DataContents(root, tuple(digests), known)


def _above(root: Path) -> str:
    """What stands before a path that is relative to a folder, in one that is not."""
    return "" if str(root) == "." else os.path.join(root, "")


def _files(above: str, case: Case, times: dict[str, FileTimes]) -> Iterator[str]:
    """Paths of a case's files, relative to the dataset's folder; notes the times of those that are new."""
    for path in map(str, case.files):
        if not path.startswith(above) or (not above and os.path.isabs(path)):
            raise DataError(
                f"The case {case.case_id} has the file {path}, which is not below the dataset's folder {above or '.'};"
                " hash the folder that was scanned."
            )
        file = path[len(above) :].replace(os.sep, "/")
        if file in times:
            yield file
            continue
        try:
            times[file] = FileTimes.of(path)
            yield file
        except IsADirectoryError:
            yield from _slices(file, case.case_id, path, times)
        except OSError as error:
            raise DataError(_unreadable(case.case_id, path, error)) from error


def _slices(folder: str, case_id: str, path: str, times: dict[str, FileTimes]) -> Iterator[str]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    except OSError as error:
        raise DataError(_unreadable(case_id, path, error)) from error
    for name in names:
        times[f"{folder}/{name}"] = _times(case_id, f"{path}/{name}")
        yield f"{folder}/{name}"


def _times(case_id: str, path: str) -> FileTimes:
    try:
        return FileTimes.of(path)
    except OSError as error:
        raise DataError(_unreadable(case_id, path, error)) from error


def _hash(
    above: str,
    cases: Mapping[str, str],
    times: Mapping[str, FileTimes],
    before: Mapping[str, KnownDigest],
    workers: int | None = None,
) -> dict[str, KnownDigest]:
    """Hash files whose times are not those that are known; ``cases`` has them with a case of each."""
    known = {file: before[file] for file in cases if file in before and before[file].times == times[file]}
    missing = [(file, times[file]) for file in cases if file not in known]
    if not missing:
        return known
    errors: list[str] = []

    def read(part: Sequence[tuple[str, FileTimes]]) -> None:
        buffer = memoryview(bytearray(_BUFFER))
        for file, seen in part:
            try:
                known[file] = _read(above + file, seen, buffer)
            except OSError as error:
                errors.append(_unreadable(cases[file], above + file, error))

    total = sum(seen.size for _, seen in missing)
    title = f"Hashing {count(missing, 'file')} of the data ({decimal(total)}) in parts"
    for _ in in_parallel(read, list(_parts(missing)), title, workers, bar=total >= _SHOWN):
        pass
    if errors:
        shown = sorted(errors)
        more = f"\n  and {len(shown) - _ERRORS_SHOWN:,} more" if len(shown) > _ERRORS_SHOWN else ""
        listing = "".join(f"\n  {line}" for line in shown[:_ERRORS_SHOWN])
        raise DataError(f"{count(shown, 'file')} of {len(cases):,} cannot be hashed:{listing}{more}")
    return known


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


def _unreadable(case_id: str, path: str, error: OSError) -> str:
    return f"{path} of the case {case_id} cannot be read: {error.strerror}; restore it or scan the folder again."
