"""Contents of a dataset's files: read once, hashed, and found again in the cache while they do not change."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.digest_cache import DigestCache, FileTimes, KnownDigest
from adpfl_bench.data.file_hashing import FileHashing, times_of, unreadable_file
from adpfl_bench.errors import DataError
from adpfl_bench.records.blocks import ContentsBlock
from adpfl_bench.records.file_digests import ALGORITHM, FileDigest, contents_root
from adpfl_bench.text import count


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
        times = {file: times_of(case_id, above + file) for file, case_id in cases.items()}
        hashing = FileHashing(above, cases, times)
        hashing.take_over(self.known)
        hashing.finish()
        now = hashing.known
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
    cases_of = {file: case_id for case_id, file in reversed(rows)}
    known = _hash_with_cache(DigestCache(root, directory), FileHashing(above, cases_of, times, workers), fresh)
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
            raise DataError(unreadable_file(case.case_id, path, error)) from error


def _slices(folder: str, case_id: str, path: str, times: dict[str, FileTimes]) -> Iterator[str]:
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
    except OSError as error:
        raise DataError(unreadable_file(case_id, path, error)) from error
    for name in names:
        times[f"{folder}/{name}"] = times_of(case_id, f"{path}/{name}")
        yield f"{folder}/{name}"


def _hash_with_cache(cache: DigestCache, hashing: FileHashing, fresh: bool) -> Mapping[str, KnownDigest]:
    """Hash what the cache does not know, one process at a time where that takes long, and keep what was hashed."""
    kept = cache.read()
    hashing.take_over({} if fresh else kept)
    with cache.alone() if hashing.takes_long else nullcontext():
        if hashing.takes_long:
            kept = cache.read()  # who had the files before may have hashed the same
            hashing.take_over({} if fresh else kept)
        try:
            hashing.finish()
        finally:  # what is hashed by then is hashed, also if a file cannot be read or someone loses patience
            if any(kept.get(file) != entry for file, entry in hashing.known.items()):
                cache.write(hashing.known, kept)
    return hashing.known
