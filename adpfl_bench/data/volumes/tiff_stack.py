"""Volumes as folders of TIFF slices, one colour for each sequence."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import Affine
from adpfl_bench.data.problems import check_binary, unreadable
from adpfl_bench.data.volumes.reader import Float32Array, VolumeHeader, VolumeReader
from adpfl_bench.errors import DataError
from adpfl_bench.text import times

_Type = TypeVar("_Type", bound=np.generic)
# What tifffile and its codecs raise for files that are damaged in one way or another.
_DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, OverflowError, MemoryError),
    *(struct.error, zlib.error, tifffile.TiffFileError),
)
_CHANNELS = 3

#: Axes of the stored array [row, column, slice] in the patient, in voxels: rows run from front to back, and columns
#: from the patient's right to left, as radiologists look at a head; slices run from neck to crown.
AFFINE: Affine = np.array([[0.0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class TiffStackReader(VolumeReader):
    """Reader of slices ``<name>.tif`` [rows, columns, 3] and ``<name>_mask.tif`` [rows, columns] of 0 and 255.

    The files state no voxel size, so lengths are in voxels.
    """

    has_spacing = False

    def damaged_files(self, case: Case) -> list[tuple[Path, str]]:
        """Read every slice and mask; find those that cannot be read, or are of another size than the first slice."""
        found: list[tuple[Path, str]] = []
        first: tuple[Path, tuple[int, ...]] | None = None
        for path in case.images:
            masks = () if case.label is None else ((_mask_of(path), _read_mask),)
            for file, read in ((path, _read_slice), *masks):
                try:
                    size = read(file).shape[:2]
                except DataError as error:
                    found.append((file, str(error).removesuffix(".")))
                    continue
                first = first or (file, size)
                if size != first[1]:
                    found.append((file, f"is {times(size)} pixels, but {first[0].name} is {times(first[1])}"))
        return found

    def image_headers(self, case: Case) -> list[tuple[Path, VolumeHeader]]:
        """Describe the stack by its first slice."""
        rows, columns = _read_slice(case.images[0]).shape[:2]
        return [(case.images[0].parent, VolumeHeader((rows, columns, len(case.images)), AFFINE))]

    def label_header(self, case: Case) -> VolumeHeader:
        """Describe the stack by its first mask."""
        rows, columns = _read_mask(_mask_of(case.images[0])).shape
        return VolumeHeader((rows, columns, len(case.images)), AFFINE)

    def read_channel(self, case: Case, channel: int) -> Float32Array:
        """Stack one channel of all slices, [rows, columns, slices]."""
        return _stack([_read_slice(path)[:, :, channel].astype(np.float32) for path in case.images], case)

    def read_label(self, case: Case) -> NDArray[np.uint8]:
        """Stack all masks, [rows, columns, slices], with 1 for 255."""
        return _stack([_read_mask(_mask_of(path)) for path in case.images], case)


@dataclass(frozen=True)
class TiffPagesReader(VolumeReader):
    """Reader of a TIFF file whose pages are the slices, each [rows, columns, 3], from neck to crown; of new patients.

    It states no voxel size, as those of single slices.
    """

    has_spacing = False

    def file_of(self, case: Case, channel: int) -> Path:
        """Return the file."""
        return case.images[0]

    def image_headers(self, case: Case) -> list[tuple[Path, VolumeHeader]]:
        """Describe the file by its pages."""
        slices, rows, columns = _read_pages(case.images[0]).shape[:3]
        return [(case.images[0], VolumeHeader((rows, columns, slices), AFFINE))]

    def label_header(self, case: Case) -> VolumeHeader:
        """Refuse: masks are files of single slices."""
        raise DataError(f"{case.case_id} is a TIFF file of several pages, which has no masks.")

    def read_channel(self, case: Case, channel: int) -> Float32Array:
        """Stack one channel of all pages, [rows, columns, slices]."""
        pages = _read_pages(case.images[0])[..., channel]
        return np.ascontiguousarray(np.moveaxis(pages, 0, -1), dtype=np.float32)

    def read_label(self, case: Case) -> NDArray[Any]:
        """Refuse: masks are files of single slices."""
        raise DataError(f"{case.case_id} is a TIFF file of several pages, which has no masks.")


def count_pages(path: Path) -> int:
    """Count the pages of a TIFF file; 0 of one that cannot be read as such."""
    try:
        with tifffile.TiffFile(path) as file:
            return len(file.pages)
    except _DAMAGE:
        return 0


def _read_pages(path: Path) -> NDArray[Any]:
    """Read all pages [pages, rows, columns, 3]."""
    try:
        with tifffile.TiffFile(path) as file:
            pages = [np.asarray(page.asarray()) for page in file.pages]
    except _DAMAGE as error:
        raise unreadable(path, str(error) or type(error).__name__) from error
    if len(shapes := {page.shape for page in pages}) != 1:
        raise DataError(f"{path} has pages of several sizes; expected one")
    (shape,) = shapes
    if len(shape) != 3 or shape[2] != _CHANNELS or pages[0].dtype.kind not in "buif":
        raise DataError(
            f"{path} has pages of the shape {times(shape)} and the type {pages[0].dtype}; expected rows, columns and"
            f" {_CHANNELS} sequences of real numbers"
        )
    return np.stack(pages)


def _stack(slices: list[NDArray[_Type]], case: Case) -> NDArray[_Type]:
    if len({pixels.shape for pixels in slices}) > 1:
        raise DataError(f"{case.images[0].parent} has slices of several sizes; expected one")
    return np.stack(slices, axis=-1)


def _mask_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_mask{path.suffix}")


def _read_slice(path: Path) -> NDArray[Any]:
    pixels = _read(path)
    if pixels.ndim != 3 or pixels.shape[2] != _CHANNELS:
        raise DataError(f"{path} has the shape {times(pixels.shape)}; expected rows, columns and {_CHANNELS} sequences")
    return pixels


def _read_mask(path: Path) -> NDArray[np.uint8]:
    """Read a mask as 0 and 1."""
    mask = _read(path)
    if mask.ndim != 2:
        raise DataError(f"{path} has the shape {times(mask.shape)}; expected rows and columns")
    check_binary(path, np.unique(mask).tolist())
    binary: NDArray[np.uint8] = (mask != 0).astype(np.uint8)
    return binary


def _read(path: Path) -> NDArray[Any]:
    try:
        with tifffile.TiffFile(path) as file:
            pages = len(file.pages)
            pixels = np.asarray(file.pages[0].asarray()) if pages == 1 else None
    except _DAMAGE as error:
        raise unreadable(path, str(error) or type(error).__name__) from error
    if pixels is not None:
        if pixels.dtype.kind not in "buif":
            raise DataError(f"{path} has pixels of the type {pixels.dtype}; expected real numbers")
        return pixels
    # A file that was cut off has no pages for tifffile, which is no error to it.
    raise DataError(f"{path} has {pages} pages where one is expected; take it again from the publisher's archive")
