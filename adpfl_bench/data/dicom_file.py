"""DICOM files: whether a file is one, and its attributes as pydicom reads them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adpfl_bench.data.problems import unreadable
from adpfl_bench.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pydicom import FileDataset

ENDINGS = (".dcm", ".dicom")
"""Endings of files that must be DICOM; most archives give theirs none."""

# What pydicom and its decoders raise for files and values that are damaged in one way or another.
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError, OverflowError),
    *(NotImplementedError, MemoryError, struct.error, zlib.error),
)
_PREAMBLE, _MAGIC = 128, b"DICM"


def is_dicom(path: Path) -> bool:
    """Whether a file is DICOM by its first bytes (PS3.10, 7.1), or should be by its ending.

    Raises:
        DataError: The file cannot be read.
    """
    if path.name.lower().endswith(ENDINGS):
        return True
    try:
        with path.open("rb") as file:
            return file.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC
    except OSError as error:
        raise unreadable(path, str(error)) from error


def require_pydicom() -> None:
    """Refuse to go on without pydicom.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import pydicom  # noqa: F401  # deferred: an extra
    except ImportError:
        raise ConfigError(
            "DICOM files are read by the package pydicom, which is not installed: pip install 'adpfl-bench[dicom]', or"
            " convert them to NIfTI."
        ) from None


def damage() -> tuple[type[Exception], ...]:
    """What pydicom and its decoders raise for damaged files, when they are read or when a value is asked for."""
    from pydicom.errors import BytesLengthException  # deferred: an extra

    return (*_DAMAGE, BytesLengthException)


def read_dicom(path: Path, *, pixels: bool = False, only: Sequence[str] | None = None) -> FileDataset:
    """Read a file's attributes.

    Args:
        path: The file.
        pixels: Whether to read its pixels, too.
        only: Keywords of the attributes that are needed; none reads all.

    Raises:
        DataError: The file is missing, damaged, or no DICOM.
    """
    from pydicom import dcmread  # deferred: an extra
    from pydicom.errors import InvalidDicomError

    try:
        return dcmread(path, stop_before_pixels=not pixels, specific_tags=None if only is None else list(only))
    except InvalidDicomError as error:
        if path.is_file() and path.stat().st_size > 0:
            raise DataError(
                f"{path} is no DICOM file: DICM is not at byte {_PREAMBLE}; export it again, or move it elsewhere."
            ) from error
        raise unreadable(path, str(error)) from error
    except damage() as error:
        raise unreadable(path, str(error) or type(error).__name__) from error
