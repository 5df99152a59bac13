"""Statistics of a table: intervals, tests of every pair, and a ranking."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from adpfl_bench.errors import DataError
from adpfl_bench.leaderboard.comparisons import ComparisonRow, compare_pairs
from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.rankings import RankingRow, rank_group
from adpfl_bench.leaderboard.statistics.bootstrap import Interval, MeanBootstrap
from adpfl_bench.leaderboard.statistics.paired_scores import PairedRun, PairedScores
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.score_columns import ScoreColumns


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
    """Collect the scores of every ranked metric that all runs have for all cases, and in one unit."""
    usable: dict[str, PairedScores] = {}
    left_out: dict[str, str] = {}
    owners = {run: _owners(run.case_scores(region)) for variant in variants for run in variant.runs}
    for metric in (metric for metric in metrics if metric.ranked):
        reason = _incomparable(variants, region, metric)
        if reason is None:
            runs = {
                identity(variant): {
                    run.seed: PairedRun(*owners[run], run.case_scores(region).by(metric)) for run in variant.runs
                }
                for variant in variants
            }
            try:
                usable[metric.name] = PairedScores(runs, higher_is_better=metric.higher_is_better)
            except DataError as error:
                reason = str(error)
        if reason is not None:
            left_out[metric.name] = reason
    return MetricScores(usable, left_out)


def _owners(scores: ScoreColumns) -> tuple[list[str], list[str], list[str]]:
    """Cases, their patients and their clients."""
    return scores.case.texts(), scores.patient.texts(), scores.client.texts()


def _incomparable(variants: Sequence[Variant], region: str, metric: Metric) -> str | None:
    for variant in variants:
        for run in variant.runs:
            scores = run.case_scores(region)
            known = np.isfinite(scores.by(metric))
            if not known.all():
                return f"{variant.label} with seed {run.seed} has none for case {scores.case[int(np.argmin(known))]}"
    runs = [run for variant in variants for run in variant.runs]
    units = {unit for run in runs for unit in run.rows.of_region(region).distance_unit.present()}
    if metric.measures and len(units) > 1:
        return "some are in " + " and some in ".join(metric.unit_text(unit) for unit in sorted(units))
    tolerances = {run.record.model.surface_tolerance.get(region) for run in runs}
    if metric.tolerant and (len(tolerances) > 1 or len(units) > 1):
        return "the methods were scored at different tolerances"
    return None


class TableStatistics:
    """Statistics of the methods of a comparable group on one region, from the scores of its cases alone.

    What is resampled follows from the group's digest, so it depends neither on the order of the runs nor, for a
    method's own interval, on which other methods are there.
    """

    def __init__(self, group: Group, region: str, variants: Sequence[Variant]) -> None:
        self.group = group
        self.region = region
        self.variants = {identity(variant): variant for variant in variants}

    @property
    def seed(self) -> int:
        """Seed of the resamples."""
        return int(self.group.digest, 16)

    @cached_property
    def scores(self) -> MetricScores:
        """The scores that are compared."""
        return metric_scores(list(self.variants.values()), self.region, self.group.metrics)

    @property
    def _main(self) -> PairedScores | None:
        return self.scores.usable.get(self.group.metrics[0].name)

    @cached_property
    def patients(self) -> int:
        """Number of patients; 0 where the main metric cannot be compared."""
        return len(self._main.patients) if self._main is not None else 0

    @property
    def comparable(self) -> bool:
        """Whether there are two methods, and two patients to compare them on."""
        return len(self.variants) > 1 and self.patients > 1

    @cached_property
    def _bootstrap(self) -> MeanBootstrap:
        assert self._main is not None  # there are patients
        return MeanBootstrap(self._main, seed=self.seed)

    def interval(self, variant: Variant) -> Interval | None:
        """Return the 95 % interval of a method's mean, cut at 0 and 1; ``None`` for fewer than two patients."""
        if self.patients < 2:
            return None
        interval = self._bootstrap.interval(identity(variant))
        return None if interval is None else Interval(max(interval.low, 0.0), min(interval.high, 1.0))

    def share(self, method: Variant, lower: Variant, upper: Variant) -> Interval | None:
        """Return the 95 % interval of how much of the gap between two methods a third one closes.

        ``None`` for fewer than two patients, and where the gap may be chance.
        """
        if self.patients < 2:
            return None
        return self._bootstrap.share(identity(method), identity(lower), identity(upper))

    @cached_property
    def comparisons(self) -> tuple[ComparisonRow, ...]:
        """Every pair of methods, in the order of the table; none where there is nothing to compare."""
        if not self.comparable:
            return ()
        return compare_pairs(self.group, self.region, self.variants, self._bootstrap)

    @cached_property
    def ranking(self) -> tuple[RankingRow, ...]:
        """The methods by rank; none where there is nothing to rank."""
        if not self.comparable:
            return ()
        return rank_group(self.group, {self.region: self.scores.usable}, self.variants, self.seed)


def rank_regions(statistics: Sequence[TableStatistics]) -> tuple[RankingRow, ...]:
    """Rank the methods of a group by all its regions at once.

    Returns:
        The methods by rank; none for one region, or where regions differ in their metrics or patients.
    """
    usable = {of_region.region: of_region.scores.usable for of_region in statistics}
    if len(usable) < 2 or not all(of_region.comparable for of_region in statistics):
        return ()
    if len({tuple(scores) for scores in usable.values()}) > 1:
        return ()
    if len({next(iter(scores.values())).patients for scores in usable.values()}) > 1:
        return ()
    first = statistics[0]
    return rank_group(first.group, usable, first.variants, first.seed)
