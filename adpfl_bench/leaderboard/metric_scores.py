"""The scores of a comparable group, as tests, intervals and rankings take them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from adpfl_bench.errors import DataError
from adpfl_bench.leaderboard.comparability import Variant
from adpfl_bench.leaderboard.statistics import PairedScore, PairedScores
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.case_score import CaseScore


class MetricScores(NamedTuple):
    """Scores of a region that can be compared, and those that cannot.

    Attributes:
        usable: Scores by the name of a metric; the methods in them are named by :func:`identity`.
        left_out: Of every other metric, why not.
    """

    usable: Mapping[str, PairedScores]
    left_out: Mapping[str, str]


def identity(variant: Variant) -> str:
    """Name a method for resampling: the same whichever other methods are in the table."""
    return f"{variant.method} {variant.digest}"


def metric_scores(variants: Sequence[Variant], region: str, metrics: Sequence[Metric]) -> MetricScores:
    """Collect the scores of every ranked metric that all runs have for all cases, and in one unit.

    Args:
        variants: The methods of a comparable group.
        region: Name of a region.
        metrics: What they were scored by.
    """
    usable: dict[str, PairedScores] = {}
    left_out: dict[str, str] = {}
    for metric in (metric for metric in metrics if metric.ranked):
        reason = _incomparable(variants, region, metric)
        if reason is None:
            try:
                usable[metric.name] = _scores(variants, region, metric)
            except DataError as error:
                reason = str(error)
        if reason is not None:
            left_out[metric.name] = reason
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
    return PairedScores(runs, higher_is_better=metric.higher_is_better)


def _incomparable(variants: Sequence[Variant], region: str, metric: Metric) -> str | None:
    for variant in variants:
        for run in variant.runs:
            for case, score in run.case_scores(region).items():
                if not math.isfinite(_value(score, metric)):
                    return f"{variant.label} with seed {run.seed} has none for case {case}"
    runs = [run for variant in variants for run in variant.runs]
    units = {row.distance_unit for run in runs for row in run.rows if row.region == region}
    if metric.unit == "distance" and len(units) > 1:
        return "some are in mm and some in px"
    if metric.tolerant and len({run.record.model.surface_tolerance.get(region) for run in runs}) > 1:
        return "the methods were scored at different tolerances"
    return None


def _value(score: CaseScore, metric: Metric) -> float:
    value = score[metric]
    return math.nan if value is None else value
