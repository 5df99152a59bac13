"""Masks of one region, prediction and truth, as metrics take them, and those of the whole case."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, cast

import numpy as np

from adpfl_bench.metrics.functional.boundary import crop_to_union
from adpfl_bench.metrics.functional.connected import Components, connected_components
from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.overlap import overlap_update

Found = TypeVar("Found")

MM = "mm"
PERCENT_OF_DIAGONAL = "% of diagonal"
"""Units of distances: where the files state the size of a voxel, and where they do not."""


@dataclass(frozen=True, eq=False)
class CaseMasks:
    """Masks of all regions of one case, for scores that look at a region's neighbours, and what these have found.

    Attributes:
        regions: Prediction and target of each region, by name.
    """

    regions: Mapping[str, tuple[BoolArray, BoolArray]]
    _found: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def once(self, key: Hashable, find: Callable[[], Found]) -> Found:
        """Return what was found under a key before, or find it now, so that regions and metrics share it."""
        if key not in self._found:
            self._found[key] = find()
        return cast(Found, self._found[key])


@dataclass(frozen=True, eq=False)
class RegionMasks:
    """Two masks of one region of one case, and what several metrics need of them.

    Attributes:
        prediction: Boolean, 2-D or 3-D.
        target: Of the same shape.
        spacing: Voxel edge length by axis in mm; ``None`` where only pixels are known.
        tolerance: Largest distance between surfaces that is accepted, in the unit of the distances.
        name: Name of the region.
        case: The masks of all regions of the case; by default of this one.
    """

    prediction: BoolArray
    target: BoolArray
    spacing: tuple[float, ...] | None
    tolerance: float
    name: str = ""
    case: CaseMasks = field(default_factory=lambda: CaseMasks({}))

    @property
    def unit(self) -> str:
        """Unit of the distances: mm or, where only pixels are known, percent of the image's diagonal."""
        return MM if self.spacing is not None else PERCENT_OF_DIAGONAL

    @cached_property
    def scale(self) -> tuple[float, ...]:
        """Voxel edge length by axis, in the unit of the distances.

        In percent of the diagonal distances are the same however many pixels a picture was stored with.
        """
        if self.spacing is not None:
            return self.spacing
        return (100.0 / float(np.linalg.norm(self.target.shape)),) * self.target.ndim

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

    @cached_property
    def components(self) -> Components:
        """Connected components of the prediction, on the cropped grid; one of the masks has voxels."""
        return connected_components(self.cropped[0])

    @property
    def diagonal(self) -> float:
        """Length of the image's diagonal, which no distance between two voxels reaches."""
        return float(np.linalg.norm(np.multiply(self.target.shape, self.scale)))
