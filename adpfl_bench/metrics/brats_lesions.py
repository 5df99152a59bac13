"""Scores of the BraTS challenges of 2023 and 2024: lesion by lesion, with penalties for missed and for false ones.

What they are is written in the challenges' own scorers, which these follow to the digit:
github.com/rachitsaluja/BraTS-2023-Metrics and, for adult glioma after treatment, github.com/rachitsaluja/
BraTS-2024-Metrics (metrics_GLI.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from adpfl_bench.metrics.functional.boundary import bounding_box, crop_to_union, grown_box
from adpfl_bench.metrics.functional.connected import Components, connected_components
from adpfl_bench.metrics.functional.lesions import (
    LesionScores,
    lesions_by_dilation,
    merged_by_neighbours,
    score_lesions,
    without_lesions,
)
from adpfl_bench.metrics.functional.masks import BoolArray
from adpfl_bench.metrics.functional.surface import area_hausdorff_of_cropped
from adpfl_bench.metrics.metric import MaskMetric
from adpfl_bench.metrics.region_masks import RegionMasks


@dataclass(frozen=True, eq=False)
class LesionRules:
    """Rules by which a challenge makes lesions of masks and scores of lesions.

    Attributes:
        name: Name of the challenge.
        penalty: HD95 in mm of a missed and of a false lesion.
        steps: Steps of the dilation that joins components to a lesion, and within which a prediction meets it.
        other_steps: The same of regions that have others.
        smallest: Volume in mm^3 up to which a true lesion does not count.
        other_smallest: The same of regions that have others.
        predictions_alike: Whether predictions are joined to lesions too, and small ones left out; else each connected
            component of a prediction is a lesion.
        neighbours: By region those whose lesions join its own that touch them, one after the other.
        tolerances: Tolerances of shares of edge voxels, in mm.
    """

    name: str
    penalty: float
    steps: int
    smallest: float
    other_steps: Mapping[str, int] = field(default_factory=dict)
    other_smallest: Mapping[str, float] = field(default_factory=dict)
    predictions_alike: bool = False
    neighbours: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tolerances: tuple[float, ...] = ()

    def lesions(self, masks: RegionMasks) -> LesionScores:
        """Score the lesions of a region, of which one mask has voxels; metrics of one region share what is found."""
        return masks.case.once((self.name, masks.name), lambda: self._lesions(masks))

    def smallest_of(self, region: str) -> float:
        """Volume in mm^3 up to which a true lesion of a region does not count."""
        return self.other_smallest.get(region, self.smallest)

    def _lesions(self, masks: RegionMasks) -> LesionScores:
        if masks.spacing is None:
            raise ValueError(f"{self.name} scores lesions in mm, but the files do not state the size of a voxel.")
        predicted, true = (self._joined(masks, of_truth) for of_truth in (False, True))
        return score_lesions(predicted, true, masks.spacing, self._steps(masks.name), self.tolerances)

    def _joined(self, masks: RegionMasks, of_truth: bool) -> Components:
        own = self._own(masks, masks.name, of_truth)
        for other in self.neighbours.get(masks.name, ()):
            own = merged_by_neighbours(own, self._own(masks, other, of_truth))
        return own

    def _own(self, masks: RegionMasks, region: str, of_truth: bool) -> Components:
        """The lesions of a region without regard to its neighbours, on the grid that the case is cropped to."""
        return masks.case.once(
            (self.name, region, of_truth), lambda: self._make(self._mask(masks, region, of_truth), region, of_truth)
        )

    def _make(self, mask: BoolArray, region: str, of_truth: bool) -> Components:
        if of_truth:
            return lesions_by_dilation(mask, self._steps(region))
        if not self.predictions_alike:
            return connected_components(mask)
        return without_lesions(lesions_by_dilation(mask, self._steps(region)), self.smallest_of(region))

    def _mask(self, masks: RegionMasks, region: str, of_truth: bool) -> BoolArray:
        if not self.neighbours:
            both = masks.prediction, masks.target
            box = self._box([both])
        else:
            everything = masks.case.regions
            both = everything[region]
            box = masks.case.once((self.name, "box"), lambda: self._box(list(everything.values())))
        return both[of_truth][box]

    def _box(self, pairs: list[tuple[BoolArray, BoolArray]]) -> tuple[slice, ...]:
        """The box around all masks in which dilations have room; the grid's own border stops them."""
        boxes = [bounding_box(mask) for pair in pairs for mask in pair if mask.any()]
        shape = pairs[0][0].shape
        union = tuple(
            slice(min(side.start for side in sides), max(side.stop for side in sides))
            for sides in zip(*boxes, strict=True)
        )
        return grown_box(union, shape, max(self.steps, *self.other_steps.values(), 0))

    def _steps(self, region: str) -> int:
        return self.other_steps.get(region, self.steps)


