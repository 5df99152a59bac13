"""The leaderboard as numbers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from adpfl_bench.leaderboard.audits import contradictions, strongest
from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.hospitals import Hospital, other_hospitals
from adpfl_bench.leaderboard.method_order import LOWER_REFERENCE, UPPER_REFERENCE, method_order
from adpfl_bench.leaderboard.protection import noise_source, person, protected_word
from adpfl_bench.leaderboard.scored_run import SCORED_MODEL
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.leaderboard.table_statistics import TableStatistics
from adpfl_bench.leaderboard.threshold_rows import ThresholdRow, compare_thresholds
from adpfl_bench.leaderboard.who_benefits import WhoBenefits, who_benefits
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.score_columns import join_scores
from adpfl_bench.records.score_means import ScoreMeans, count_missed, mean_if_all, mean_score, means_by, sample_sd


@dataclass(frozen=True)
class Table:
    """The methods of a comparable group on one region, in the order in which they are shown."""

    group: Group
    region: str
    rows: tuple[TableRow, ...]
    statistics: TableStatistics

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of its methods, the main one first."""
        return self.group.metrics

    @property
    def main(self) -> Metric:
        """The metric that they are ordered and compared by."""
        return self.group.metrics[0]

    @cached_property
    def benefits(self) -> WhoBenefits:
        """What the methods do for each client, in the same order."""
        return who_benefits(self.group, self.region, [row.label for row in self.rows])

    @cached_property
    def hospitals(self) -> tuple[Hospital, ...]:
        """What the methods score on other hospitals' data, in the same order; none where no run scored such."""
        return other_hospitals(self.group, self.region, [row.label for row in self.rows])

    @cached_property
    def thresholds(self) -> tuple[ThresholdRow, ...]:
        """What adaptive clipping wins back from each fixed threshold."""
        return compare_thresholds(self.group, self.rows, reference(self.rows, UPPER_REFERENCE), self.statistics)


def tabulate(group: Group) -> list[Table]:
    """Compute the tables of a comparable group, one for each region."""
    return [_table(group, region) for region in group.regions]


def by_group(tables: Sequence[Table]) -> list[list[Table]]:
    """Tables of the same comparable group together, in their order."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        groups.setdefault(table.group.digest, []).append(table)
    return list(groups.values())


def reference(rows: Sequence[TableRow], method: str) -> TableRow | None:
    """Return the row of a reference method; ``None`` if it has none, or several with other settings."""
    found = [row for row in rows if row.method == method]
    return found[0] if len(found) == 1 else None


def _table(group: Group, region: str) -> Table:
    rows = _ordered_rows(group, region)
    variants = {variant.label: variant for variant in group.variants}
    statistics = TableStatistics(group, region, [variants[row.label] for row in rows])
    intervals = [statistics.interval(variants[row.label]) for row in rows]
    return Table(
        group,
        region,
        tuple(
            row if interval is None else replace(row, ci_low=interval.low, ci_high=interval.high)
            for row, interval in zip(rows, intervals, strict=True)
        ),
        statistics,
    )


def _ordered_rows(group: Group, region: str) -> list[TableRow]:
    rows = [_row(group, region, variant) for variant in group.variants]
    upper, lower = reference(rows, UPPER_REFERENCE), reference(rows, LOWER_REFERENCE)
    if upper and lower and upper.mean > lower.mean:
        gap = upper.mean - lower.mean
        rows = [replace(row, gap_closed=(row.mean - lower.mean) / gap) for row in rows]
    return sorted(rows, key=lambda row: method_order(row.method, row.unit, row.mean, row.label))


def _row(group: Group, region: str, variant: Variant) -> TableRow:
    by_seed = [run.case_scores(region) for run in variant.runs]
    pooled = join_scores(by_seed)
    rows = join_scores([run.rows.of_region(region) for run in variant.runs])
    metrics = group.metrics
    main = metrics[0]
    patients = means_by(pooled, pooled.patient, main)
    seeds = [mean_score(scores, main) for scores in by_seed]
    means = ScoreMeans(pooled, metrics, variant.runs[0].held_out_clients)
    mean, worst = means.mean(main), means.worst_client
    epsilon, delta, reason = _accounted(variant)
    units_per_person, group_epsilon = _person(variant)
    audit = strongest(variant.audits)
    records = [run.record for run in variant.runs]
    return TableRow(
        *group.names,
        region,
        *variant.names,
        scored_model=SCORED_MODEL[variant.runs[0].headline],
        seeds=" ".join(str(seed) for seed in variant.seeds),
        n_seeds=len(variant.runs),
        cases=len(by_seed[0]),
        patients=len(patients),
        patients_are=group.subject,
        metric=main,
        mean=math.nan if mean is None else mean,
        ci_low=None,
        ci_high=None,
        sd_patients=sample_sd(patients.values()),
        sd_seeds=sample_sd(mean for mean in seeds if mean is not None),
        means={metric.name: means.mean(metric) for metric in metrics},
        distance_unit=means.distance_unit,
        missed=count_missed(rows),
        scored=len(rows),
        worst_client=worst,
        worst_client_mean=None if worst is None else means.clients[worst],
        client_spread=means.spread,
        gap_closed=None,
        unit=variant.runs[0].record.privacy.unit,
        protects=protected_word(variant.runs[0].record) or "none",
        nominal_epsilon=variant.runs[0].record.privacy.nominal_epsilon,
        accounted_epsilon=epsilon,
        accounted_delta=delta,
        accounted_reason=reason,
        accounted_not_covered=_joined(what for record in records for what in record.privacy.accounted.not_covered),
        units_per_person=units_per_person,
        group_epsilon=group_epsilon,
        noise=noise_source(records[0].privacy),
        audited_epsilon=audit.found.epsilon if audit else None,
        audited_delta=audit.found.delta if audit else None,
        audited_confidence=audit.found.confidence if audit else None,
        audited_canaries=audit.found.canaries if audit else None,
        audits=len(variant.audits),
        audited_problems=_joined(contradictions(variant.audits, epsilon, delta)),
        wall_seconds=mean_if_all(record.wall_seconds for record in records),
        peak_memory_mb=_largest(record.peak_memory_mb for record in records),
        peak_gpu_memory_mb=_largest(record.peak_gpu_memory_mb for record in records),
        records=_joined(run.verification.state for run in variant.runs) or "",
    )


def _accounted(variant: Variant) -> tuple[float | None, float | None, str | None]:
    """Epsilon, delta and reason: one run without a proof leaves the method without one."""
    blocks = [run.record.privacy.accounted for run in variant.runs]
    worst = max(blocks, key=lambda block: np.inf if block.epsilon is None else block.epsilon)
    return worst.epsilon, worst.delta, worst.reason


def _person(variant: Variant) -> tuple[int | None, float | None]:
    """Number of units and their epsilon: one run that does not know leaves the method without."""
    found = [person(run.record) for run in variant.runs]
    sizes = [size for size, _ in found if size is not None]
    epsilons = [epsilon for _, epsilon in found if epsilon is not None]
    whole = len(variant.runs)
    return (
        max(sizes) if len(sizes) == whole else None,
        max(epsilons) if len(epsilons) == whole else None,
    )


def _joined(texts: Iterable[str]) -> str | None:
    """Return each text once; ``None`` for no text."""
    return "; ".join(dict.fromkeys(str(text) for text in texts)) or None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
