"""Masks of one region, prediction and truth, as metrics take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from adpfl_bench.metrics.functional.boundary import crop_to_union
from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.overlap import overlap_update


@dataclass(frozen=True, eq=False)
class RegionMasks:
    """Two masks of one region of one case, and what several metrics need of them.

    Attributes:
        prediction: Boolean, 2-D or 3-D.
        target: Of the same shape.
        spacing: Voxel edge length by axis in mm; ones where only pixels are known.
        tolerance: Largest distance between surfaces that is accepted, in the unit of the spacing.
    """

    prediction: BoolArray
    target: BoolArray
    spacing: tuple[float, ...]
    tolerance: float

    @cached_property
    def missed(self) -> bool:
        """Whether exactly one of the masks is empty.

        The prediction leaves out a structure that is there, or invents one that is not. Both are failures of
        detection.
        """
        return bool(self.prediction.any() != self.target.any())

    @cached_property
    def overlap(self) -> tuple[int, int]:
        """Number of voxels of both masks, and of each mask added up."""
        return overlap_update(self.prediction, self.target)

    @cached_property
    def cropped(self) -> tuple[BoolArray, BoolArray]:
        """Prediction and target in the bounding box of their union; one of them has voxels."""
        return crop_to_union(self.prediction, self.target)

    @property
    def diagonal(self) -> float:
        """Length of the image's diagonal, which no distance between two voxels reaches."""
        return float(np.linalg.norm(np.multiply(self.target.shape, self.spacing)))
