"""DICOM series: files put together to cases by what they say of themselves, wherever they lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.dicom_file import damage, read_dicom, require_pydicom
from adpfl_bench.data.problems import Problem
from adpfl_bench.errors import DataError

LOCALIZER = "LOCALIZER"
"""Value of ImageType of an overview that slices were planned on."""

_ATTRIBUTES = ("Modality", "SeriesInstanceUID", "ImageType")
_VOLUMES = ("CT", "MR")
_DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR, which lists the files of a medium
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")  # it may become a file's name


@dataclass(frozen=True)
class DicomSeries:
    """A series: the slices of a volume.

    Attributes:
        uid: Its SeriesInstanceUID.
        files: Its files, in the order of their names, which is not that of the slices.
    """

    uid: str
    files: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """Folder of the first file; the others lie there too, as a rule."""
        return self.files[0].parent


@dataclass(frozen=True)
class DicomCase(Case):
    """A case that came as DICOM; its images are the folders of its series.

    Attributes:
        series: The series of each channel, in their order.
    """

    series: tuple[DicomSeries, ...] = ()


@dataclass(frozen=True)
class FoundSeries:
    """What was found among DICOM files.

    Attributes:
        series: Series of the wanted modality by the names that their cases have.
        problems: Series of the other modality, those that miss files that cannot be read, and such files.
        ignored: Files that are no slices: reports, segmentations, plans, series of localizers.
    """

    series: tuple[tuple[str, DicomSeries], ...]
    problems: tuple[Problem, ...]
    ignored: tuple[Path, ...]


def find_series(files: Sequence[Path], modality: str) -> FoundSeries:
    """Put DICOM files together by their SeriesInstanceUID.

    A series is called as its folder, if that holds no other series and no other folder of a series is called so;
    otherwise by its UID.

    Args:
        files: DICOM files.
        modality: ``CT`` or ``MR``, as the attribute Modality has it.

    Raises:
        ConfigError: pydicom is not installed.
    """
    if not files:
        return FoundSeries((), (), ())
    require_pydicom()
    slices: dict[tuple[str, str], list[Path]] = {}
    overviews: Counter[tuple[str, str]] = Counter()
    problems: list[Problem] = []
    ignored: list[Path] = []
    for file in files:
        try:
            key, is_overview = _identify(file)
        except DataError as error:
            problems.append(Problem(file.parent.resolve().name, str(error).removesuffix("."), file))
            continue
        if key is None:
            ignored.append(file)
            continue
        slices.setdefault(key, []).append(file)
        overviews[key] += is_overview
    for key in [key for key, own in slices.items() if overviews[key] == len(own)]:
        ignored += slices.pop(key)
    found = [(kind, DicomSeries(uid, tuple(own))) for (uid, kind), own in slices.items()]
    broken = {problem.path.parent: problem.path for problem in problems}
    kept = []
    names = _names([series for _, series in found])
    for name, (kind, series) in zip(names, found, strict=True):
        lost = [broken[folder] for folder in {file.parent for file in series.files} if folder in broken]
        if kind != modality:
            problems.append(Problem(name, f"the series is {kind}, but the model takes {modality}", series.folder))
        elif lost:
            what = f"{lost[0].name} beside its slices cannot be read, so that one may be missing"
            problems.append(Problem(name, what, series.folder))
        else:
            kept.append((name, series))
    return FoundSeries(tuple(kept), tuple(problems), tuple(ignored))


def _identify(file: Path) -> tuple[tuple[str, str] | None, bool]:
    """UID and modality of a file's series, none of what is no volume, and whether the file is a localizer."""
    dataset: Any = read_dicom(file, only=_ATTRIBUTES)
    try:
        kind, uid = str(dataset.get("Modality", "")), str(dataset.get("SeriesInstanceUID", ""))
        is_overview = LOCALIZER in list(dataset.get("ImageType") or ())
        is_directory = dataset.file_meta.get("MediaStorageSOPClassUID") == _DIRECTORY
    except damage() as error:
        raise DataError(f"{file} has attributes that cannot be read ({error}); export it again.") from error
    if not kind and not is_directory:
        raise DataError(f"{file} does not say what it is, by its Modality, so that it may be cut off; export it again.")
    if kind not in _VOLUMES:
        return None, False
    if not _UID.fullmatch(uid):
        raise DataError(f"{file} has the SeriesInstanceUID {uid!r}; expected digits and dots, so export it again.")
    return (uid, kind), is_overview


def _names(found: Sequence[DicomSeries]) -> list[str]:
    in_folder = Counter(folder for series in found for folder in {file.parent for file in series.files})
    called = Counter(series.folder.resolve().name for series in found)
    names = []
    for series in found:
        name = series.folder.resolve().name
        is_alone = in_folder[series.folder] == 1 and called[name] == 1 and name
        names.append(name if is_alone else series.uid)
    return names
