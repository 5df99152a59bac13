"""Checks of a NIfTI file by its header alone: what its voxels are, how many it claims, and where it places them."""

from __future__ import annotations

import gzip
import itertools
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.spatialimages import HeaderDataError
from rich.filesize import decimal

from adpfl_bench.errors import DataError
from adpfl_bench.text import times

_PACKED = 1032  # the most that deflate can pack, by its format: 258 bytes in 2 bits
_KINDS = "biuf"  # numpy's kinds of real numbers
_SHORTEST, _LONGEST = 1e-3, 1e3  # mm, of an edge of a voxel
_FLAT = 1e-3  # of the edges' product: a voxel of less volume has two axes that are one


def check_nifti(path: Path, image: Any) -> None:
    """Refuse a file that states what cannot be, or what would be read as something else.

    Args:
        path: The file.
        image: What nibabel made of its header; voxels are not read.

    Raises:
        DataError: Voxels are no real numbers, none, or more than the file can hold; lengths are not in mm; the affine
            gives voxels no size, or none that a scanner has; or the header's two affines, sform and qform, place the
            voxels differently.
    """
    header = image.header
    if image.get_data_dtype().kind not in _KINDS:
        kind = "colours" if image.get_data_dtype().fields else str(image.get_data_dtype())
        raise DataError(f"{path} has voxels of the type {kind}; expected one real number each, so convert it.")
    _check_size(path, image)
    if hasattr(header, "get_xyzt_units"):
        _check_units(path, header)
        _check_stated_edges(path, header)
    check_voxel(path, image.affine)
    if hasattr(header, "get_sform"):
        _check_affines(path, header)


def is_gzip(path: Path) -> bool:
    """Whether a file is packed, by its name."""
    return path.suffix.lower() == ".gz"


def _check_size(path: Path, image: Any) -> None:
    """Refuse a claim before memory is asked for it."""
    claimed = math.prod(map(int, image.shape)) * image.get_data_dtype().itemsize
    size = path.stat().st_size
    if not image.shape or claimed == 0:
        raise DataError(
            f"{path} has no voxels, for its header states {times(image.shape)}; take it again from the publisher's"
            " archive."
        )
    if claimed > size * (_PACKED if is_gzip(path) else 1):
        sides = times(image.shape)
        raise DataError(
            f"{path} claims {sides} voxels ({decimal(claimed)}), but a file of {decimal(size)} cannot hold so many;"
            " take it again from the publisher's archive."
        )


def _check_units(path: Path, header: Any) -> None:
    """Millimetres, or no word of units, which all take for millimetres."""
    try:
        unit = header.get_xyzt_units()[0]
    except KeyError:
        unit = f"the unknown code {int(header['xyzt_units'])}"
    if unit not in ("mm", "unknown"):
        raise DataError(f"{path} states its lengths in {unit}; expected mm, so convert its affine and set xyzt_units.")


def _check_stated_edges(path: Path, header: Any) -> None:
    """Refuse edges that nibabel would mend, by 1 mm in place of 0, where the affine is made of them."""
    if int(header["sform_code"]) > 0:
        return
    with gzip.open(path) if is_gzip(path) else path.open("rb") as file:
        raw = type(header)(file.read(header.sizeof_hdr), check=False)
    edges = [float(edge) for edge in raw["pixdim"][1:4]]
    if not min(edges) > 0:
        raise DataError(f"{path} states voxels of {_edges(edges)} mm; expected positive edges, so take it again.")


def check_voxel(path: Path, affine: Any) -> None:
    """Refuse, by a DataError, an affine that gives voxels no size, or none that a scanner has."""
    matrix = np.asarray(affine, dtype=np.float64)[:3, :3]
    edges = np.linalg.norm(matrix, axis=0)
    if not np.isfinite(affine).all() or abs(np.linalg.det(matrix)) <= _FLAT * edges.prod():
        raise DataError(f"{path} has an affine that gives its voxels no size; mend its header.")
    if edges.min() < _SHORTEST or edges.max() > _LONGEST:
        raise DataError(
            f"{path} has voxels of {_edges(edges)} mm; expected edges of {_SHORTEST:g} to {_LONGEST:g} mm, so mend its"
            " header."
        )


def _edges(edges: Iterable[float]) -> str:
    return " x ".join(f"{edge:.3g}" for edge in edges)


def _check_affines(path: Path, header: Any) -> None:
    """Compare sform and qform, where both are in use, by the corners of the volume; a voxel apart is too far."""
    if not (int(header["sform_code"]) > 0 and int(header["qform_code"]) > 0):
        return
    try:
        sform, qform = header.get_sform(), header.get_qform()
    except (ValueError, HeaderDataError) as error:
        raise DataError(
            f"{path} has a qform beside its sform that is no turn of voxels ({error}); mend it, or set its code to 0."
        ) from error
    sides = [max(int(side), 1) for side in (*header.get_data_shape(), 1, 1, 1)[:3]]
    corners = np.array([(*corner, 1) for corner in itertools.product(*((0, side - 1) for side in sides))])
    apart = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
    if not apart <= float(np.linalg.norm(sform[:3, :3], axis=0).min()):
        raise DataError(
            f"{path} is in two places: its sform and its qform put a corner of the volume {apart:.3g} mm apart; find"
            " out which is right, and set the code of the other to 0."
        )
