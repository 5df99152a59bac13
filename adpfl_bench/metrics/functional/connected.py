"""Connected components of a mask: their labels, sizes and boxes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from adpfl_bench.metrics.functional.masks import BoolArray

LabelArray: TypeAlias = npt.NDArray[np.int32]
"""0 is background, and 1, 2, ... are components."""


@dataclass(frozen=True, eq=False)
class Components:
    """Numbered parts of a mask.

    Attributes:
        labels: Of the shape of the mask: 0 is background, 1 to ``count`` are the parts.
        count: Number of parts.
    """

    labels: LabelArray
    count: int

    @cached_property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of voxels of each part, of shape ``[count]``."""
        return np.bincount(self.labels.ravel(), minlength=self.count + 1)[1:]

    @cached_property
    def boxes(self) -> list[tuple[slice, ...]]:
        """The smallest box around each part."""
        found: list[tuple[slice, ...]] = scipy.ndimage.find_objects(self.labels, self.count)
        return found

    def touched_by(self, mask: BoolArray) -> npt.NDArray[np.bool_]:
        """Which parts have a voxel in common with a mask, of shape ``[count]``."""
        touched = np.zeros(self.count + 1, dtype=np.bool_)
        touched[self.labels[mask]] = True
        return touched[1:]


def connected_components(mask: BoolArray) -> Components:
    """Label the connected components of a mask; voxels that touch, be it at a corner, are of one component.

    Args:
        mask: Boolean mask, 2-D (8 neighbours) or 3-D (26 neighbours).

    Returns:
        Components in the order of their first voxels, in C order, as connected-components-3d numbers them too.
    """
    labels = np.zeros(mask.shape, dtype=np.int32)
    count = scipy.ndimage.label(mask, np.ones((3,) * mask.ndim, dtype=bool), output=labels)
    return Components(labels, int(count))
