"""The score of the ISIC challenge of 2018: Jaccard with a threshold. That of 2016 and 2017, without one, is IoU."""

from __future__ import annotations

from adpfl_bench.metrics.functional.overlap import iou_compute
from adpfl_bench.metrics.metric import MaskMetric
from adpfl_bench.metrics.region_masks import RegionMasks

THRESHOLD = 0.65


def threshold_jaccard(masks: RegionMasks) -> float:
    """Jaccard index, and 0 where it is below 0.65 (arXiv 1902.03368, task 1)."""
    jaccard = iou_compute(*masks.overlap)
    return jaccard if jaccard >= THRESHOLD else 0.0


ISIC_2018_JACCARD = MaskMetric(
    name="isic2018_jaccard",
    title="Jaccard",
    description="overlap / union, and 0 where that is below 0.65",
    function=threshold_jaccard,
    kind="ISIC 2018, threshold 0.65",
    ranked=False,
)
