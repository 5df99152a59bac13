"""File of the cases that a run kept, examples.npz: its arrays, each of which is what the others say."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray
from rich.filesize import decimal

from adpfl_bench.errors import RecordError

PLANES = ("picture", "axial", "coronal", "sagittal")
CHOSEN = ("best", "median", "worst")

_LARGEST = 4 * 2**30  # bytes, unpacked; a run keeps a few cases
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, TypeError, OverflowError, MemoryError, BadZipFile, zlib.error)

Arrays = Mapping[str, NDArray[Any]]


def read_kept(path: Path) -> Arrays | None:
    """Read the arrays by name; ``None`` where there is no file.

    Raises:
        RecordError: It cannot be read, or an array is not what the others say.
    """
    if not path.exists():
        return None
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        _check_examples(arrays)
        if "chosen" in arrays:
            _check_chosen(arrays)
    except _UNREADABLE as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise RecordError(
            f"{path} cannot be read ({said}), so that no test cases of this run are shown; make it again with"
            " adpfl-bench test."
        ) from error
    return arrays


def _check_size(path: Path) -> None:
    with ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > _LARGEST:
        raise ValueError(f"it unpacks to {decimal(size)}, and may have {decimal(_LARGEST)}")


def _check_examples(arrays: Arrays) -> None:
    cases = _texts(arrays, "case")
    for name in ("client", "model"):
        if name == "client" or name in arrays:
            _need(_texts(arrays, name) == cases, name, "as many as cases")
    image, truth = _numbers(arrays, "image"), _numbers(arrays, "truth")
    _need(image.ndim in (4, 5) and len(image) == cases, "image", "of the shape [cases, channels, *grid]")
    _need(bool(np.isfinite(image).all()), "image", "finite")
    _need(truth.ndim == image.ndim and truth.shape[2:] == image.shape[2:], "truth", "on the grid of the images")
    _need(len(truth) == cases, "truth", "as many as cases")
    _need(_numbers(arrays, "prediction").shape == truth.shape, "prediction", "of the shape of truth")
    if "region" in arrays:
        _need(_texts(arrays, "region") == truth.shape[1], "region", "as many as truth has")


def _check_chosen(arrays: Arrays) -> None:
    number, regions = _texts(arrays, "chosen"), _texts(arrays, "region")
    _need(set(arrays["chosen"].tolist()) <= set(CHOSEN), "chosen", f"of {', '.join(CHOSEN)}")
    for name in ("case", "client", "model"):
        _need(_texts(arrays, f"chosen_{name}") == number, f"chosen_{name}", "as many as chosen")
    dice = _numbers(arrays, "chosen_dice")
    _need(dice.shape == (number,) and bool(((dice >= 0) & (dice <= 1)).all()), "chosen_dice", "a share for each")
    of = _numbers(arrays, "chosen_of")
    _need(of.ndim == 0 and of.dtype.kind in "iu" and int(of) >= number, "chosen_of", "their number at least")
    for which in arrays["chosen"].tolist():
        shown = [f"{which}_{plane}" for plane in PLANES if f"{which}_{plane}_image" in arrays]
        _need(bool(shown), f"{which}_picture_image", "there, or a plane in its place")
        for key in shown:
            image, spacing = _numbers(arrays, f"{key}_image"), _numbers(arrays, f"{key}_spacing")
            _need(image.ndim == 3 and len(image) in (1, 3), f"{key}_image", "of the shape [1 or 3, rows, columns]")
            _need(image.dtype == np.uint8, f"{key}_image", "of 8 bits")
            for name in (f"{key}_truth", f"{key}_prediction"):
                _need(_numbers(arrays, name).shape == (regions, *image.shape[1:]), name, "a mask for each region")
            positive = spacing.shape == (2,) and bool((np.isfinite(spacing) & (spacing > 0)).all())
            _need(positive, f"{key}_spacing", "two lengths")


def _texts(arrays: Arrays, name: str) -> int:
    """Number of texts in an array of them."""
    _need(name in arrays and arrays[name].ndim == 1 and arrays[name].dtype.kind == "U", name, "an array of texts")
    return len(arrays[name])


def _numbers(arrays: Arrays, name: str) -> NDArray[Any]:
    _need(name in arrays and arrays[name].dtype.kind in "biuf", name, "an array of numbers")
    return arrays[name]


def _need(holds: bool, name: str, wanted: str) -> None:
    if not holds:
        raise ValueError(f"its array {name} should be {wanted}")
