"""Damages of NIfTI files: of the header's fields, as bytes, and of the voxels."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.nifti1 import header_dtype

from tests.corpus.damages import Damage, Place, content

Change = Callable[[np.ndarray], np.ndarray]
"""Makes voxels, or an affine, of others."""

_HEADER = 348  # bytes


def unpacked(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change what is inside a gzip file."""
    return lambda data: gzip.compress(change(gzip.decompress(data)), 1)


def header(place: Place, **fields: Any) -> Damage:
    """Overwrite fields of a header, whatever they say; the voxels stay."""

    def change(data: bytes) -> bytes:
        raw = np.frombuffer(data[:_HEADER], header_dtype).copy()
        for name, value in fields.items():
            raw[name] = value
        return raw.tobytes() + data[_HEADER:]

    return content(place, unpacked(change))


def dimensions(place: Place, *sides: int) -> Damage:
    """Claim other sides; the voxels stay."""
    return header(place, dim=[[len(sides), *sides, *[1] * (7 - len(sides))]])


def saved(
    place: Place,
    change: Change = lambda voxels: voxels,
    affine: Change = lambda matrix: matrix,
    kind: type = nib.Nifti1Image,
    then: Callable[[Any], object] = lambda image: None,
) -> Damage:
    """Save voxels and affine made of a file's own in its place; ``then`` may change the image before that."""

    def damage(root: Path) -> None:
        path = place(root)
        image: Any = nib.load(path)
        made = kind(change(np.asanyarray(image.dataobj)), affine(image.affine))
        then(made)
        data = made.to_bytes()
        path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)

    return damage


def every(places: Callable[[Path], list[Path]], damage: Callable[[Place], Damage]) -> Damage:
    """Do the same damage to several files."""

    def damages(root: Path) -> None:
        for path in places(root):
            damage(lambda _, path=path: path)(root)

    return damages


def one_voxel(value: float, kind: type = np.float32) -> Change:
    """Put a value into one voxel."""

    def change(voxels: np.ndarray) -> np.ndarray:
        voxels = voxels.astype(kind)
        voxels[9, 9, 9] = value
        return voxels

    return change


def colours(voxels: np.ndarray) -> np.ndarray:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    return np.stack([voxels.astype(np.uint8)] * 3, -1).view(kind)[..., 0]


def wide(voxels: np.ndarray, affine: np.ndarray) -> Any:
    return nib.Nifti1Image(voxels.astype(np.int64), affine, dtype=np.int64)


def scaled(*factors: float) -> Change:
    return lambda matrix: matrix @ np.diag([*factors, 1])


def cell(row: int, column: int, value: float) -> Change:
    def change(matrix: np.ndarray) -> np.ndarray:
        matrix = matrix.copy()
        matrix[row, column] = value
        return matrix

    return change
