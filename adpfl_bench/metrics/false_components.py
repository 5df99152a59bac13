"""Counts of what was predicted: its connected components, those that are false, and the volume of these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from adpfl_bench.metrics.metric import MaskMetric
from adpfl_bench.metrics.region_masks import RegionMasks


def component_count(masks: RegionMasks) -> float:
    """Number of connected components of the prediction; voxels that touch at a corner are of one."""
    return float(masks.components.count)


def false_component_count(masks: RegionMasks) -> float:
    """Number of the prediction's connected components that have no voxel in common with the truth."""
    return float(np.count_nonzero(~masks.components.touched_by(masks.cropped[1])))


def false_positive_volume(masks: RegionMasks) -> float:
    """Volume of the prediction's components that have no voxel in common with the truth.

    As autoPET defines it (Gatidis et al. 2022, Scientific Data 9:601), in ml; in percent of the image where no size of
    a voxel is known.
    """
    found = masks.components
    voxels = int(found.sizes[~found.touched_by(masks.cropped[1])].sum())
    if masks.spacing is None:
        return 100.0 * voxels / masks.target.size
    return voxels * float(np.prod(masks.spacing)) / 1000.0


def _of_prediction(
    name: str, title: str, description: str, function: Callable[[RegionMasks], float], unit: Literal["number", "volume"]
) -> MaskMetric:
    """A fact of the prediction, and no score: it is as well computed where only one mask has voxels."""
    return MaskMetric(
        name=name,
        title=title,
        description=description,
        function=function,
        both_empty=0.0,
        one_empty=function,
        higher_is_better=False,
        unit=unit,
        ranked=False,
    )


COMPONENTS = _of_prediction(
    "components",
    "Components",
    "connected components of the prediction; a count, and no score",
    component_count,
    "number",
)
FALSE_COMPONENTS = _of_prediction(
    "false_components",
    "False components",
    "connected components of the prediction without a voxel of the truth; a count, and no score",
    false_component_count,
    "number",
)
FALSE_POSITIVE_VOLUME = _of_prediction(
    "false_positive_volume",
    "False-positive volume",
    "volume of the prediction's components without a voxel of the truth; no score",
    false_positive_volume,
    "volume",
)
