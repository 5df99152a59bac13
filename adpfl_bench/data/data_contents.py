"""Contents of a dataset's files: read once, hashed, and found again in the cache while they do not change."""

from __future__ import annotations

import errno
import os
import stat
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
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.records.file_digests import ALGORITHM, FileDigest, contents_root
from adpfl_bench.text import count

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

    def check(self) -> None:
        """Make sure that the files still hold what they held; only those whose times differ are read.

        Raises:
            DataError: One does not, or cannot be read.
        """
        cases = {row.file: row.case for row in reversed(self.files)}
        now = _hash(self.root, cases, self.known)
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
    owners = {(case.case_id, file) for case in cases for file in _files(root, case)}
    by_file = {file: case_id for case_id, file in sorted(owners, reverse=True)}
    cache = DigestCache(root, directory)
    before = {} if fresh or not by_file else cache.read()
    known = _hash(root, by_file, before, workers)
    if any(before.get(file) != entry for file, entry in known.items()):
        cache.write(known, before)
    rows = (FileDigest(case_id, file, known[file].times.size, known[file].sha256) for case_id, file in sorted(owners))
    return DataContents(root, tuple(rows), known)


def _files(root: Path, case: Case) -> Iterator[str]:
    """Paths of a case's files, relative to the dataset's folder."""
    for path in case.files:
        try:
            relative = path.relative_to(root).as_posix()
            if not stat.S_ISDIR(os.stat(path).st_mode):
                yield relative
                continue
            with os.scandir(path) as entries:
                names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
            yield from (f"{relative}/{name}" for name in names)
        except ValueError:
            raise DataError(
                f"The case {case.case_id} has the file {path}, which is not below the dataset's folder {root}; hash the"
                " folder that was scanned."
            ) from None
        except OSError as error:
            raise DataError(_unreadable(case.case_id, str(path), error)) from error


def _hash(
    root: Path, cases: Mapping[str, str], before: Mapping[str, KnownDigest], workers: int | None = None
) -> dict[str, KnownDigest]:
    """Hash files whose times are not those that are known; ``cases`` has them with a case of each."""
    known: dict[str, KnownDigest] = {}
    missing: list[tuple[str, int]] = []
    errors: list[str] = []
    above = os.path.join(root, "")
    for file, case_id in cases.items():
        try:
            times = FileTimes.of(above + file)
        except OSError as error:
            errors.append(_unreadable(case_id, above + file, error))
            continue
        entry = before.get(file)
        if entry is not None and entry.times == times:
            known[file] = entry
        else:
            missing.append((file, times.size))

    def read(files: Sequence[str]) -> None:
        for file in files:
            try:
                known[file] = _read(above + file)
            except OSError as error:
                errors.append(_unreadable(cases[file], above + file, error))

    total = sum(size for _, size in missing)
    title = f"Hashing {count(missing, 'file')} of the data ({decimal(total)}) in parts"
    for _ in in_parallel(read, list(_parts(missing)), title, workers, bar=total >= _SHOWN):
        pass
    if errors:
        shown = sorted(errors)
        more = f"\n  and {len(shown) - _ERRORS_SHOWN:,} more" if len(shown) > _ERRORS_SHOWN else ""
        listing = "".join(f"\n  {line}" for line in shown[:_ERRORS_SHOWN])
        raise DataError(f"{count(shown, 'file')} of {len(cases):,} cannot be hashed:{listing}{more}")
    return known


def _parts(files: Iterable[tuple[str, int]]) -> Iterator[list[str]]:
    """Divide files with their sizes into parts of about the same size."""
    part: list[str] = []
    filled = 0
    for file, size in files:
        part.append(file)
        filled += size
        if filled >= _PART:
            yield part
            part, filled = [], 0
    if part:
        yield part


def _read(path: str) -> KnownDigest:
    """Hash one file, which must not change meanwhile."""
    start, times = time.time_ns(), FileTimes.of(path)
    digest = file_sha256(Path(path))
    if FileTimes.of(path) != times:
        raise OSError(errno.EBUSY, "it was changed while it was read")
    if start - max(times.changed, times.linked) < _SETTLED:
        times = times._replace(changed=_UNSETTLED)
    return KnownDigest(times, digest)


def _unreadable(case_id: str, path: str, error: OSError) -> str:
    return f"{path} of the case {case_id} cannot be read: {error.strerror}; restore it or scan the folder again."
