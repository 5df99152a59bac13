"""Registry of metrics: what records, tables, the report and the task know of each.

A new metric is a file beside this one and its entry in :data:`METRICS`, or in :data:`CHALLENGES` where it is a
challenge's own; columns, means and rankings follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from adpfl_bench.metrics.brats_lesions import BRATS_2023_SCORES, BRATS_2024_SCORES
from adpfl_bench.metrics.false_components import COMPONENTS, FALSE_COMPONENTS, FALSE_POSITIVE_VOLUME
from adpfl_bench.metrics.functional.overlap import dice_compute, iou_compute
from adpfl_bench.metrics.functional.surface import hausdorff_of_cropped, surface_share_of_cropped
from adpfl_bench.metrics.isic_jaccard import ISIC_2018_JACCARD
from adpfl_bench.metrics.metric import MaskMetric, Metric

__all__ = ["CHALLENGES", "DICE", "HD95", "IOU", "METRICS", "NSD", "UNSTATED", "MaskMetric", "Metric"]

DICE = MaskMetric(
    name="dice",
    title="Dice",
    description="2 overlap / (predicted + true)",
    function=lambda masks: dice_compute(*masks.overlap),
    in_rounds=True,
)
IOU = MaskMetric(
    name="iou",
    title="IoU",
    description="overlap / union",
    function=lambda masks: iou_compute(*masks.overlap),
    ranked=False,  # it orders cases as Dice does
)
HD95 = MaskMetric(
    name="hd95",
    title="HD95",
    description="the larger of the two directed 95th percentiles of distances between edge voxels",
    function=lambda masks: hausdorff_of_cropped(*masks.cropped, masks.scale),
    both_empty=0.0,
    one_empty=lambda masks: masks.diagonal,
    higher_is_better=False,
    unit="distance",
    kind="edge voxels",
)
NSD = MaskMetric(
    name="nsd",
    title="NSD",
    description="share of both surfaces, weighted by area, within a tolerance of the other",
    function=lambda masks: surface_share_of_cropped(*masks.cropped, masks.scale, masks.tolerance),
    kind="area",
    tolerant=True,
)

METRICS: tuple[MaskMetric, ...] = (DICE, IOU, HD95, NSD, COMPONENTS, FALSE_COMPONENTS, FALSE_POSITIVE_VOLUME)
"""What segmentation is scored by. The first is the main one, which methods are ordered and compared by."""

CHALLENGES: Mapping[str, tuple[MaskMetric, ...]] = MappingProxyType(
    {"brats2023": BRATS_2023_SCORES, "brats2024": BRATS_2024_SCORES, "isic2018": (ISIC_2018_JACCARD,)}
)
"""What challenges score by otherwise than these, by the name that ``model.challenge_scores`` has for them."""

UNSTATED: tuple[Metric, ...] = tuple(metric.described() for metric in (DICE, IOU, HD95, NSD))
"""What runs were scored by whose records do not say."""
