"""Real label maps of KiTS, and a body around their kidneys."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.errors import DataError
from adpfl_bench.phantoms.volumes.abdomen import Body
from adpfl_bench.phantoms.volumes.canvas import Point
from adpfl_bench.phantoms.volumes.kidneys import CYST, KIDNEY, TUMOUR, KidneyMap
from adpfl_bench.phantoms.volumes.space import Space

_CLASSES = (KIDNEY, TUMOUR, CYST)
_FROM_MIDLINE = 34.0
"""Distance in mm from the midline to the nearest part of a kidney; used where one kidney is missing."""
_BEHIND_ORIGIN = 38.0


def find_label_maps(folder: Path) -> list[Path]:
    """List the label maps of a KiTS folder by case.

    Raises:
        DataError: There are none.
    """
    found = sorted(folder.glob("case_*/segmentation.nii.gz"), key=lambda path: path.parent.name)
    if not found:
        raise DataError(
            f"Expected label maps {folder}/case_*/segmentation.nii.gz, but found none; give the folder that holds the "
            "case_ folders of KiTS."
        )
    return found


def digest_label_maps(paths: Sequence[Path]) -> str:
    """Hash names and contents of label maps; 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.parent.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def have_cysts(paths: Sequence[Path]) -> bool:
    """Tell whether any label map marks cysts, as those of KiTS21 and KiTS23 do."""
    return any(bool((_read(path)[0] == CYST).any()) for path in paths)


def read_label_map(path: Path, shape: tuple[int, int, int]) -> tuple[Space, KidneyMap]:
    """Read a label map and resample it; its field of view stays.

    Each class is interpolated linearly, and a voxel gets the class with the largest share. A class that would vanish
    on a coarse grid keeps the voxel of which it has the largest share.

    Args:
        path: NIfTI file with 1 for kidney, 2 for tumour and 3 for cyst.
        shape: Number of voxels along x, y and z that is wanted.

    Raises:
        DataError: The file cannot be read, has other values, or shows no kidney.
    """
    values, spacing = _read(path)
    others = set(np.unique(values).tolist()) - {0, *_CLASSES}
    if others or not (values == KIDNEY).any():
        found = f"the values {sorted(others)}" if others else "no voxel of 1"
        raise DataError(f"Expected 1 kidney, 2 tumour and 3 cyst in {path}, but found {found}; leave this case out.")
    factors = [new / old for new, old in zip(shape, values.shape, strict=True)]
    shares = np.zeros((len(_CLASSES), *shape), dtype=np.float32)
    for share, value in zip(shares, _CLASSES, strict=True):
        mask = (values == value).astype(np.uint8)
        if mask.any():
            scipy.ndimage.zoom(mask, factors, output=share, order=1, mode="nearest", grid_mode=True)
    label = np.argmax([1 - shares.sum(axis=0), *shares], axis=0).astype(np.uint8)
    for share, value in zip(shares, _CLASSES, strict=True):
        if share.any() and not (label == value).any():
            label.flat[int(share.argmax())] = value
    x, y, z = (float(edge / factor) for edge, factor in zip(spacing, factors, strict=True))
    return Space(shape, (x, y, z)), KidneyMap(label, shares)


def place_body(body: Body, label: NDArray[np.uint8], space: Space) -> tuple[Body, Point]:
    """Find the midline between the kidneys of a label map, and a body that holds them.

    Args:
        body: A body as drawn; it is enlarged where the kidneys need it.
        label: Label map [X, Y, Z] that shows at least one kidney.
        space: Its grid.

    Returns:
        The body, and where its zero lies in the grid, in mm.
    """
    places = np.argwhere(label > 0)
    points = np.stack([axis.ravel()[row] for axis, row in zip(space.axes, places.T, strict=True)], axis=1)
    number, _ = scipy.ndimage.label(label > 0)
    of_point = number[tuple(places.T)]
    sizes = np.bincount(of_point)[1:]
    largest = [int(index) + 1 for index in sizes.argsort()[::-1][:2] if sizes[index] > 0.1 * sizes.max()]
    sides = sorted((points[of_point == one] for one in largest), key=lambda side: float(side[:, 0].mean()))
    if len(sides) == 2:  # the midline is half-way between the nearest parts of both
        middle = (sides[0][:, 0].max() + sides[1][:, 0].min()) / 2
    elif np.ptp(points[:, 0]) > 3 * _FROM_MIDLINE:  # joined over the spine
        middle = (points[:, 0].min() + points[:, 0].max()) / 2
    else:
        outer = float(points[:, 0].mean())
        middle = points[:, 0].min() - _FROM_MIDLINE if outer > 0 else points[:, 0].max() + _FROM_MIDLINE
    kidney = points[label[tuple(places.T)] == 1]
    y, z = kidney[:, 1].mean() + _BEHIND_ORIGIN, kidney[:, 2].mean()
    origin = (float(middle), float(y), float(z))
    return body.wrapped_around(points[:, :2] - np.array(origin[:2])), origin


def _read(path: Path) -> tuple[NDArray[Any], tuple[float, ...]]:
    """Read values and voxel edge lengths in RAS+ order."""
    try:
        image = nib.as_closest_canonical(nib.load(path))
        values = np.asanyarray(image.dataobj)
    except (OSError, EOFError, ValueError, nib.filebasedimages.ImageFileError) as error:
        raise DataError(f"The label map {path} cannot be read: {error}; download it again.") from error
    if values.ndim != 3:
        raise DataError(f"Expected three axes in the label map {path}, but it has {values.ndim}; leave this case out.")
    return values, tuple(float(edge) for edge in nib.affines.voxel_sizes(image.affine))
