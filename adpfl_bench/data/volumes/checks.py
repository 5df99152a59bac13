"""Everything that can be wrong with the files of a case."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Problem
from adpfl_bench.data.volumes.reader import NiftiReader, VolumeHeader
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.errors import DataError

#: Which releases use which label values, to tell a wrong year from a damaged file.
_KNOWN_VALUES: Mapping[str, Mapping[frozenset[int], str]] = {
    "CT": {frozenset({1, 2}): "KiTS19", frozenset({1, 2, 3}): "KiTS21 or KiTS23"},
    "MRI": {
        frozenset({1, 2, 3}): "BraTS 2023 or MSD Task01",
        frozenset({1, 2, 4}): "BraTS 2018 to 2021 or FeTS",
        frozenset({1, 2, 3, 4}): "BraTS 2024",
    },
}
_AFFINE_TOLERANCE = 1e-3  # mm; files of one case are saved by different programs


@dataclass(frozen=True)
class CheckedCase:
    """What reading all of a case's files has shown.

    Attributes:
        problems: What is wrong; empty for a good case.
        digest: Hash of the first channel's voxels, the same for copies of an image; empty if it cannot be read.
    """

    problems: tuple[Problem, ...]
    digest: str


def check_case(case: Case, release: VolumeRelease) -> CheckedCase:
    """Read every file of a case and find all that is wrong with it.

    Found are files that cannot be read; images that are not 3-D (or lack channels); shapes or affines that disagree;
    voxels that are not finite; constant images; label values that are not the release's; and empty label maps.

    Args:
        case: The case, with a label map.
        release: What its files should be.
    """
    found = _Findings(case.case_id)
    headers = _check_headers(case, release, found)
    digest = ""
    if headers:
        for channel in range(len(release.channels)):
            path = case.images[channel if len(case.images) == len(release.channels) else 0]
            path = path.parent if not release.reader.has_spacing else path
            values = found.attempt(path, lambda channel=channel: release.reader.read_channel(case, channel))
            if values is not None:
                _check_image(values, f"{release.channels[channel]} image", path, found)
                digest = digest or _digest(values)
    if case.label is not None:
        label = found.attempt(case.label, lambda: release.reader.read_label(case))
        if label is not None:
            _check_label(label, case.label, release, found)
    return CheckedCase(tuple(found.problems), digest)


def duplicate_problems(cases: Mapping[str, tuple[str, str, Path]]) -> list[Problem]:
    """Find images that are there under two patients' names, and would train and test the same model.

    Args:
        cases: By case id the patient id, the image's digest, and its file.
    """
    first: dict[str, str] = {}
    problems = []
    for case_id, (patient, digest, path) in sorted(cases.items()):
        if not digest:
            continue
        other = first.setdefault(digest, case_id)
        if cases[other][0] != patient:
            problems.append(
                Problem(case_id, f"has the same image as {other}, which is another patient; remove one", path)
            )
    return problems


class _Findings:
    def __init__(self, case_id: str) -> None:
        self.case_id = case_id
        self.problems: list[Problem] = []

    def add(self, path: Path, problem: str) -> None:
        self.problems.append(Problem(self.case_id, problem, path))

    def attempt(self, path: Path, read: Any) -> Any:
        """Read, or note why it cannot be read."""
        try:
            return read()
        except DataError as error:
            text = str(error)
            if not any(text == problem.problem for problem in self.problems):
                self.add(path, text)
            return None


def _check_headers(case: Case, release: VolumeRelease, found: _Findings) -> bool:
    """Check shapes and affines; return whether voxels can be compared at all."""
    headers: list[tuple[Path, VolumeHeader]] | None = None
    if isinstance(release.reader, NiftiReader):
        # One by one, so that every unreadable file is found.
        headers = []
        for path in case.images:
            read = found.attempt(path, lambda path=path: release.reader.image_headers(_only(case, path)))
            headers += read or []
    else:
        headers = found.attempt(case.images[0].parent, lambda: release.reader.image_headers(case)) or []
    label = case.label and found.attempt(case.label, lambda: release.reader.label_header(case))
    four_d = isinstance(release.reader, NiftiReader) and bool(release.reader.order)
    usable = True
    for path, header in headers:
        wanted = 4 if four_d else 3
        if len(header.shape) != wanted:
            found.add(path, f"is {len(header.shape)}-D with the shape {_times(header.shape)}, expected {wanted}-D")
            usable = False
        elif four_d and header.shape[3] != len(release.channels):
            found.add(path, f"has {header.shape[3]} channels, expected {len(release.channels)}")
            usable = False
    if label and len(label.shape) != 3:
        found.add(case.label or Path(), f"is {len(label.shape)}-D with the shape {_times(label.shape)}, expected 3-D")
    others = [*headers, *([(case.label, label)] if label and case.label else [])]
    for path, header in others[1:]:
        reference_path, reference = others[0]
        if header.shape[:3] != reference.shape[:3]:
            found.add(
                path,
                f"has the shape {_times(header.shape[:3])}, but {reference_path.name} has"
                f" {_times(reference.shape[:3])}",
            )
        elif not np.allclose(header.affine, reference.affine, atol=_AFFINE_TOLERANCE):
            found.add(path, f"has another affine (position, orientation or spacing) than {reference_path.name}")
    return usable and bool(headers)


def _only(case: Case, path: Path) -> Case:
    return Case(case.case_id, case.patient_id, (path,), case.label)


def _check_image(values: NDArray[np.float32], name: str, path: Path, found: _Findings) -> None:
    broken = values.size - int(np.isfinite(values).sum())
    if broken:
        found.add(path, f"the {name} has {broken:,} voxels that are NaN or infinite")
    elif values.size and values.min() == values.max():
        found.add(path, f"the {name} is constant ({values.flat[0]:g} everywhere)")


def _check_label(label: NDArray[Any], path: Path, release: VolumeRelease, found: _Findings) -> None:
    values, counts = np.unique(label, return_counts=True)
    if not np.isfinite(values).all() or (values != np.round(values)).any() or values.min() < 0:
        found.add(path, "the label map has values that are not whole numbers from 0 on")
        return
    present = {int(value): int(number) for value, number in zip(values, counts, strict=True) if value != 0}
    if not present:
        found.add(path, "the label map is empty")
        return
    strange = {value: number for value, number in present.items() if value not in release.labels}
    if strange:
        listed = ", ".join(f"{value} ({number:,} voxels)" for value, number in strange.items())
        fitting = [name for known, name in _KNOWN_VALUES[release.modality].items() if set(present) <= known]
        hint = f"; these look like labels of {' or '.join(fitting)}" if fitting else ""
        found.add(path, f"the label map has {listed}, expected {release.describe_labels()} of {release.name}{hint}")


def _digest(values: NDArray[np.float32]) -> str:
    content = hashlib.blake2b(repr(values.shape).encode(), digest_size=16)
    content.update(np.ascontiguousarray(values).data)
    return content.hexdigest()


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
