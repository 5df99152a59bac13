"""Readers of volumes: arrays with the affine that places their voxels in the patient."""

from __future__ import annotations

import gzip
import zlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import Affine
from adpfl_bench.data.problems import unreadable
from adpfl_bench.data.volumes.nifti_checks import check_nifti, is_gzip
from adpfl_bench.errors import DataError

Float32Array = NDArray[np.float32]

# What nibabel, gzip and the operating system raise for files that are damaged in one way or another.
_DAMAGE = (OSError, EOFError, ValueError, OverflowError, IndexError, zlib.error, ImageFileError, HeaderDataError)


@dataclass(frozen=True)
class VolumeHeader:
    """Header of a volume's file.

    Attributes:
        shape: Shape of the array as stored.
        affine: 4x4 matrix from voxel indices to mm in the patient (RAS+).
    """

    shape: tuple[int, ...]
    affine: Affine

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel edge lengths in mm along the array's first three axes."""
        return tuple(float(edge) for edge in np.linalg.norm(self.affine[:3, :3], axis=0))


class VolumeReader(ABC):
    """Reader of a case's files. Every method raises DataError, with path and reason, for a file it cannot read.

    Attributes:
        has_spacing: Whether the files state a voxel size; where they do not, distances are in voxels.
        dimensions: Of an image's array: 3, or 4 where one file holds all channels.
    """

    has_spacing: bool = True
    dimensions: int = 3

    def parts(self, case: Case) -> list[Case]:
        """Take the case apart into what can be read by itself, so that a damaged part does not hide another."""
        return [case]

    def file_of(self, case: Case, channel: int) -> Path:
        """Return the file that holds a channel; of a stack of slices, their folder."""
        return case.images[0].parent

    def damaged_files(self, case: Case) -> list[tuple[Path, str]]:
        """Find what is wrong with single files of a case of many; formats of one file per array have nothing to add."""
        return []

    @abstractmethod
    def image_headers(self, case: Case) -> list[tuple[Path, VolumeHeader]]:
        """Read the headers of a case's image files."""

    @abstractmethod
    def label_header(self, case: Case) -> VolumeHeader:
        """Read the header of a case's label map."""

    @abstractmethod
    def read_channel(self, case: Case, channel: int) -> Float32Array:
        """Read one channel of a case, [X, Y, Z] as stored."""

    @abstractmethod
    def read_label(self, case: Case) -> NDArray[Any]:
        """Read the label map, [X, Y, Z] as stored, with the publisher's values in their own type."""


@dataclass(frozen=True)
class NiftiReader(VolumeReader):
    """Reader of NIfTI: one file per channel, or one 4-D file for all.

    Attributes:
        order: Where in the one 4-D file each of the suite's channels is; empty if each channel has its own file.
    """

    order: Sequence[int] = field(default=())

    @property
    def dimensions(self) -> int:  # type: ignore[override]
        """Dimensions of a file's array."""
        return 4 if self.order else 3

    def parts(self, case: Case) -> list[Case]:
        """Return each file of a channel by itself."""
        return [replace(case, images=(path,)) for path in case.images]

    def file_of(self, case: Case, channel: int) -> Path:
        """Return the file that holds a channel."""
        return case.images[0] if len(case.images) == 1 else case.images[channel]

    def image_headers(self, case: Case) -> list[tuple[Path, VolumeHeader]]:
        """Read the headers of a case's image files."""
        return [(path, read_header(path, self.dimensions)) for path in case.images]

    def label_header(self, case: Case) -> VolumeHeader:
        """Read the header of a case's label map."""
        return read_header(_label(case))

    def read_channel(self, case: Case, channel: int) -> Float32Array:
        """Read one channel of a case, [X, Y, Z] as stored."""
        if self.order:
            return np.asarray(_read(case.images[0], self.order[channel]), dtype=np.float32)
        return np.asarray(_read(case.images[channel]), dtype=np.float32)

    def read_label(self, case: Case) -> NDArray[Any]:
        """Read the label map, [X, Y, Z] as stored, with the publisher's values in their own type.

        What a scale of the header makes of whole numbers, which is off them by the last digits, is rounded.
        """
        values = _read(_label(case))
        if values.dtype.kind != "f":
            return values
        with np.errstate(invalid="ignore"):  # what is no number is told by the checks
            whole = np.rint(values)
            return whole if values.size and np.abs(values - whole).max() <= _OFF_WHOLE else values


def read_header(path: Path, dimensions: int = 3) -> VolumeHeader:
    """Read shape and affine of a NIfTI file.

    Args:
        path: The file.
        dimensions: How many axes it should have; those of length 1 behind them are left away.

    Raises:
        DataError: The file is missing or damaged, or :func:`~adpfl_bench.data.volumes.nifti_checks.check_nifti` refuses
            it.
    """
    image = _load(path)
    return VolumeHeader(_without_ones(image.shape, dimensions), np.asarray(image.affine, dtype=np.float64))


def _without_ones(shape: Sequence[int], dimensions: int) -> tuple[int, ...]:
    """Leave away axes of length 1 at the end, beyond some number of axes."""
    sides = [int(side) for side in shape]
    while len(sides) > dimensions and sides[-1] == 1:
        sides.pop()
    return tuple(sides)


def _load(path: Path) -> Any:
    try:
        image = nib.load(path)
    except _DAMAGE as error:
        raise _unreadable(path, error) from error
    check_nifti(path, image)
    return image


def _read(path: Path, volume: int | None = None) -> NDArray[Any]:
    kind: Any = type(_load(path))
    try:
        with gzip.open(path) if is_gzip(path) else path.open("rb") as stream:
            proxy = kind.from_stream(stream).dataobj
            if volume is None:
                values: NDArray[Any] = np.asanyarray(proxy)
                values = values.reshape(_without_ones(values.shape, 3))
            else:
                values = np.asanyarray(proxy[(..., volume, *[0] * (len(proxy.shape) - 4))])
            # The checksum of a gzip file is at its end, and is compared when that is read.
            while stream.read(_BUFFER):
                continue
        return values
    except MemoryError as error:
        raise DataError(f"{path} does not fit into memory; prepare it on a larger machine.") from error
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


_BUFFER = 2**20  # bytes
_OFF_WHOLE = 1e-3  # of a label; a resampled one is off by more, in some voxel of its edge


def _label(case: Case) -> Path:
    if case.label is None:
        raise DataError(f"{case.case_id} has no label map; give one, or leave the case out.")
    return case.label


def _unreadable(path: Path, error: BaseException) -> DataError:
    broken = isinstance(error, (EOFError, zlib.error, gzip.BadGzipFile))
    return unreadable(path, "truncated or damaged gzip" if broken else str(error))
