"""Means of several cases' scores: what tables, a run's summary and Weights & Biases show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.case_score import CaseScore, mean_score, means_by


@dataclass(frozen=True)
class ScoreMeans:
    """Means over cases, seeds or regions, whatever the scores are of.

    Attributes:
        scores: One for each case (region, seed).
        metrics: What they were scored by; the first is the main one.
        held_out: Clients that took no part in training.
    """

    scores: Sequence[CaseScore]
    metrics: Sequence[Metric]
    held_out: Collection[str] = ()

    def mean(self, metric: Metric) -> float | None:
        """The mean by a metric; ``None`` where a case lacks it or units are mixed."""
        return mean_score(self.scores, metric)

    @cached_property
    def clients(self) -> dict[str, float]:
        """The main metric's mean of each client, by name."""
        means = means_by(self.scores, lambda score: score.client, self.metrics[0])
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
        """Unit of the distances, ``mm`` or ``px``, or both; empty where there are none."""
        return "/".join(sorted({score.distance_unit for score in self.scores} - {""}))


def count_missed(scores: Iterable[CaseScore]) -> int | None:
    """Number of scores of which exactly one of prediction and truth is empty; ``None`` where none is of masks."""
    known = [score.missed for score in scores if score.missed is not None]
    return sum(known) if known else None
