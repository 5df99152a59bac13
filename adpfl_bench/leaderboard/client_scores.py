"""Client scores: each client's test scores by the model that it would use."""

import math
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.comparability import Variant
from adpfl_bench.leaderboard.scored_run import ScoredRun, headline_rows
from adpfl_bench.records.case_score import CaseScore, mean_over_models, mean_score


class ClientScores:
    """Main scores (Dice) of a method's runs on one region, by the model that each client would use.

    That is the global model or, where the method leaves clients models of their own, its own; for a client that was
    held out of training every training client's own, averaged.

    Attributes:
        variant: The method.
        held_out: Clients that took no part in its training.
    """

    def __init__(self, variant: Variant, region: str) -> None:
        self.variant = variant
        self.held_out = variant.runs[0].held_out_clients
        self._main = variant.runs[0].record.model.metrics[0]
        self._runs = [_RunScores(run, region) for run in variant.runs]

    @property
    def cases(self) -> Mapping[str, set[str]]:
        """Test cases by client."""
        return self._runs[0].cases

    @property
    def clients(self) -> list[str]:
        """Clients with test cases, by name, those held out of training last."""
        return sorted(self.cases, key=lambda name: (name in self.held_out, name))

    def own(self, client: str) -> dict[int, float]:
        """By seed the mean on the client's own test cases, by the model that it would use."""
        means = {}
        for run in self._runs:
            scores = run.scores(client)
            means[run.seed] = self._mean([scores[case] for case in sorted(run.cases[client])])
        return means

    def everyone(self, client: str) -> float | None:
        """Return the mean of that model on everyone's test cases; ``None`` where some were not scored by it."""
        seeds = [run.scores(client) for run in self._runs]
        if any(set(scores) != run.all_cases for scores, run in zip(seeds, self._runs, strict=True)):
            return None
        return float(np.mean([self._mean(scores.values()) for scores in seeds]))

    @property
    def global_mean(self) -> float | None:
        """Mean of the global model where clients would use models of their own."""
        if self.variant.runs[0].headline == "global":
            return None
        seeds = [run.by_model.get(GLOBAL_MODEL, {}) for run in self._runs]
        return float(np.mean([self._mean(scores.values()) for scores in seeds])) if all(seeds) else None

    def _mean(self, scores: Iterable[CaseScore]) -> float:
        mean = mean_score(scores, self._main)
        return math.nan if mean is None else mean


class _RunScores:
    """Scores of one run's test cases on one region."""

    def __init__(self, run: ScoredRun, region: str) -> None:
        self.seed = run.seed
        self._run = run
        self._rows = [row for row in run.all_rows if row.region == region]
        self.by_model: dict[str, dict[str, CaseScore]] = {}
        self.cases: dict[str, set[str]] = {}
        for row in self._rows:
            self.by_model.setdefault(row.model, {})[row.case] = row
            self.cases.setdefault(row.client, set()).add(row.case)
        self.all_cases = set().union(*self.cases.values())

    def scores(self, client: str) -> dict[str, CaseScore]:
        """Scores by case of the model that a client would use."""
        if self._run.headline == "global":
            return self.by_model[GLOBAL_MODEL]
        return self._training_clients_mean if client in self._run.held_out_clients else self.by_model[client]

    @cached_property
    def _training_clients_mean(self) -> dict[str, CaseScore]:
        """Mean over all clients' own models of each case that all of them scored."""
        models = self.by_model.keys() - {GLOBAL_MODEL}
        means = mean_over_models(headline_rows(self._rows, "everyone"))
        return {case: score for case, score in means.items() if all(case in self.by_model[model] for model in models)}
