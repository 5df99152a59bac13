"""New cases: images without masks, of patients whom a trained model has not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.dicom_file import is_dicom
from adpfl_bench.data.dicom_series import DicomCase, DicomSeries, find_series
from adpfl_bench.data.problems import Problem
from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
"""Endings of files that are taken for pictures, in either case."""

VOLUMES = (".nii.gz", ".nii")
"""Endings of files that are taken for volumes, in either case."""

_ALL = -1
"""Number of a file that holds all channels."""


@dataclass(frozen=True)
class NewCases:
    """What was found in files and folders that were given.

    Attributes:
        cases: Complete cases, sorted by id.
        problems: What is incomplete or there twice; such a case is not among ``cases``.
        ignored: Files that are no images by their endings.
    """

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    ignored: tuple[Path, ...]

    def told_apart(self, file_of: Callable[[str], str]) -> NewCases:
        """Make problems of cases whose masks would be in one file, by what names the file of an id."""
        by_file: dict[str, list[Case]] = {}
        for case in self.cases:
            by_file.setdefault(file_of(case.case_id), []).append(case)
        clashes = {file: [case.case_id for case in cases] for file, cases in by_file.items() if len(cases) > 1}
        problems = [
            Problem(
                case.case_id, f"its mask would be {file}, as that of {a_few(sorted({*ids} - {case.case_id}))}", path
            )
            for file, ids in clashes.items()
            for case in by_file[file]
            for path in case.images[:1]
        ]
        kept = tuple(case for case in self.cases if file_of(case.case_id) not in clashes)
        return NewCases(kept, (*self.problems, *problems), self.ignored)


def find_pictures(paths: Sequence[Path]) -> NewCases:
    """Find pictures, each a case that is called as its file is without the ending.

    Args:
        paths: Files, and folders that are searched with all below them.

    Raises:
        DataError: A path does not exist, or there is no picture.
    """
    files, ignored = search_files(paths, PICTURES)
    if not files:
        raise no_image(paths, PICTURES)
    by_id: dict[str, list[Path]] = {}
    for file, stem in files:
        by_id.setdefault(stem, []).append(file)
    cases = (Case(name, name, (found[0],), None) for name, found in by_id.items())
    return without_twins(cases, by_id, ignored)


@dataclass(frozen=True)
class _Volume:
    """A channel of a case: a NIfTI file, or a DICOM series.

    Attributes:
        stem: Its name, which says the case and the channel.
        path: The file, or the first of the series.
        series: The series.
    """

    stem: str
    path: Path
    series: DicomSeries | None = None


def find_volumes(
    paths: Sequence[Path],
    channels: Sequence[str],
    endings: Sequence[Sequence[str]] = (),
    modality: str = "CT",
    in_one_file: bool = False,
) -> NewCases:
    """Find NIfTI files and DICOM series: of one channel, each a case; of several, those together that are called alike.

    The files of a case have the same name but for the channel's: its number (``_0000``, ``_0001``, as nnU-Net has it,
    in the order of ``channels``), its name (``_flair``, ``-flair``), or the release's own. Of DICOM series the
    folders are called so.

    Args:
        paths: Files, and folders that are searched with all below them.
        channels: Names of the channels, in order.
        endings: Further ways to name them, each with one ending for every channel.
        modality: What DICOM calls the images: ``CT`` or ``MR``.
        in_one_file: Whether a NIfTI file that says no channel holds all of them.

    Raises:
        DataError: A path does not exist, or there is no volume.
        ConfigError: There are DICOM files, but no pydicom.
    """
    files, others = search_files(paths, VOLUMES)
    slices = [file for file in others if is_dicom(file)]
    dicom = find_series(slices, modality)
    ignored = [*dicom.ignored, *sorted(set(others).difference(slices))]
    single = len(channels) == 1
    volumes = [_Volume(stem, file) for file, stem in files]
    volumes += [_Volume(name if single else s.folder.resolve().name, s.files[0], s) for name, s in dicom.series]
    if not volumes and not dicom.problems:
        raise no_image(paths, VOLUMES, " or DICOM files of " + modality)
    found: dict[str, dict[int, list[_Volume]]] = {}
    if single:
        for volume in volumes:
            found.setdefault(volume.stem.removesuffix("_0000"), {}).setdefault(0, []).append(volume)
    else:
        strange = _by_channel(volumes, channels, endings, found, in_one_file)
        ignored += [file for volume in strange for file in (volume.series.files if volume.series else [volume.path])]
    cases, incomplete, twice = _complete(found, channels)
    made = without_twins(cases, twice, ignored)
    return NewCases(made.cases, (*dicom.problems, *incomplete, *made.problems), made.ignored)


def find_numbered_pictures(paths: Sequence[Path], channels: Sequence[str]) -> NewCases:
    """Find pictures of several channels, each in a file that ends in its number or its name, as volumes' are called.

    Args:
        paths: Files, and folders that are searched with all below them.
        channels: Names of the channels, in order.

    Raises:
        DataError: A path does not exist, or there is no picture.
    """
    files, ignored = search_files(paths, PICTURES)
    if not files:
        raise no_image(paths, PICTURES)
    found: dict[str, dict[int, list[_Volume]]] = {}
    strange = _by_channel([_Volume(stem, file) for file, stem in files], channels, (), found, in_one_file=False)
    cases, incomplete, twice = _complete(found, channels)
    made = without_twins(cases, twice, [*ignored, *(volume.path for volume in strange)])
    return NewCases(made.cases, (*incomplete, *made.problems), made.ignored)


def _complete(
    found: Mapping[str, Mapping[int, list[_Volume]]], channels: Sequence[str]
) -> tuple[list[Case], list[Problem], dict[str, list[Path]]]:
    """Cases of all channels, what is incomplete, and files of channels that are there twice."""
    problems, cases = [], []
    for name, own in found.items():
        missing = [channel for number, channel in enumerate(channels) if number not in own and set(own) != {_ALL}]
        chosen = [own[number][0] for number in sorted(own)]
        if _ALL in own and len(own) > 1:
            problems.append(Problem(name, "is there in one file and in files of channels; keep one", chosen[0].path))
        elif missing:
            what = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            problems.append(Problem(name, what, next(iter(own.values()))[0].path))
        elif len({volume.series is None for volume in chosen}) > 1:
            problems.append(Problem(name, "is partly NIfTI and partly DICOM; convert one of them", chosen[0].path))
        else:
            cases.append(_make_case(name, chosen))
    twice = {name: [volume.path for volume in some] for name, own in found.items() for some in own.values() if some[1:]}
    return cases, problems, twice


def _by_channel(
    volumes: Sequence[_Volume],
    channels: Sequence[str],
    endings: Sequence[Sequence[str]],
    found: dict[str, dict[int, list[_Volume]]],
    in_one_file: bool,
) -> list[_Volume]:
    """Sort volumes by the case and channel that they are named after, and return those that are not."""
    numbered = [f"_{number:04d}" for number in range(len(channels))]
    ways = [*endings, numbered, [f"_{name}" for name in channels], [f"-{name}" for name in channels]]
    places = {ending: number for way in ways for number, ending in enumerate(way)}
    strange = []
    for volume in volumes:
        fitting = [ending for ending in places if volume.stem.lower().endswith(ending.lower())]
        if not fitting and in_one_file and volume.series is None:
            found.setdefault(volume.stem, {}).setdefault(_ALL, []).append(volume)
            continue
        if not fitting:
            strange.append(volume)
            continue
        ending = max(fitting, key=len)
        found.setdefault(volume.stem[: -len(ending)], {}).setdefault(places[ending], []).append(volume)
    if strange and not found:
        known = " or ".join(", ".join(way) for way in (numbered, *(endings or [ways[-2]])))
        raise DataError(
            f"{strange[0].path} does not say which of the channels {', '.join(channels)} it is; end the names of files,"
            f" or of folders of DICOM series, in {known}."
        )
    return strange


def _make_case(name: str, volumes: Sequence[_Volume]) -> Case:
    series = tuple(volume.series for volume in volumes if volume.series is not None)
    if series:
        return DicomCase(name, name, tuple(one.folder for one in series), None, series=series)
    return Case(name, name, tuple(volume.path for volume in volumes), None)


def without_twins(cases: Iterable[Case], files: Mapping[str, Sequence[Path]], ignored: Sequence[Path]) -> NewCases:
    """Make problems of cases that are there twice, by their files, and sort the others."""
    twice = {name: found for name, found in files.items() if len(found) > 1}
    problems = [Problem(name, f"is there twice, also as {found[1]}", found[0]) for name, found in twice.items()]
    kept = sorted((case for case in cases if case.case_id not in twice), key=lambda case: case.case_id)
    return NewCases(tuple(kept), tuple(problems), tuple(ignored))


def search_files(paths: Sequence[Path], endings: Sequence[str]) -> tuple[list[tuple[Path, str]], list[Path]]:
    """Find files of these endings, with their names without them, and other files; hidden ones are passed over.

    Raises:
        DataError: A path does not exist.
    """
    taken: list[tuple[Path, str]] = []
    ignored: list[Path] = []
    for path in paths:
        if not path.exists():
            raise DataError(f"There is no file or folder {path}.")
        below = path.rglob("*") if path.is_dir() else [path]
        for file in sorted(below):
            if not file.is_file() or any(part.startswith(".") for part in file.relative_to(path).parts):
                continue
            ending = next((end for end in endings if file.name.lower().endswith(end)), None)
            if ending is None:
                ignored.append(file)
            else:
                taken.append((file, file.name[: -len(ending)]))
    return taken, ignored


def no_image(paths: Sequence[Path], endings: Sequence[str], more: str = "") -> DataError:
    """Say that there is none, and what would be one."""
    where = a_few([str(path) for path in paths])
    return DataError(f"There is no image in {where}; expected files that end in {', '.join(endings)}{more}.")
