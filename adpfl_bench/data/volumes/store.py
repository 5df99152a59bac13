"""Store of prepared cases on disk, as chunked and compressed arrays that are read patch by patch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zipfile import BadZipFile

import blosc2
import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.volumes.preparation import Preparation, PreparedCase, UInt8Array
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.errors import DataError
from adpfl_bench.files import atomic_folder, file_state

_IMAGE, _LABEL = "image.b2nd", "label.b2nd"
_ANEW = "Remove the folder {}: the case is then prepared again."

FORMAT = 1
"""Of how voxels are computed and stored; to be counted up when that changes."""

# Of a file of Blosc2: how it begins, and that its one metalayer is that of an array. Files with others are recipes,
# which blosc2 before 4.14.1 makes by running what they hold, when it opens them.
_FRAME = b"\x9e\xa8b2frame\x00"
_METALAYERS, _ONE_ARRAY = slice(91, 99), b"\xde\x00\x01\xa4b2nd"

_CHUNK = 64  # voxels along each axis, all channels together: what is found and read at once
_BLOCK = 32  # what is decompressed at once


def case_name(
    case: Case, release: VolumeRelease, how: Preparation, digests: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return the name of a prepared case: its id, and a hash of all that its voxels depend on.

    Source files count by what they hold, so a prepared case is never stale; where their SHA-256 is not among
    ``digests``, which have it by path, by path, size and time of change.
    """
    files = [digests.get(str(path)) or file_state(path) for path in case.source_files()]
    labels = sorted(release.labels.items())
    kind = (release.name, release.modality, release.channels, labels, repr(release.reader))
    content = json.dumps([FORMAT, kind, release.classes, how.settings(), files])
    return f"{case.case_id}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class StoredCase:
    """A prepared case in its folder.

    Attributes:
        folder: Holds ``image.b2nd``, ``label.b2nd``, ``foreground.npz`` and ``case.json``.
        grid: The way back to the file.
        digest: Of the source image, by which duplicates are found.
        foreground: By class number, some of its voxels, int16 [N, 3].
        channels: Number of channels.
    """

    folder: Path
    grid: CaseGrid
    digest: str
    foreground: dict[int, NDArray[np.int16]]
    channels: int

    def read_image(self, within: tuple[slice, ...] = ()) -> NDArray[np.float16]:
        """Read a box of the image, [C, *box]; only the chunks that it touches are decompressed."""
        array: NDArray[np.float16] = _open(self.folder / _IMAGE, np.float16)[(slice(None), *within)]
        return array

    def read_label(self, within: tuple[slice, ...] = ()) -> UInt8Array:
        """Read a box of the label map, [*box]."""
        array: UInt8Array = _open(self.folder / _LABEL, np.uint8)[within or (slice(None),)]
        return array


def write_case(folder: Path, prepared: PreparedCase, digest: str) -> None:
    """Write a prepared case whole or not at all; a folder that exists is complete.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    with suppress(FileExistsError), atomic_folder(folder) as partial:  # another process may be faster
        _write_array(partial / _IMAGE, prepared.image, "LZ4")
        _write_array(partial / _LABEL, prepared.label, "ZSTD")
        foreground: dict[str, Any] = {str(value): voxels for value, voxels in prepared.foreground.items()}
        np.savez(partial / "foreground.npz", **foreground)
        content = {"grid": prepared.grid.to_json(), "digest": digest, "channels": len(prepared.image)}
        (partial / "case.json").write_text(json.dumps(content), encoding="utf-8")


def open_case(folder: Path) -> StoredCase:
    """Open a prepared case without reading a voxel of its image.

    Raises:
        DataError: A file is damaged, or holds something else than an array of voxels.
    """
    for name in (_IMAGE, _LABEL):
        _check_array(folder / name)
    try:
        content = json.loads((folder / "case.json").read_text(encoding="utf-8"))
        grid = CaseGrid.from_json(content["grid"])
        with np.load(folder / "foreground.npz", allow_pickle=False) as file:
            foreground = {int(value): file[value] for value in file.files}
        return StoredCase(folder, grid, content["digest"], foreground, content["channels"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise DataError(f"The prepared case {folder} is damaged: {error}. {_ANEW.format(folder)}") from error


def _write_array(path: Path, array: NDArray[Any], codec: str) -> None:
    # LZ4 behind a byte shuffle: in benchmarks/data_pipeline.py the fastest to read of the formats compared.
    spatial = array.shape[-3:]
    channels = array.shape[:-3]
    chunks = (*channels, *(min(_CHUNK, side) for side in spatial))
    blocks = (*(1 for _ in channels), *(min(_BLOCK, side) for side in spatial))
    parameters = {
        "codec": getattr(blosc2.Codec, codec),
        "clevel": 5,
        "filters": [blosc2.Filter.SHUFFLE],
        "filters_meta": [0],
        "nthreads": 1,
    }
    packed = blosc2.asarray(np.ascontiguousarray(array), chunks=chunks, blocks=blocks, cparams=parameters)
    path.write_bytes(packed.to_cframe())  # blosc2 would not say why it cannot write a file


def _check_array(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(_METALAYERS.stop)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. {_ANEW.format(path.parent)}") from error
    if not head.startswith(_FRAME) or head[_METALAYERS] != _ONE_ARRAY:
        raise DataError(f"{path} is no array of voxels as this suite writes them. {_ANEW.format(path.parent)}")


def _open(path: Path, kind: type[np.generic]) -> Any:
    array = blosc2.open(str(path), mode="r", dparams={"nthreads": 1})
    if array.dtype != kind:  # an array of objects would be one of addresses
        raise DataError(f"{path} holds {array.dtype} in place of {kind.__name__}. {_ANEW.format(path.parent)}")
    return array
