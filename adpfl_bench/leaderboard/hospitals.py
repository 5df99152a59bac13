"""Other hospitals: what a group's methods score on data that other hospitals hold, and how far below their own test."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.scored_cohort import ScoredCohort
from adpfl_bench.leaderboard.scored_run import SCORED_MODEL, ScoredRun
from adpfl_bench.leaderboard.statistics.bootstrap import Interval, MeanBootstrap
from adpfl_bench.leaderboard.statistics.drop_bootstrap import DropBootstrap
from adpfl_bench.leaderboard.table_row import MethodLine
from adpfl_bench.leaderboard.table_statistics import identity, metric_scores
from adpfl_bench.metrics.registry import Metric


@dataclass(frozen=True)
class HospitalRow(MethodLine):
    """One method on one region of another hospital's cases, by one metric; a line of hospitals.csv.

    All numbers are over the runs that scored the hospital's cases, the own ones too.

    Attributes:
        hospital: What the cohort is called, with its digest where other data have the same name.
        hospital_kind: ``phantom`` or ``real``.
        hospital_contents: Root over the contents of its files, or the fingerprint where none is recorded.
        hospital_cases: Number of its cases.
        hospital_patients: Number of patients among them.
        scored_model: Whose scores these are: the global model's, or those of every training client's own, averaged.
        seeds: Seeds of the runs, separated by spaces.
        n_seeds: Their number.
        metric: Name of the metric.
        unit: ``share``, ``number``, or that of the distances, such as ``mm``; several where rows differ.
        mean: Mean over cases and seeds; ``None`` if a case lacks it or units are mixed.
        ci_low: Lower end of its 95 % interval over patients and seeds; ``None`` for one patient, and where the
            methods' scores cannot be set side by side.
        ci_high: Upper end.
        own_mean: The same of the runs' own test cases.
        drop: By how much the mean is worse than the own one: negative where it is better; ``None`` in other units
            and between phantom and real data.
        drop_low: Lower end of its 95 % interval over the patients of both and the seeds.
        drop_high: Upper end.
    """

    hospital: str
    hospital_kind: str
    hospital_contents: str
    hospital_cases: int
    hospital_patients: int
    scored_model: str
    seeds: str
    n_seeds: int
    metric: str
    unit: str
    mean: float | None
    ci_low: float | None
    ci_high: float | None
    own_mean: float | None
    drop: float | None
    drop_low: float | None
    drop_high: float | None


@dataclass(frozen=True)
class Hospital:
    """Another hospital's data, scored by methods of a comparable group on one region.

    Attributes:
        name: What tables call it.
        cohort: What one run scored of it; the others scored the same.
        rows: Method after method, a row for each ranked metric, the main one first.
        left_out: By a metric's title why it has no intervals.
        runs: By method the seeds that scored it, and all its seeds; none of a method that did not.
    """

    name: str
    cohort: ScoredCohort
    rows: tuple[HospitalRow, ...]
    left_out: Mapping[str, str]
    runs: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]


def other_hospitals(group: Group, region: str, labels: Sequence[str]) -> tuple[Hospital, ...]:
    """Score the methods, in the order of their labels, on the data of other hospitals.

    Cohorts are one hospital's where name, kind, contents and cases are the same; others of the name stand apart.
    """
    variants = {variant.label: variant for variant in group.variants}
    ordered = [variants[label] for label in labels]
    first: dict[tuple[str, str], ScoredCohort] = {}
    for variant in ordered:
        for run in variant.runs:
            for cohort in run.cohorts:
                first.setdefault((cohort.name, cohort.identity), cohort)
    names = [name for name, _ in first]
    return tuple(
        _hospital(group, region, ordered, first[key], key[0] if names.count(key[0]) == 1 else _apart(*key))
        for key in sorted(first)
    )


def _apart(name: str, digest: str) -> str:
    return f"{name} [{digest[:8]}]"


def _hospital(group: Group, region: str, ordered: Sequence[Variant], cohort: ScoredCohort, name: str) -> Hospital:
    pairs = [(variant, _scored_by(variant, cohort)) for variant in ordered]
    own = [replace(variant, runs=tuple(runs)) for variant, runs in pairs if runs]
    there = [replace(variant, runs=tuple(map(_elsewhere, runs.items()))) for variant, runs in pairs if runs]
    statistics = _DropStatistics(group, region, cohort, own, there)
    rows = [
        row
        for here, other in zip(own, there, strict=True)
        for row in _rows(group, region, cohort, name, here, other, statistics)
    ]
    seeds = {variant.label: (tuple(run.seed for run in runs), variant.seeds) for variant, runs in pairs}
    return Hospital(name, cohort, tuple(rows), statistics.left_out, seeds)


def _scored_by(variant: Variant, cohort: ScoredCohort) -> dict[ScoredRun, ScoredCohort]:
    """The runs of a method that scored these very cases."""
    key = cohort.name, cohort.identity
    return {run: found for run in variant.runs for found in run.cohorts if (found.name, found.identity) == key}


def _elsewhere(scored: tuple[ScoredRun, ScoredCohort]) -> ScoredRun:
    """A run as it is judged there: by the cohort's cases, whose client took no part in its training."""
    run, cohort = scored
    outsiders = (*run.held_out_clients, cohort.name)
    federated = run.record.federated.model_copy(update={"held_out_clients": outsiders})
    record = run.record.model_copy(update={"federated": federated})
    return replace(run, record=record, all_rows=cohort.rows, cohorts=())


