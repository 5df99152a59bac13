"""Score means: the one place where means over cases are taken."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.score_columns import FloatArray, ScoreColumns
from adpfl_bench.records.text_column import TextColumn


def mean_if_all(values: Iterable[float | None]) -> float | None:
    """Return the mean; ``None`` where a value is missing or not finite, or there is none."""
    return _finite_mean(np.array([np.nan if value is None else value for value in values], dtype=np.float64))


def sample_sd(values: Iterable[float]) -> float | None:
    """Return the standard deviation with ddof=1; ``None`` for fewer than two values."""
    array = np.array(list(values))
    return float(array.std(ddof=1)) if len(array) > 1 else None


def grouped_means(values: FloatArray, groups: NDArray[np.integer], count: int) -> FloatArray:
    """Return the mean of each group.

    Groups of one size are the rows of a matrix, so that a mean has the very bits of ``numpy.mean`` of its values.

    Args:
        values: Of shape ``[N]``.
        groups: The group of each value, in ``range(count)``.
        count: Number of groups G.

    Returns:
        Of shape ``[G]``; not a number for a group without values.
    """
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups, minlength=count)
    starts = np.cumsum(sizes) - sizes
    means = np.full(count, np.nan)
    ordered = values[order]
    for size in np.unique(sizes[sizes > 0]):
        chosen = np.flatnonzero(sizes == size)
        means[chosen] = ordered[starts[chosen, None] + np.arange(size)].mean(axis=1)
    return means


def mean_over_models(scores: ScoreColumns) -> ScoreColumns:
    """Take the mean over models of each case on one region, so that all weigh the same however many models scored them.

    Returns:
        A row for each case, in the order in which the cases come. A mean is there if all models have the score.
    """
    first = scores.case.first_rows()
    if len(first) == len(scores):
        return scores
    places = np.empty(len(scores.case.names), dtype=np.int64)
    places[scores.case.codes[first]] = np.arange(len(first))
    groups = places[scores.case.codes]
    several = np.bincount(groups, minlength=len(first)) > 1
    cases = scores.take(first)
    values, empty = {}, {}
    for name, found in scores.values.items():
        means = grouped_means(np.where(np.isfinite(found), found, np.nan), groups, len(first))
        values[name] = np.where(several, means, cases.values[name])
        empty[name] = np.where(several, ~np.isfinite(means), cases.empty[name])
    return replace(cases, values=values, empty=empty, missed=np.where(several, -1, cases.missed).astype(np.int8))


def mean_score(scores: ScoreColumns, metric: Metric) -> float | None:
    """Return the mean over cases; ``None`` where one lacks the score, where units differ, and of no case."""
    if metric.measures and len(scores.distance_unit.present()) > 1:
        return None
    return _finite_mean(scores.by(metric))


def means_by(scores: ScoreColumns, owners: TextColumn, metric: Metric) -> dict[str, float]:
    """Return the mean over the cases of each owner; one of which a case lacks the score is left out.

    Args:
        scores: The scores.
        owners: One of their columns.
        metric: What the means are of.

    Returns:
        By owner, in the order in which they come first.
    """
    means = grouped_means(scores.by(metric), owners.codes, len(owners.names))
    if metric.measures and len(scores.distance_unit.present()) > 1:
        pairs = np.unique(np.stack([owners.codes, scores.distance_unit.codes]), axis=1)
        means[np.bincount(pairs[0], minlength=len(means)) > 1] = np.nan
    found = dict(zip(owners.names, means.tolist(), strict=True))
    return {name: found[name] for name in owners.present() if np.isfinite(found[name])}


@dataclass(frozen=True)
class ScoreMeans:
    """Means over cases, seeds or regions, whatever the scores are of.

    Attributes:
        scores: One for each case (region, seed).
        metrics: What they were scored by; the first is the main one.
        held_out: Clients that took no part in training.
    """

    scores: ScoreColumns
    metrics: Sequence[Metric]
    held_out: Collection[str] = ()

    def mean(self, metric: Metric) -> float | None:
        """Return the mean by a metric; ``None`` where a case lacks it or units are mixed."""
        return mean_score(self.scores, metric)

    @cached_property
    def clients(self) -> dict[str, float]:
        """The main metric's mean of each client, by name."""
        means = means_by(self.scores, self.scores.client, self.metrics[0])
        return {client: means[client] for client in sorted(means)}

    @property
    def trained(self) -> dict[str, float]:
        """The same of those clients that took part in training."""
        return {client: mean for client, mean in self.clients.items() if client not in self.held_out}

    @property
    def worst_client(self) -> str | None:
        """The client with the worst mean among those that took part in training; ``None`` where there is none."""
        sign = 1 if self.metrics[0].higher_is_better else -1
        return min(self.trained, key=lambda name: (sign * self.trained[name], name), default=None)

    @property
    def spread(self) -> float | None:
        """Highest minus lowest mean of the clients that took part in training."""
        return max(self.trained.values()) - min(self.trained.values()) if self.trained else None

    @property
    def distance_unit(self) -> str:
        """Unit of the distances: ``mm``, ``% of diagonal``, ``px`` of older records, or several; empty without any."""
        return "/".join(sorted(set(self.scores.distance_unit.present()) - {""}))


def count_missed(scores: ScoreColumns) -> int | None:
    """Number of scores of which exactly one of prediction and truth is empty; ``None`` where none is of masks."""
    known = scores.missed[scores.missed >= 0]
    return int(known.sum()) if len(known) else None


def _finite_mean(values: FloatArray) -> float | None:
    return float(values.mean()) if len(values) and np.isfinite(values).all() else None
