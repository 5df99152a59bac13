"""The scores of a comparable group, as tests, intervals and rankings take them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from adpfl_bench.errors import DataError
from adpfl_bench.leaderboard.comparability import Variant
from adpfl_bench.leaderboard.statistics import PairedScore, PairedScores
from adpfl_bench.records.case_score import CaseScore

Metric = Literal["dice", "hd95", "nsd"]

METRICS: Mapping[Metric, str] = {"dice": "Dice", "hd95": "HD95", "nsd": "NSD"}
"""Names of the metrics that methods are ranked by."""

_LOWER_IS_BETTER = ("hd95",)


class MetricScores(NamedTuple):
    """What can be compared on a region, and what cannot.

    Attributes:
        usable: Scores by metric; the methods in them are named by :func:`identity`.
        left_out: Of every other metric, why not.
    """

    usable: Mapping[Metric, PairedScores]
    left_out: Mapping[Metric, str]


def identity(variant: Variant) -> str:
    """What resampling calls a method: the same whichever other methods are in the table."""
    return f"{variant.method} {variant.digest}"


def metric_scores(variants: Sequence[Variant], region: str) -> MetricScores:
    """Collect the scores of every metric that all runs have for all cases, and in one unit.

    Args:
        variants: The methods of a comparable group.
        region: Name of a region.
    """
    usable: dict[Metric, PairedScores] = {}
    left_out: dict[Metric, str] = {}
    for metric in METRICS:
        reason = _incomparable(variants, region, metric)
        if reason is None:
            try:
                usable[metric] = _scores(variants, region, metric)
            except DataError as error:
                reason = str(error)
        if reason is not None:
            left_out[metric] = reason
    return MetricScores(usable, left_out)


def _scores(variants: Sequence[Variant], region: str, metric: Metric) -> PairedScores:
    runs = {
        identity(variant): {
            run.seed: {
                case: PairedScore(_value(score, metric), score.patient, score.client)
                for case, score in run.case_scores(region).items()
            }
            for run in variant.runs
        }
        for variant in variants
    }
    return PairedScores(runs, higher_is_better=metric not in _LOWER_IS_BETTER)


def _incomparable(variants: Sequence[Variant], region: str, metric: Metric) -> str | None:
    for variant in variants:
        for run in variant.runs:
            for case, score in run.case_scores(region).items():
                if not math.isfinite(_value(score, metric)):
                    return f"{variant.label} with seed {run.seed} has none for case {case}"
    runs = [run for variant in variants for run in variant.runs]
    if metric == "hd95" and len({row.hd95_unit for run in runs for row in run.rows if row.region == region}) > 1:
        return "some are in mm and some in px"
    if metric == "nsd" and len({run.record.model.surface_tolerance.get(region) for run in runs}) > 1:
        return "the methods were scored at different tolerances"
    return None


def _value(score: CaseScore, metric: Metric) -> float:
    value = {"dice": score.dice, "hd95": score.hd95, "nsd": score.nsd}[metric]
    return math.nan if value is None else value
