"""Volumes as folders of TIFF slices, one colour for each sequence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import tifffile
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.volumes.reader import Affine, Float32Array, VolumeHeader, VolumeReader
from adpfl_bench.errors import DataError

_Type = TypeVar("_Type", bound=np.generic)
_DAMAGE = (OSError, ValueError, KeyError, IndexError, tifffile.TiffFileError)

#: Axes of the stored array [row, column, slice] in the patient, in voxels: rows run from front to back, and columns
#: from the patient's right to left, as radiologists look at a head; slices run from neck to crown.
AFFINE: Affine = np.array([[0.0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


@dataclass(frozen=True)
class TiffStackReader(VolumeReader):
    """Stacks slices ``<name>.tif`` [rows, columns, channels] and ``<name>_mask.tif`` [rows, columns] of 0 and 255.

    The files state no voxel size, so lengths are in voxels.
    """

    has_spacing = False

    def image_headers(self, case: Case) -> list[tuple[Path, VolumeHeader]]:
        """Read the header of each slice, as that of a volume of the case's number of slices."""
        headers = []
        for path in case.images:
            rows, columns, *_ = _shape(path)
            headers.append((path, VolumeHeader((rows, columns, len(case.images)), AFFINE)))
        return headers

    def label_header(self, case: Case) -> VolumeHeader:
        """Read the header of the first mask."""
        rows, columns, *_ = _shape(_mask_of(case.images[0]))
        return VolumeHeader((rows, columns, len(case.images)), AFFINE)

    def read_channel(self, case: Case, channel: int) -> Float32Array:
        """Stack one channel of all slices, [rows, columns, slices]."""
        slices = []
        for path in case.images:
            pixels = _read(path)
            if pixels.ndim != 3 or channel >= pixels.shape[2]:
                raise DataError(f"{path} has the shape {pixels.shape}; expected rows, columns and sequences")
            slices.append(pixels[:, :, channel].astype(np.float32))
        return _stack(slices, case)

    def read_label(self, case: Case) -> NDArray[np.uint8]:
        """Stack all masks, [rows, columns, slices], with 1 for 255."""
        slices = []
        for path in map(_mask_of, case.images):
            mask = _read(path)
            values = np.unique(mask)
            if mask.ndim != 2 or not (set(values) <= {0, 255} or set(values) <= {0, 1}):
                raise DataError(f"{path} has the shape {mask.shape} and values up to {values[-1]}; expected 0 and 255")
            slices.append((mask != 0).astype(np.uint8))
        return _stack(slices, case)


def _stack(slices: list[NDArray[_Type]], case: Case) -> NDArray[_Type]:
    if len({pixels.shape for pixels in slices}) > 1:
        raise DataError(f"{case.images[0].parent} has slices of several sizes; expected one")
    return np.stack(slices, axis=-1)


def _mask_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_mask{path.suffix}")


def _shape(path: Path) -> tuple[int, ...]:
    try:
        with tifffile.TiffFile(path) as file:
            return tuple(int(side) for side in file.pages[0].shape)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def _read(path: Path) -> NDArray[Any]:
    try:
        return np.asarray(tifffile.imread(path))
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> DataError:
    if not path.exists():
        return DataError(f"{path} does not exist; restore it or scan the folder again")
    return DataError(f"{path} cannot be read ({error}); take it again from the publisher's archive")
