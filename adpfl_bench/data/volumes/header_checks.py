"""Checks of the headers of a case's files: dimensions, shapes and affines."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from adpfl_bench.data.case import Case
from adpfl_bench.data.problems import Findings
from adpfl_bench.data.volumes.content_checks import check_axes
from adpfl_bench.data.volumes.reader import VolumeHeader
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.text import times

_AFFINE_TOLERANCE = 1e-3  # mm; files of one case are saved by different programs


def check_headers(case: Case, release: VolumeRelease, found: Findings) -> dict[Path, VolumeHeader]:
    """Check shapes and affines, and return the headers of the files whose voxels are worth reading."""
    reader = release.reader
    channels = len(release.channels)
    headers: list[tuple[Path, VolumeHeader]] = []
    unusable: set[Path] = set()
    for part in reader.parts(case):
        file = reader.file_of(part, 0)
        read = found.attempt(file, partial(reader.image_headers, part))
        headers += read or []
        unusable |= set() if read else {file}
    for path, header in headers:
        if not _has_dimensions(path, header, reader.dimensions, found):
            unusable.add(path)
        elif reader.dimensions == 4 and header.shape[3] != channels:
            found.add(path, f"has {header.shape[3]} channels, expected {channels}: {', '.join(release.channels)}")
            unusable.add(path)
    if case.label is not None:
        label = found.attempt(case.label, partial(reader.label_header, case))
        if label is None or not _has_dimensions(case.label, label, 3, found):
            unusable.add(case.label)
        else:
            headers.append((case.label, label))
    sound = [(path, header) for path, header in headers if path not in unusable]
    for path, header in sound:
        _check_place(path, header, *sound[0], found)
    for path, header in sound[:1]:  # the others are in its place, or that is told
        check_axes(path, header, found)
    return dict(sound)


def _has_dimensions(path: Path, header: VolumeHeader, wanted: int, found: Findings) -> bool:
    if len(header.shape) == wanted:
        return True
    found.add(path, f"is {len(header.shape)}-D with the shape {times(header.shape)}, expected {wanted}-D")
    return False


def _check_place(path: Path, header: VolumeHeader, first: Path, reference: VolumeHeader, found: Findings) -> None:
    """Check that a file has the voxels of the case's first one, in the same place."""
    if header.shape[:3] != reference.shape[:3]:
        shapes = f"{times(header.shape[:3])}, but {first.name} has {times(reference.shape[:3])}"
        found.add(path, f"has the shape {shapes}")
    elif not np.allclose(header.affine, reference.affine, atol=_AFFINE_TOLERANCE):
        apart = np.abs(header.affine - reference.affine).max()
        found.add(
            path, f"has another affine (position, orientation or spacing) than {first.name}, by up to {apart:.3g} mm"
        )
