"""Geometry of a series of slices: their order, and the affine that places their voxels in the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.case_grid import Affine
from adpfl_bench.errors import DataError
from adpfl_bench.text import count

Float64Array = NDArray[np.float64]

_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's x runs to the left and y to the back
_ALIKE = 1e-3  # of direction cosines, and mm of pixels, which programs round
_ORTHOGONAL = 1e-2
_OFF = 0.1  # of the distance: how far a slice may be from its place among equal distances on a line
_GAP = 1.5  # distances
_TILT = 0.01  # of the distance: how far the next slice may be shifted within its plane


@dataclass(frozen=True, eq=False)
class SlicePlace:
    """Where a slice lies, in DICOM's coordinates (LPS).

    Attributes:
        path: Its file.
        shape: Rows and columns.
        rows_along: Direction cosines of a row, the way its columns are numbered (ImageOrientationPatient, 1 to 3).
        columns_along: Those of a column, the way its rows are numbered (4 to 6).
        spacing: Distance of rows, and of columns, in mm (PixelSpacing).
        position: Centre of the first voxel in mm (ImagePositionPatient).
    """

    path: Path
    shape: tuple[int, int]
    rows_along: Float64Array
    columns_along: Float64Array
    spacing: Float64Array
    position: Float64Array


def arrange_slices(slices: Sequence[SlicePlace]) -> tuple[list[int], Affine]:
    """Order slices by their positions along the normal, and place their voxels.

    Args:
        slices: In any order; numbers and names of files say nothing of it.

    Returns:
        The order, as indices of ``slices``, and the 4x4 matrix from [column, row, slice] to mm in the patient (RAS+),
        by equation C.7.6.2.1-1 of DICOM PS3.3, with the slices' own distance along the third axis.

    Raises:
        DataError: There is one slice only; slices have different sizes, directions or pixels; two are in one place;
            some are missing; their distances are not equal; or they are sheared, as those of a tilted gantry are.
    """
    first, *others = slices
    if not others:
        raise DataError(f"{first.path} is the only slice of its series; a volume has at least two.")
    for other in others:
        _check_alike(first, other)
    normal = np.cross(first.rows_along, first.columns_along)
    heights = np.array([normal @ place.position for place in slices])
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    _check_distances(heights[order], [slices[index].path for index in order])
    start, stop = slices[order[0]].position, slices[order[-1]].position
    step = (stop - start) / len(others)
    _check_line(slices, order, step, normal)
    lps = np.eye(4)
    lps[:3, 0] = first.rows_along * first.spacing[1]
    lps[:3, 1] = first.columns_along * first.spacing[0]
    lps[:3, 2] = step
    lps[:3, 3] = start
    return order, _FROM_LPS @ lps


def check_directions(path: Path, rows_along: Float64Array, columns_along: Float64Array) -> None:
    """Refuse, by a DataError, directions that are not of length 1 and at right angles."""
    lengths = [float(np.linalg.norm(direction)) for direction in (rows_along, columns_along)]
    if abs(np.array(lengths) - 1).max() > _ORTHOGONAL or abs(float(rows_along @ columns_along)) > _ORTHOGONAL:
        raise DataError(
            f"{path} has an ImageOrientationPatient that is no pair of unit vectors at right angles; mend its header."
        )


def _check_alike(first: SlicePlace, other: SlicePlace) -> None:
    if other.shape != first.shape:
        found, wanted = ("{} rows and {} columns".format(*place.shape) for place in (other, first))
        what = f"{found}, but {first.path.name} has {wanted}"
    elif not (
        np.allclose(other.rows_along, first.rows_along, rtol=0, atol=_ALIKE)
        and np.allclose(other.columns_along, first.columns_along, rtol=0, atol=_ALIKE)
    ):
        what = f"another orientation than {first.path.name}"
    elif not np.allclose(other.spacing, first.spacing, rtol=0, atol=_ALIKE):
        what = f"another PixelSpacing than {first.path.name}"
    else:
        return
    raise DataError(
        f"{other.path} has {what} of the same series; move what does not belong to the volume (localizers,"
        " reformatted images) elsewhere."
    )


def _check_distances(heights: Float64Array, paths: Sequence[Path]) -> None:
    """Refuse slices that are in one place, missing, or at other distances than the rest."""
    distances = np.diff(heights)
    usual = float(np.median(distances))
    nearest, widest = int(np.argmin(distances)), int(np.argmax(distances))
    if distances[nearest] <= _OFF * max(usual, _ALIKE):
        raise DataError(
            f"{paths[nearest + 1]} is in the same place as {paths[nearest].name}; expected one volume in a series, so"
            " separate phases, echoes, or copies of files."
        )
    if distances[widest] > _GAP * usual:
        lost = max(1, round(float(distances[widest]) / usual) - 1)
        raise DataError(
            f"{paths[widest + 1]} is {distances[widest]:.4g} mm from {paths[widest].name}, the next slice, but others"
            f" are {usual:.4g} mm apart, so that {count(lost, 'slice')} {'is' if lost == 1 else 'are'} missing there;"
            " export the whole series."
        )
    even = np.linspace(heights[0], heights[-1], len(heights))
    off = np.abs(heights - even)
    worst = int(np.argmax(off))
    if off[worst] > _OFF * usual:
        raise DataError(
            f"{paths[worst]} is {off[worst]:.3g} mm from its place among slices at equal distances, which are"
            f" {distances.min():.4g} to {distances.max():.4g} mm apart; resample the series to equal distances."
        )


def _check_line(slices: Sequence[SlicePlace], order: Sequence[int], step: Float64Array, normal: Float64Array) -> None:
    """Refuse slices that are shifted against each other within their plane."""
    start, last = slices[order[0]], slices[order[-1]]
    distance = float(step @ normal)
    tilt = float(np.linalg.norm(step - distance * normal))
    if tilt > _TILT * distance:
        raise DataError(
            f"{last.path} is shifted by {tilt * (len(order) - 1):.3g} mm within its plane against {start.path.name}, as"
            " slices of a tilted gantry are; resample the series to a straight one."
        )
    for number, index in enumerate(order):
        aside = slices[index].position - (start.position + number * step)
        shift = float(np.linalg.norm(aside - (aside @ normal) * normal))
        if shift > _OFF * distance:
            raise DataError(
                f"{slices[index].path} is {shift:.3g} mm beside the line of the other slices; export the series again."
            )
