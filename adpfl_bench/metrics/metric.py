"""What a metric is: its name, its unit, and its function of two masks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Literal

from adpfl_bench.metrics.region_masks import RegionMasks


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score of one region of one case.

    Attributes:
        name: In cases.csv and other files.
        title: In tables and plots.
        description: What it is, in a few words.
        higher_is_better: Its direction.
        unit: ``share`` in [0, 1], shown in percent; ``distance`` in the unit of the case's distances, mm or percent of
            the image's diagonal; ``volume`` in ml or, where distances are not in mm, in percent of the image; or a
            plain ``number``.
        kind: Qualifies the title in the table's heading where there are several definitions: whose scorer it is.
        tolerant: Whether it depends on the region's surface tolerance.
        in_rounds: Whether it is computed, and its mean recorded, after every round: it must be fast.
        ranked: Whether it counts in rankings, and has a column in tables for papers.
    """

    name: str
    title: str
    description: str
    higher_is_better: bool = True
    unit: Literal["share", "distance", "volume", "number"] = "share"
    kind: str = ""
    tolerant: bool = False
    in_rounds: bool = False
    ranked: bool = True

    def described(self) -> Metric:
        """Its description in a run record."""
        return Metric(**{column.name: getattr(self, column.name) for column in fields(Metric)})

    @property
    def measures(self) -> bool:
        """Whether its unit is that of the case's distances, or follows from it."""
        return self.unit in ("distance", "volume")

    def unit_text(self, distance_unit: str) -> str:
        """Return what its values are in, as tables show them, where distances are in the given unit."""
        return {"share": "%", "distance": distance_unit, "volume": volume_unit(distance_unit), "number": ""}[self.unit]


@dataclass(frozen=True, kw_only=True)
class MaskMetric(Metric):
    """A metric of two masks.

    Attributes:
        function: Computes it of two masks that both have voxels.
        both_empty: Its value where neither has.
        one_empty: Its value, or what computes it, where exactly one has: of a score never better than a found
            structure's.
    """

    function: Callable[[RegionMasks], float] = field(repr=False)
    both_empty: float = 1.0
    one_empty: float | Callable[[RegionMasks], float] = 0.0

    def score(self, masks: RegionMasks) -> float:
        """Score one region of one case."""
        if masks.missed:
            return self.one_empty(masks) if callable(self.one_empty) else self.one_empty
        return self.function(masks) if masks.target.any() else self.both_empty


def volume_unit(distance_unit: str) -> str:
    """Return the unit of volumes of cases whose distances are in the given one; of several the several."""
    return "/".join(
        dict.fromkeys("ml" if unit == "mm" else "% of image" for unit in distance_unit.split("/") if distance_unit)
    )
