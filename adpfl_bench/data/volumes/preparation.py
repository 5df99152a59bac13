"""Preparation of a case's files for a network: orientation, foreground, spacing and intensities."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import Box, CaseGrid, Shape3, resize
from adpfl_bench.data.volumes.reader import Float32Array, VolumeReader
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.seeding import numpy_generator
from adpfl_bench.text import times

UInt8Array = NDArray[np.uint8]

DEFAULT_WINDOW = (-79.0, 304.0)
"""HU window of CT, of nnU-Net's KiTS19 entry (Isensee and Maier-Hein 2019, arXiv 1908.02182)."""

_SPACINGS = (0.01, 1000.0)  # mm; beyond them a volume is resampled to nothing, or to more than a memory holds
_MOST_VOXELS = 2**30  # of a prepared channel, twice as many as a whole body in CT has
_FOREGROUND_VOXELS = 512  # kept of each class to centre patches on


@dataclass(frozen=True)
class Preparation:
    """Settings of preparation; nothing looks at more than the case's own image, so it reveals nothing of others.

    CT is clipped to a window of Hounsfield units, which is mapped to [-1, 1]. MRI is made to have mean 0 and standard
    deviation 1 over each sequence's non-zero voxels, and zero stays zero.

    Attributes:
        spacing: Voxel edge lengths in mm along x (right), y (front) and z (head); ``None`` keeps each file's own.
        window: Lower and upper end of the CT window in HU.
    """

    spacing: tuple[float, float, float] | None
    window: tuple[float, float]

    def __post_init__(self) -> None:
        finest, coarsest = _SPACINGS
        if self.spacing is not None and not all(finest <= edge <= coarsest for edge in self.spacing):
            raise ConfigError(
                f"data.spacing must be three positive lengths in mm, from {finest:g} to {coarsest:g}; found"
                f" {list(self.spacing)}."
            )
        if self.window[0] >= self.window[1]:
            raise ConfigError(f"data.ct_window must be a lower and a higher HU value; found {list(self.window)}.")

    def settings(self) -> dict[str, Any]:
        """Return all that the prepared voxels depend on, for the name of a cache."""
        spacing = None if self.spacing is None else [float(edge) for edge in self.spacing]
        return {"spacing": spacing, "window": [float(end) for end in self.window]}

    def background(self, modality: str) -> float:
        """Value of what lies outside of a prepared image."""
        return -1.0 if modality == "CT" else 0.0

    def network_shape(self, grid: CaseGrid, has_spacing: bool) -> Shape3:
        """Shape of the grid's box at the wanted spacing, at least one voxel along each axis."""
        if self.spacing is None or not has_spacing:
            return grid.box_shape
        x, y, z = (
            max(1, round(side * edge / wanted))
            for side, edge, wanted in zip(grid.box_shape, grid.canonical_spacing, self.spacing, strict=True)
        )
        return x, y, z


class PreparedCase(NamedTuple):
    """A prepared case, as it is kept.

    Attributes:
        image: float16 [C, X, Y, Z] in RAS+ order.
        label: uint8 [X, Y, Z], 0 background and 1, 2, ... the classes of the release's label scheme.
        grid: The way back to the file.
        foreground: By class number, up to 512 of its voxels drawn at random, int16 [N, 3].
    """

    image: NDArray[np.float16]
    label: UInt8Array
    grid: CaseGrid
    foreground: Mapping[int, NDArray[np.int16]]


def case_grid(case: Case, reader: VolumeReader) -> CaseGrid:
    """Read the whole grid of a case's file from its header."""
    _, header = reader.image_headers(case)[0]
    x, y, z = header.shape[:3]
    return CaseGrid((x, y, z), header.affine)


def class_map(values: NDArray[Any], release: VolumeRelease) -> UInt8Array:
    """Replace a publisher's label values by class numbers: ``i + 1`` stands for its ``classes[i]``."""
    table = np.zeros(256, dtype=np.uint8)
    for value, name in release.labels.items():
        table[value] = release.classes.index(name) + 1
    return table[np.asarray(values).astype(np.uint8)]


