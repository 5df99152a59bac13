"""Store of arrays on disk for the next run: built once, whole or not at all."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock

from adpfl_bench.data.images.rgb_files import UInt8Array
from adpfl_bench.errors import ConfigError
from adpfl_bench.files import atomic_folder

_log = logging.getLogger(__name__)

Shape = tuple[int, ...]


def build_arrays(folder: Path, shapes: Mapping[str, Shape], fill: Callable[[Mapping[str, UInt8Array]], None]) -> None:
    """Build a folder of ``<name>.npy`` files unless it exists.

    The arrays are filled under another name and the folder is renamed when they are complete, so a folder that exists
    is whole. A process that finds another one building waits for it; what a killed process left is removed.

    Args:
        folder: The folder; its name says what is in the arrays.
        shapes: Shape of each array.
        fill: Called with the empty arrays by name, to fill them in place.

    Raises:
        ConfigError: The folder cannot be written, or its disk is too full.
    """
    if folder.is_dir():
        _log.info("Found the image cache %s.", folder)
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(folder.name + ".lock")):
            if folder.is_dir():
                return
            for left in folder.parent.glob(f".{folder.name}-partial-*"):
                shutil.rmtree(left, ignore_errors=True)
            _check_free_space(folder.parent, sum(int(np.prod(shape)) for shape in shapes.values()))
            with atomic_folder(folder) as partial:
                _fill_files(partial, shapes, fill)
    except OSError as error:
        raise ConfigError(
            f"The image cache {folder} cannot be written: {error}; give another directory, or set the "
            "environment variable ADPFL_CACHE."
        ) from error


def open_arrays(folder: Path, names: Mapping[str, Shape], in_memory: bool) -> dict[str, UInt8Array]:
    """Open the arrays of a folder that :func:`build_arrays` built, read whole or mapped read-only."""
    return {name: np.load(folder / f"{name}.npy", mmap_mode=None if in_memory else "r") for name in names}


def _fill_files(folder: Path, shapes: Mapping[str, Shape], fill: Callable[[Mapping[str, UInt8Array]], None]) -> None:
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.uint8, shape=shape)
        for name, shape in shapes.items()
    }
    fill(arrays)
    for array in arrays.values():
        array.flush()


def _check_free_space(folder: Path, needed: int) -> None:
    # Mapped files take their space as they are filled, and a full disk then kills the process without a word.
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ConfigError(
            f"The image cache needs {needed / 2**30:.1f} GiB in {folder}, which has {free / 2**30:.1f} GiB free; give "
            "another directory or set the environment variable ADPFL_CACHE, choose a smaller image size, or allow "
            "more memory."
        )
