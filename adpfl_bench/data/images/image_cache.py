"""Colour images and masks of a whole dataset, decoded and resized once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_reading import read_cases
from adpfl_bench.data.data_contents import DataContents
from adpfl_bench.data.images.image_store import Shape, build_arrays, open_arrays
from adpfl_bench.data.images.picture_checks import pair_warnings
from adpfl_bench.data.images.picture_reader import ColourPictures, PictureReader
from adpfl_bench.data.images.rgb_files import UInt8Array, read_image, read_native_mask
from adpfl_bench.data.problems import Problem, tell_warnings
from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.files import cache_directory, file_state
from adpfl_bench.text import a_few

__all__ = ["ImageCache", "read_image", "read_native_mask"]

COLOUR = ColourPictures()
"""Reads one colour image with a binary mask."""

_FORMAT = 1  # of how pixels are computed and stored; to be counted up when that changes


class ImageCache:
    """Images [N, C, H, W] and masks [N, 1, H, W] of all cases at one size.

    Images are resized bilinearly with antialiasing, masks by nearest neighbour; the aspect ratio is not kept. A
    lesion of a few pixels can vanish from a small mask, so score against :func:`read_native_mask`.

    The arrays are held in memory if they fit the budget, and otherwise mapped from files. They are kept on disk, and
    found there by the next run, if a ``directory`` is given or they do not fit; two processes that need the same ones
    build them once. What is on disk is found by what the source files hold, so it is never stale; where nobody has
    hashed them, by their paths, sizes and modification times. Nothing is ever deleted from the directory; a user may
    delete any of it between runs.

    Attributes:
        cases: The cases, in the order given; the position of a case is its index.
        images: uint8 array [N, C, H, W] of 0 to 255, read-only.
        masks: uint8 array [N, 1, H, W] of class numbers, 0 and 1 of binary masks; read-only.
        folder: Where the arrays are on disk; ``None`` if they are in memory only.
    """

    images: UInt8Array
    masks: UInt8Array

    def __init__(
        self,
        cases: Sequence[Case],
        size: tuple[int, int],
        memory_budget_bytes: int = 4 * 2**30,
        directory: Path | None = None,
        workers: int | None = None,
        contents: DataContents | None = None,
        reader: PictureReader = COLOUR,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Decode the cases, or find them on disk.

        Args:
            cases: Cases with an image and a mask each.
            size: (height, width) in pixels.
            memory_budget_bytes: The most that the arrays, (C + 1) * H * W bytes a case, may take in memory.
            directory: Where to keep the arrays; by default memory only or, if they do not fit, the environment
                variable ``ADPFL_CACHE`` or ``~/.cache/adpfl_bench``.
            workers: Threads that decode; by default one for each processor.
            contents: What the files hold, which must not change while they are decoded.
            reader: Reads a case's files.
            say: Is told of what is probably not as it was meant, when cases are decoded.

        Raises:
            ConfigError: A setting is impossible, or the directory cannot be written or is too full.
            DataError: Cases are there twice, or cannot be read (all of those are told at once), or files change.
        """
        if not cases:
            raise ConfigError("An image cache needs at least one case; check the folder of the dataset.")
        if min(size) < 1 or memory_budget_bytes < 0 or (workers is not None and workers < 1):
            raise ConfigError(
                "An image cache needs a positive size and number of workers and a budget that is not negative; found "
                f"size {tuple(size)}, workers {workers}, memory_budget_bytes {memory_budget_bytes}."
            )
        self.cases = tuple(cases)
        self._index = {case.case_id: i for i, case in enumerate(self.cases)}
        if twice := [case.case_id for i, case in enumerate(self.cases) if self._index[case.case_id] != i]:
            raise DataError(f"Case ids must be unique, but these are there twice: {a_few(twice)}.")
        height, width = size
        shapes: dict[str, Shape] = {
            "images": (len(self.cases), reader.channels, height, width),
            "masks": (len(self.cases), 1, height, width),
        }
        in_memory = (reader.channels + 1) * len(self.cases) * height * width <= memory_budget_bytes
        self.folder: Path | None = None

        def fill(arrays: Mapping[str, UInt8Array]) -> None:
            tell_warnings(_decode(self.cases, reader, arrays["images"], arrays["masks"], workers), say)
            if contents is not None:
                contents.check()

        if in_memory and directory is None:
            arrays = {name: np.empty(shape, np.uint8) for name, shape in shapes.items()}
            fill(arrays)
        else:
            self.folder = cache_directory(directory) / _name(
                self.cases, (height, width), contents.digests if contents is not None else {}, reader
            )
            build_arrays(self.folder, shapes, fill)
            arrays = open_arrays(self.folder, shapes, in_memory)
        self._hold(arrays)

    def __len__(self) -> int:
        return len(self.cases)

    def __getitem__(self, i: int) -> tuple[UInt8Array, UInt8Array]:
        """Return image [C, H, W] and mask [1, H, W] of a case, by its index, as read-only views."""
        return self.images[i], self.masks[i]

    def index(self, case_id: str) -> int:
        """Return the index of a case; ``KeyError`` if the cache was made without it."""
        return self._index[case_id]

    @property
    def nbytes(self) -> int:
        """Size of the arrays in bytes, in memory or on disk."""
        return self.images.nbytes + self.masks.nbytes

    def __getstate__(self) -> dict[str, Any]:
        """Leave mapped arrays out: a worker process maps the files itself instead of being sent their content."""
        state = self.__dict__.copy()
        if isinstance(self.images, np.memmap):
            del state["images"], state["masks"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the arrays again if they were left out."""
        self.__dict__.update(state)
        names: dict[str, Shape] = {"images": (), "masks": ()}
        if "images" not in state and self.folder is not None:
            self._hold(open_arrays(self.folder, names, in_memory=False))
        else:
            self._hold({name: state[name] for name in names})

    def _hold(self, arrays: Mapping[str, UInt8Array]) -> None:
        self.images, self.masks = arrays["images"], arrays["masks"]
        for array in (self.images, self.masks):
            array.flags.writeable = False  # an augmentation in place would change every later epoch


def _name(cases: Sequence[Case], size: tuple[int, int], digests: Mapping[str, str], reader: PictureReader) -> str:
    """Name the folder of the arrays after all that they depend on."""
    files: list[object] = []
    for case in cases:
        for path in case.files:
            try:
                files.append(digests.get(str(path)) or file_state(path))
            except OSError:
                files.append((str(path), -1, -1))  # decoding will say what is wrong, together with all other cases
    kind = [] if reader == COLOUR else [repr(reader)]
    content = json.dumps([_FORMAT, PIL.__version__, size, files, *kind])
    return f"images-{size[0]}x{size[1]}-{hashlib.sha256(content.encode()).hexdigest()[:20]}"


def _decode(
    cases: Sequence[Case], reader: PictureReader, images: UInt8Array, masks: UInt8Array, workers: int | None
) -> list[Problem]:
    """Read all cases into the arrays, report all that cannot be read, and return warnings of the others."""

    def read_into(i: int) -> list[Problem]:
        images[i], masks[i] = reader.read_pair(cases[i], (images.shape[2], images.shape[3]))
        return pair_warnings(cases[i], masks[i])

    found = read_cases(cases, read_into, "Decoding images", workers)
    return [warning for some in found for warning in some]
