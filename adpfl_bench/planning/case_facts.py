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
from adpfl_bench.data.volumes.preparation import case_grid
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.errors import DataError
from adpfl_bench.planning.target_spacing import Spacing
from adpfl_bench.text import times

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
        strange: Values of the label map that are no class.
    """

    shape: tuple[int, ...]
    box: tuple[int, ...]
    spacing: Spacing | None
    orientation: str
    channels: int
    lowest: float
    intensities: tuple[tuple[float, ...], ...]
    sizes: Mapping[str, float]
    strange: tuple[float, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is labelled."""
        return not self.sizes


def volume_facts(case: Case, release: VolumeRelease) -> CaseFacts:
    """Read a volume, one channel at a time.

    Raises:
        DataError: A file cannot be read, or the label map has another shape than the image.
    """
    reader = release.reader
    grid = case_grid(case, reader)
    label = reader.read_label(case)
    if label.shape != grid.shape:
        raise DataError(f"{case.label} has {times(label.shape)} voxels, but its image {times(grid.shape)}.")
    channels = [reader.read_channel(case, index) for index in range(len(release.channels))]
    voxel = float(np.prod(grid.canonical_spacing))
    sizes, strange = _sizes(label, release.labels, voxel)
    return CaseFacts(
        shape=grid.canonical_shape,
        box=_box(channels, grid),
        spacing=grid.canonical_spacing,
        orientation="".join(map(str, nib.orientations.aff2axcodes(grid.affine))),
        channels=len(channels),
        lowest=min(float(np.nanmin(channel)) for channel in channels),
        intensities=_intensities(channels, label > 0),
        sizes=sizes,
        strange=strange,
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
    sizes, strange = _sizes(label, {number + 1: name for number, name in enumerate(classes)}, 1.0)
    return CaseFacts(
        shape=shape,
        box=shape,
        spacing=None,
        orientation="",
        channels=len(image),
        lowest=float(image.min()),
        intensities=_intensities(list(image), label > 0),
        sizes=sizes,
        strange=strange,
    )


def _sizes(
    label: NDArray[np.generic], classes: Mapping[int, str], element: float
) -> tuple[dict[str, float], tuple[float, ...]]:
    values, counts = np.unique(label, return_counts=True)
    found = {float(value): int(number) for value, number in zip(values, counts, strict=True) if value != 0}
    sizes = {classes[int(value)]: number * element for value, number in found.items() if value in classes}
    return sizes, tuple(value for value in found if value not in classes)


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
