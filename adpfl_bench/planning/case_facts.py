"""Facts of a case: what planning reads of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.images.picture_reader import PictureReader
from adpfl_bench.data.problems import Findings
from adpfl_bench.data.volumes.header_checks import check_headers
from adpfl_bench.data.volumes.preparation import case_grid
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.errors import DataError
from adpfl_bench.planning.target_spacing import Spacing
from adpfl_bench.text import a_few

PERCENTILES = (0.5, 50.0, 99.5)
"""Percentiles of the intensities inside of what is labelled."""

AIR = -500.0
"""Below it, a volume holds air in Hounsfield units."""


@dataclass(frozen=True)
class CaseFacts:
    """What the files of a case hold.

    Attributes:
        shape: Of pictures height and width in pixels; of volumes voxels along x (right), y (front) and z (head).
        box: The same of the box around all that is not zero.
        spacing: Voxel edge lengths in mm along the same axes; ``None`` of pictures.
        orientation: Where the axes of the file's array go, such as ``LPS``; empty of pictures.
        channels: Number of channels.
        lowest: Smallest value of all channels.
        intensities: Of each channel the :data:`PERCENTILES` inside of what is labelled; empty where nothing is.
        sizes: Of each class that is there its size, in mm^3 or in pixels.
    """

    shape: tuple[int, ...]
    box: tuple[int, ...]
    spacing: Spacing | None
    orientation: str
    channels: int
    lowest: float
    intensities: tuple[tuple[float, ...], ...]
    sizes: Mapping[str, float]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is labelled."""
        return not self.sizes


def volume_facts(case: Case, release: VolumeRelease) -> CaseFacts:
    """Read a volume, one channel at a time.

    Raises:
        DataError: A file cannot be read, or is none that `fit` would take.
    """
    reader = release.reader
    found = Findings(case.case_id)
    check_headers(case, release, found)
    for problem in found.problems[:1]:
        raise DataError(f"{problem.path} {problem.problem}.")
    grid = case_grid(case, reader)
    label = reader.read_label(case)
    channels = [reader.read_channel(case, index) for index in range(len(release.channels))]
    for index, channel in enumerate(channels):
        if not np.isfinite(channel).all():
            raise DataError(f"{reader.file_of(case, index)} has voxels that are NaN or infinite.")
        if channel.min() == channel.max():
            raise DataError(f"{reader.file_of(case, index)} is {channel.flat[0]:g} everywhere.")
    voxel = float(np.prod(grid.canonical_spacing))
    sizes = _sizes(label, release.labels, voxel)
    if strange := sorted({*np.unique(label).tolist()} - {0, *release.labels}):
        values = a_few([f"{value:g}" for value in strange], 5)
        raise DataError(f"{case.label} has the values {values}; expected 0 and {release.describe_labels()}.")
    return CaseFacts(
        shape=grid.canonical_shape,
        box=_box(channels, grid),
        spacing=grid.canonical_spacing,
        orientation="".join(map(str, nib.orientations.aff2axcodes(grid.affine))),
        channels=len(channels),
        lowest=min(float(channel.min()) for channel in channels),
        intensities=_intensities(channels, label > 0),
        sizes=sizes,
    )


def picture_facts(case: Case, reader: PictureReader, classes: Sequence[str]) -> CaseFacts:
    """Read a picture and its mask; as :func:`volume_facts`.

    Args:
        case: The case.
        reader: Reads its files.
        classes: Classes in the order of their numbers.
    """
    shape = reader.shape(case)
    label = reader.read_label(case)[0]
    image = reader.read_image(case, shape)
    return CaseFacts(
        shape=shape,
        box=shape,
        spacing=None,
        orientation="",
        channels=len(image),
        lowest=float(image.min()),
        intensities=_intensities(list(image), label > 0),
        sizes=_sizes(label, {number + 1: name for number, name in enumerate(classes)}, 1.0),
    )


def _sizes(label: NDArray[Any], classes: Mapping[int, str], element: float) -> dict[str, float]:
    """Size of each class that is there, of elements of one size."""
    values, counts = np.unique(label, return_counts=True)
    found = dict(zip(values.tolist(), counts.tolist(), strict=True))
    return {name: found[value] * element for value, name in classes.items() if value in found}


def _intensities(channels: Sequence[NDArray[Any]], inside: NDArray[np.bool_]) -> tuple[tuple[float, ...], ...]:
    if not inside.any():
        return ()
    return tuple(tuple(map(float, np.percentile(channel[inside], PERCENTILES))) for channel in channels)


def _box(channels: Sequence[NDArray[np.float32]], grid: CaseGrid) -> tuple[int, ...]:
    """Shape of the box around all that is not zero, along x, y and z; of everything where all is."""
    there = np.zeros(grid.shape, dtype=np.uint8)
    for channel in channels:
        there |= channel != 0
    found = scipy.ndimage.find_objects(grid.to_canonical(there))
    return tuple(side.stop - side.start for side in found[0]) if found else grid.canonical_shape
