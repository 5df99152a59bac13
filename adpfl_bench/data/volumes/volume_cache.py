"""Cache of a dataset's prepared cases: checked, prepared once in parallel, found again by the next run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.filesize import decimal

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.data_contents import DataContents
from adpfl_bench.data.inventory import duplicate_problems
from adpfl_bench.data.problems import Problem, refuse, tell_warnings
from adpfl_bench.data.volumes.preparation import Preparation, case_grid, prepare_case
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.data.volumes.store import StoredCase, case_name, open_case, write_case
from adpfl_bench.data.volumes.volume_checks import check_case
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.files import cache_directory
from adpfl_bench.processors import count_processors, in_parallel

ADVICE = (
    "Take the files again from the publisher, or leave the cases out with --data.exclude; `adpfl-bench verify` lists"
    " every problem of the dataset."
)


_MOST_WORKERS = 8


class VolumeCache:
    """Prepared cases, each in a folder of its own; what is missing is prepared when the cache is made.

    A case is found by what its source files hold and by all settings, so it is never stale, wherever they lie; a run
    that is killed keeps what it has prepared. Nothing is ever deleted; a user may delete any of it between runs.

    Args:
        cases: The cases.
        release: What they are.
        how: Spacing and intensities.
        directory: Where to keep them; by default the environment variable ``ADPFL_CACHE`` or ``~/.cache/adpfl_bench``.
        workers: Threads that prepare; by default one for each processor, and at most 8, since each holds the volumes
            of a case (a large CT takes several GiB).
        say: Is told, before it starts, what will be prepared and how large it may become.
        contents: What the files hold, which must not change while they are prepared; without it a file counts by path,
            size and time of change.

    Raises:
        DataError: Cases are damaged or contradict themselves or each other. The whole ones are prepared first, and
            all problems are told at once. Or a file changes.
        ConfigError: The directory cannot be written or is full; what was prepared before stays.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        release: VolumeRelease,
        how: Preparation,
        directory: Path | None = None,
        workers: int | None = None,
        say: Callable[[str], None] = lambda _: None,
        contents: DataContents | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise ConfigError(f"Volumes are prepared by at least 1 worker, but {workers} were asked for.")
        self.release = release
        self.how = how
        self.directory = cache_directory(directory) / release.name.replace(" ", "-")
        self.prepared = 0
        self._contents = contents
        known = contents.digests if contents is not None else {}
        folders, problems = {}, []
        for case in cases:
            try:
                folders[case.case_id] = self.directory / case_name(case, release, how, known)
            except OSError as error:
                problems.append(Problem(case.case_id, f"a file cannot be read: {error.strerror}", case.images[0]))
        missing = [case for case in cases if case.case_id in folders and not folders[case.case_id].is_dir()]
        if missing:
            problems += self._prepare(
                missing, len(cases), folders, workers or min(count_processors(), _MOST_WORKERS), say
            )
        self._stored: dict[str, StoredCase] = {}
        for case in cases:
            if case.case_id in folders and folders[case.case_id].is_dir():
                self._stored[case.case_id] = open_case(folders[case.case_id])
        digests = {
            case.case_id: (case.patient_id, self._stored[case.case_id].digest, case.images[0])
            for case in cases
            if case.case_id in self._stored
        }
        refuse(problems + duplicate_problems(digests), release.name, ADVICE)

    def __getitem__(self, case_id: str) -> StoredCase:
        """Return a prepared case; ``KeyError`` if the cache was made without it."""
        return self._stored[case_id]

    def __len__(self) -> int:
        return len(self._stored)

    @property
    def nbytes(self) -> int:
        """Size of all prepared cases on disk, in bytes."""
        folders = {case.folder for case in self._stored.values()}
        return sum(file.stat().st_size for folder in folders for file in folder.iterdir())

    @property
    def background(self) -> float:
        """Value of what lies outside of a prepared image."""
        return self.how.background(self.release.modality)

    def _prepare(
        self, cases: list[Case], total: int, folders: dict[str, Path], workers: int, say: Callable[[str], None]
    ) -> list[Problem]:
        size = decimal(sum(self._largest_size(case) for case in cases))
        say(
            f"{self.release.name}: preparing {len(cases):,} of {total:,} cases in {self.directory}; they take at most"
            f" {size} there, that is before cropping and compression."
        )

        warnings: dict[str, tuple[Problem, ...]] = {}

        def prepare(case: Case) -> list[Problem]:
            checked = check_case(case, self.release)
            warnings[case.case_id] = checked.warnings
            if not checked.problems:
                prepared = prepare_case(case, self.release, self.how)
                if self._contents is not None:
                    self._contents.check(case.source_files())
                write_case(folders[case.case_id], prepared, checked.digest)
            return list(checked.problems)

        problems: dict[str, list[Problem]] = {}
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            for case, found in in_parallel(prepare, cases, "Preparing volumes", workers):
                problems[case.case_id] = found
                self.prepared += not found
        except OSError as error:
            raise ConfigError(
                f"The cache {self.directory} cannot be written: {error}; {self.prepared} cases were prepared and stay."
                " Give another directory with --data.cache_directory or the environment variable ADPFL_CACHE, or make"
                " room."
            ) from error
        tell_warnings([warning for case_id in sorted(warnings) for warning in warnings[case_id]], say)
        return [problem for case_id in sorted(problems) for problem in problems[case_id]]

    def _largest_size(self, case: Case) -> int:
        """Bytes of the case without cropping and compression; 0 if its header cannot be read, which is told later."""
        try:
            grid: CaseGrid = case_grid(case, self.release.reader)
        except (DataError, ValueError):
            return 0
        x, y, z = self.how.network_shape(grid, self.release.reader.has_spacing)
        return x * y * z * (2 * len(self.release.channels) + 1)