class _DropStatistics:
    """Intervals of means and drops, by metric; what is resampled follows from the group and the hospital's cases."""

    def __init__(
        self, group: Group, region: str, cohort: ScoredCohort, own: Sequence[Variant], there: Sequence[Variant]
    ) -> None:
        self._seed = int(group.digest, 16) ^ int(cohort.identity[:8], 16)
        self._region, self._metrics = region, [metric for metric in group.metrics if metric.ranked]
        self._same_kind = _same_kind(group, cohort)
        self._own = metric_scores(own, region, self._metrics)
        self._there = metric_scores(there, region, self._metrics)
        self._intervals = {metric.name: dict(self._of_metric(metric, own, there)) for metric in self._metrics}

    def intervals(self, metric: Metric, variant: Variant) -> tuple[Interval | None, Interval | None]:
        """Of a method's mean there, and of its drop."""
        return self._intervals[metric.name].get(identity(variant), (None, None))

    @property
    def left_out(self) -> dict[str, str]:
        """By a metric's title, why it has no intervals."""
        titles = {metric.name: metric.title for metric in self._metrics}
        here = {titles[name]: f"of the own test cases, {why}" for name, why in self._own.left_out.items()}
        return here | {titles[name]: why for name, why in self._there.left_out.items()}

    def _of_metric(
        self, metric: Metric, own: Sequence[Variant], there: Sequence[Variant]
    ) -> Iterator[tuple[str, tuple[Interval | None, Interval | None]]]:
        scores = self._there.usable.get(metric.name)
        if scores is None or len(scores.patients) < 2:
            return
        of_means = MeanBootstrap(scores, seed=self._seed)
        here = self._own.usable.get(metric.name)
        alike = self._same_kind and _in_same_units(own, there, self._region, metric)
        of_drops = DropBootstrap(here, scores, seed=self._seed) if here is not None and alike else None
        for name in scores.methods:
            drop = None if of_drops is None else of_drops.interval(name)
            yield name, (_possible(metric, of_means.interval(name), 0.0), _possible(metric, drop, -1.0))


def _possible(metric: Metric, interval: Interval | None, lowest: float) -> Interval | None:
    """Cut an interval where a mean, from 0 on, or a drop, from -1 on, of shares ends, and a distance at 0."""
    if interval is None or metric.unit == "number" or (metric.measures and lowest < 0):
        return interval
    highest = 1.0 if metric.unit == "share" else math.inf
    return Interval(max(interval.low, lowest), min(interval.high, highest))


def _same_kind(group: Group, cohort: ScoredCohort) -> bool:
    """Whether both are real or both phantoms: between the two there is no drop."""
    return cohort.record.data.kind == group.kind


def _units(variants: Sequence[Variant], region: str, metric: Metric) -> str:
    """The unit of a metric's scores; both where distances come in two."""
    if not metric.measures:
        return metric.unit
    return metric.unit_text("/".join(sorted(_distance_units(variants, region))))


def _distance_units(variants: Sequence[Variant], region: str) -> set[str]:
    rows = [run.rows.of_region(region).distance_unit.present() for variant in variants for run in variant.runs]
    return {unit for units in rows for unit in units} - {""}


def _in_same_units(own: Sequence[Variant], there: Sequence[Variant], region: str, metric: Metric) -> bool:
    """Whether a metric means the same here and there; a tolerance is in the unit of the distances."""
    if not (metric.measures or metric.tolerant):
        return True
    return _distance_units(own, region) == _distance_units(there, region)


def _rows(
    group: Group,
    region: str,
    cohort: ScoredCohort,
    name: str,
    own: Variant,
    there: Variant,
    statistics: _DropStatistics,
) -> Iterator[HospitalRow]:
    scores = there.runs[0].case_scores(region)
    headline = own.runs[0].headline
    for metric in (metric for metric in group.metrics if metric.ranked):
        mean, own_mean = _mean(there, region, metric), _mean(own, region, metric)
        unit = _units([there], region, metric)
        drop, alike = None, _same_kind(group, cohort) and _in_same_units([own], [there], region, metric)
        if mean is not None and own_mean is not None and alike:
            drop = own_mean - mean if metric.higher_is_better else mean - own_mean
        of_mean, of_drop = statistics.intervals(metric, own)
        yield HospitalRow(
            *group.names,
            region,
            *own.names,
            hospital=name,
            hospital_kind=cohort.record.data.kind,
            hospital_contents=cohort.contents,
            hospital_cases=len(scores),
            hospital_patients=len(scores.patient.present()),
            scored_model=SCORED_MODEL["global"] if headline == "global" else "training clients' own",
            seeds=" ".join(str(seed) for seed in own.seeds),
            n_seeds=len(own.runs),
            metric=metric.name,
            unit=unit,
            mean=mean,
            ci_low=None if of_mean is None else of_mean.low,
            ci_high=None if of_mean is None else of_mean.high,
            own_mean=own_mean,
            drop=drop,
            drop_low=None if of_drop is None else of_drop.low,
            drop_high=None if of_drop is None else of_drop.high,
        )


def _mean(variant: Variant, region: str, metric: Metric) -> float | None:
    mean = variant.mean(region, metric)
    return mean if math.isfinite(mean) else None
