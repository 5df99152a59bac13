"""Connected components of masks."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray


def without_small_components(mask: NDArray[np.bool_], smallest: float, voxel: float = 1.0) -> NDArray[np.bool_]:
    """Remove the components of a mask that are smaller than they may be.

    Elements that touch, be it at a corner, are of one component.

    Args:
        mask: Boolean mask of any shape.
        smallest: Size of the smallest component that is kept, in the unit of ``voxel``.
        voxel: Size of one element: its volume in mm^3, or 1 to count elements.
    """
    if smallest <= voxel:
        return mask
    labels, _ = scipy.ndimage.label(mask, np.ones((3,) * mask.ndim, dtype=bool))
    kept = np.bincount(labels.ravel()) * voxel >= smallest
    kept[0] = False
    result: NDArray[np.bool_] = kept[labels]
    return result
