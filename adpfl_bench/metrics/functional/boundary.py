"""Boundary of a mask: its edge voxels, and the surface elements between voxels."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

from adpfl_bench.metrics.functional.masks import BoolArray


def crop_to_union(prediction: BoolArray, target: BoolArray) -> tuple[BoolArray, BoolArray]:
    """Crop two masks to the bounding box of their union.

    At least one of them is not empty. The box has no margin: both boundary functions below take whatever lies outside
    the array for background, which is what lies outside the box, and also how MONAI and surface-distance treat the
    border of the image.
    """
    boxes = [bounding_box(mask) for mask in (prediction, target) if mask.any()]
    box = tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )
    return prediction[box], target[box]


def bounding_box(mask: BoolArray) -> tuple[slice, ...]:
    """Return the smallest box around the voxels of a mask that has some, whatever the order of its axes in memory."""
    box: dict[int, slice] = {}
    # From the slowest axis to the fastest, and within the box found so far only.
    for axis in sorted(range(mask.ndim), key=lambda axis: -abs(mask.strides[axis])):
        window = mask[tuple(box.get(other, slice(None)) for other in range(mask.ndim))]
        occupied = np.flatnonzero(window.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box[axis] = slice(int(occupied[0]), int(occupied[-1]) + 1)
    return tuple(box[axis] for axis in range(mask.ndim))


def grown_box(box: tuple[slice, ...], shape: tuple[int, ...], margin: int) -> tuple[slice, ...]:
    """Grow a box by a number of voxels to all sides, as far as the array of the given shape goes."""
    return tuple(
        slice(max(side.start - margin, 0), min(side.stop + margin, size)) for side, size in zip(box, shape, strict=True)
    )


def edge_voxels(mask: BoolArray) -> BoolArray:
    """Mark the voxels that erosion with the face-connected cross removes, as ``monai.metrics.utils.get_mask_edges``.

    Args:
        mask: Mask, 2-D or 3-D. What lies outside the array counts as background.

    Returns:
        A mask of the same shape: the foreground voxels with a face neighbour in the background.
    """
    padded = np.pad(mask, 1)
    interior = mask.copy()
    for axis in range(mask.ndim):
        for neighbour in (slice(None, -2), slice(2, None)):
            window = [slice(1, -1)] * mask.ndim
            window[axis] = neighbour
            interior &= padded[tuple(window)]
    return mask & ~interior


def neighbour_codes(mask: BoolArray) -> npt.NDArray[np.uint8]:
    """Say for each voxel corner which of the voxels that meet there are foreground.

    Args:
        mask: Mask, 2-D or 3-D, of shape ``[n, ...]``. What lies outside the array counts as background.

    Returns:
        Codes of shape ``[n + 1, ...]``. Bit k of a code is set if the k-th voxel of the 2 x 2 (x 2) neighbourhood, in
        C order, is foreground. Neither 0 nor all bits set means that the boundary passes through the corner.
    """
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros([size + 1 for size in mask.shape], dtype=np.uint8)
    for bit, offset in enumerate(product((0, 1), repeat=mask.ndim)):
        window = tuple(slice(start, start + size) for start, size in zip(offset, codes.shape, strict=True))
        codes |= padded[window] << np.uint8(bit)
    return codes