BRATS_2023 = LesionRules(name="BraTS 2023", penalty=374.0, steps=3, smallest=50.0)
BRATS_2024 = LesionRules(
    name="BraTS 2024",
    penalty=337.0,
    steps=3,
    # The challenge's own scorer misspells SNFH where it gives it 5 steps, so that it has 3.
    other_steps={"NETC": 5, "RC": 5},
    smallest=20.0,
    other_smallest={"ET": 10.0},
    predictions_alike=True,
    neighbours={"NETC": ("ET", "RC"), "ET": ("NETC", "RC"), "RC": ("ET", "NETC"), "SNFH": ("ET", "RC", "NETC")},
    tolerances=(0.5, 1.0),
)


def _dice(rules: LesionRules, masks: RegionMasks) -> float:
    found = rules.lesions(masks)
    return found.mean(found.dice, rules.smallest_of(masks.name), penalty=0.0, perfect=1.0)


def _distance(rules: LesionRules, masks: RegionMasks) -> float:
    found = rules.lesions(masks)
    return found.mean(found.hd95, rules.smallest_of(masks.name), penalty=rules.penalty, perfect=0.0)


def _edge_share(rules: LesionRules, tolerance: float, masks: RegionMasks) -> float:
    found = rules.lesions(masks)
    return found.mean(found.edge_shares[tolerance], rules.smallest_of(masks.name), penalty=0.0, perfect=1.0)


def _of_lesions(
    rules: LesionRules, name: str, title: str, description: str, function: Callable[[RegionMasks], float]
) -> MaskMetric:
    distance = name == "hd95"
    return MaskMetric(
        name=f"{rules.name.replace(' ', '').lower()}_{name}",
        title=f"Lesion-wise {title}",
        description=description,
        function=function,
        both_empty=0.0 if distance else 1.0,
        one_empty=function,  # the same rules: what is small enough counts nowhere
        higher_is_better=not distance,
        unit="distance" if distance else "share",
        kind=rules.name,
        ranked=False,
    )


def _scores(rules: LesionRules) -> tuple[MaskMetric, ...]:
    joined = "true lesions and false ones, which count 0"
    return (
        _of_lesions(rules, "dice", "Dice", f"mean Dice of {joined}", partial(_dice, rules)),
        _of_lesions(
            rules,
            "hd95",
            "HD95",
            f"mean HD95, weighted by area, of true and of false lesions; missed and false ones count {rules.penalty:g}",
            partial(_distance, rules),
        ),
        *(
            _of_lesions(
                rules,
                f"nsd{tolerance:g}".replace(".", ""),
                f"NSD at {tolerance:g} mm",
                f"mean share of edge voxels within {tolerance:g} mm of {joined}",
                partial(_edge_share, rules, tolerance),
            )
            for tolerance in rules.tolerances
        ),
    )


def _whole_distance(masks: RegionMasks) -> float:
    return area_hausdorff_of_cropped(*crop_to_union(masks.prediction, masks.target), masks.scale)


BRATS_2023_WHOLE_HD95 = MaskMetric(
    name="brats2023_whole_hd95",
    title="HD95",
    description="HD95 of surface elements, weighted by area, of the whole region; a missed region counts 374",
    function=_whole_distance,
    both_empty=0.0,
    one_empty=BRATS_2023.penalty,
    higher_is_better=False,
    unit="distance",
    kind="BraTS 2023, area",
    ranked=False,
)
BRATS_2023_SCORES = (*_scores(BRATS_2023), BRATS_2023_WHOLE_HD95)
BRATS_2024_SCORES = _scores(BRATS_2024)