def prepare_case(case: Case, release: VolumeRelease, how: Preparation) -> PreparedCase:
    """Prepare a case whose files were checked.

    Raises:
        DataError: A file cannot be read, or states voxels so large that it would become more than a memory holds.
    """
    image, grid = prepare_image(case, release, how)
    within = tuple(slice(start, stop) for start, stop in grid.box)
    label = grid.to_canonical(class_map(release.reader.read_label(case), release))[within]
    label = resize_label(label, grid.network_shape)
    return PreparedCase(image, label, grid, _draw_foreground(case, label))


def prepare_image(case: Case, release: VolumeRelease, how: Preparation) -> tuple[NDArray[np.float16], CaseGrid]:
    """Prepare the image of a case whose files were checked, and return it with the way back to the file.

    Raises:
        DataError: A file cannot be read.
    """
    reader = release.reader
    whole = case_grid(case, reader)
    channels = [whole.to_canonical(reader.read_channel(case, c)) for c in range(len(release.channels))]
    box = _bounding_box(channels, above=how.window[0] if release.modality == "CT" else None)
    boxed = CaseGrid(whole.shape, whole.affine, box)
    grid = CaseGrid(whole.shape, whole.affine, box, how.network_shape(boxed, reader.has_spacing))
    if math.prod(grid.network_shape) > _MOST_VOXELS:
        edges = " x ".join(f"{edge:.3g}" for edge in grid.spacing)
        raise DataError(
            f"{reader.file_of(case, 0)} has voxels of {edges} mm, so that it would be prepared to"
            f" {times(grid.network_shape)} voxels, more than {_MOST_VOXELS:,}; mend its header, or choose a coarser"
            " data.spacing."
        )
    within = tuple(slice(start, stop) for start, stop in box)
    image = np.empty((len(channels), *grid.network_shape), dtype=np.float16)
    for index, channel in enumerate(channels):
        inside = channel[within]
        normalized = _window(inside, how.window) if release.modality == "CT" else _standardize(inside)
        image[index] = resize(normalized, grid.network_shape, order=1)
    return image, grid


def resize_label(label: UInt8Array, shape: Shape3) -> UInt8Array:
    """Resize a label map: each class linearly, then the class with the largest share of a voxel."""
    if label.shape == shape:
        return np.ascontiguousarray(label)
    result = np.zeros(shape, dtype=np.uint8)
    largest = resize((label == 0).astype(np.float32), shape, order=1)
    for value in np.unique(label[label > 0]):
        share = resize((label == value).astype(np.float32), shape, order=1)
        wins = share > largest
        result[wins] = value
        largest[wins] = share[wins]
    return result


def _bounding_box(channels: list[Float32Array], above: float | None) -> Box:
    """Bounding box of what is not air (CT) or not masked away (MRI); everything if all is."""
    first, *others = (channel > above if above is not None else channel != 0 for channel in channels)
    for other in others:
        first |= other
    sides = []
    for axis in range(3):
        within = np.flatnonzero(first.any(axis=tuple(other for other in range(3) if other != axis)))
        if not within.size:
            x, y, z = first.shape
            return (0, x), (0, y), (0, z)
        sides.append((int(within[0]), int(within[-1]) + 1))
    right, front, head = sides
    return right, front, head


def _window(values: Float32Array, window: tuple[float, float]) -> Float32Array:
    low, high = window
    return (np.clip(values, low, high) - (low + high) / 2) / ((high - low) / 2)


def _standardize(values: Float32Array) -> Float32Array:
    """Mean 0 and standard deviation 1 of what is not 0, in 64 bits."""
    # Sums depend on the order: that of C, whichever the file has.
    values = np.ascontiguousarray(values)
    brain = values != 0
    inside = values[brain].astype(np.float64)
    if not inside.size:
        return values
    inside -= inside.mean()
    inside /= max(math.sqrt(np.square(inside).mean()), 1e-6)
    standardized = np.zeros(values.shape, dtype=np.float32)
    standardized[brain] = inside
    return standardized


def _draw_foreground(case: Case, label: UInt8Array) -> dict[int, NDArray[np.int16]]:
    drawn = {}
    for value in np.unique(label[label > 0]):
        voxels = np.argwhere(label == value)
        if len(voxels) > _FOREGROUND_VOXELS:
            generator = numpy_generator(0, "foreground", case.case_id, int(value))
            voxels = voxels[np.sort(generator.choice(len(voxels), _FOREGROUND_VOXELS, replace=False))]
        drawn[int(value)] = voxels.astype(np.int16)
    return drawn
