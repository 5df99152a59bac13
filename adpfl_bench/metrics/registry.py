"""Registry of metrics: what records, tables, the report and the task know of each.

A new metric is a file beside this one and its entry in :data:`METRICS`; columns, means and rankings follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal

from adpfl_bench.metrics.functional.overlap import dice_compute, iou_compute
from adpfl_bench.metrics.functional.surface import hausdorff_of_cropped, surface_share_of_cropped
from adpfl_bench.metrics.region_masks import RegionMasks


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score of one region of one case.

    Attributes:
        name: In cases.csv and other files.
        title: In tables and plots.
        description: What it is, in a few words.
        higher_is_better: Its direction.
        unit: ``share`` in [0, 1], shown in percent; ``distance`` in the unit of the case's spacing, mm or px; or a
            plain ``number``.
        kind: Qualifies the title in the table's heading where there are several definitions.
        tolerant: Whether it depends on the region's surface tolerance.
        in_rounds: Whether it is computed, and its mean recorded, after every round: it must be fast.
        ranked: Whether it counts in rankings, and has a column in tables for papers.
    """

    name: str
    title: str
    description: str
    higher_is_better: bool = True
    unit: Literal["share", "distance", "number"] = "share"
    kind: str = ""
    tolerant: bool = False
    in_rounds: bool = False
    ranked: bool = True

    def described(self) -> Metric:
        """Its description in a run record."""
        return Metric(**{column.name: getattr(self, column.name) for column in fields(Metric)})


@dataclass(frozen=True, kw_only=True)
class MaskMetric(Metric):
    """A metric of two masks.

    Attributes:
        function: Computes it of two masks that both have voxels.
        both_empty: Its value where neither has.
        one_empty: Its value, or what computes it, where exactly one has: never better than a found structure's.
    """

    function: Callable[[RegionMasks], float] = field(repr=False)
    both_empty: float = 1.0
    one_empty: float | Callable[[RegionMasks], float] = 0.0

    def score(self, masks: RegionMasks) -> float:
        """Score one region of one case."""
        if masks.missed:
            return self.one_empty(masks) if callable(self.one_empty) else self.one_empty
        return self.function(masks) if masks.target.any() else self.both_empty


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
    function=lambda masks: hausdorff_of_cropped(*masks.cropped, masks.spacing),
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
    function=lambda masks: surface_share_of_cropped(*masks.cropped, masks.spacing, masks.tolerance),
    kind="area",
    tolerant=True,
)

METRICS: tuple[MaskMetric, ...] = (DICE, IOU, HD95, NSD)
"""What segmentation is scored by. The first is the main one, which methods are ordered and compared by."""

UNSTATED: tuple[Metric, ...] = tuple(metric.described() for metric in (DICE, IOU, HD95, NSD))
"""What runs were scored by whose records do not say."""
