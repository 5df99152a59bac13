"""Client scores: each client's test scores by the model that it would use."""

import math
from functools import cached_property

import numpy as np

from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.groups import Variant
from adpfl_bench.leaderboard.scored_run import ScoredRun, headline_rows
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.records.score_columns import ScoreColumns, join_scores
from adpfl_bench.records.score_means import mean_over_models, mean_score, means_by
from adpfl_bench.records.text_column import BoolArray


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
        main = variant.runs[0].record.model.metrics[0]
        self._runs = [_RunScores(run, region, main) for run in variant.runs]

    @property
    def cases(self) -> dict[str, frozenset[str]]:
        """Test cases by client."""
        return self._runs[0].cases

    @property
    def clients(self) -> list[str]:
        """Clients with test cases, by name, those held out of training last."""
        return sorted(self.cases, key=lambda name: (name in self.held_out, name))

    def own(self, client: str) -> dict[int, float]:
        """By seed the mean on the client's own test cases, by the model that it would use."""
        return {run.seed: run.own(client) for run in self._runs}

    def everyone(self, client: str) -> float | None:
        """Return the mean of that model on everyone's test cases; ``None`` where some were not scored by it."""
        means = [run.everyone(client) for run in self._runs]
        return None if None in means else float(np.mean([mean for mean in means if mean is not None]))

    @property
    def global_mean(self) -> float | None:
        """Mean of the global model where clients would use models of their own."""
        if self.variant.runs[0].headline == "global":
            return None
        means = [run.global_mean for run in self._runs]
        return None if None in means else float(np.mean([mean for mean in means if mean is not None]))


class _RunScores:
    """Main scores of one run's test cases on one region, by the models that clients would use."""

    def __init__(self, run: ScoredRun, region: str, main: Metric) -> None:
        self.seed = run.seed
        self._run = run
        self._main = main
        self._rows = run.all_rows.of_region(region)

    @cached_property
    def cases(self) -> dict[str, frozenset[str]]:
        """Test cases by client."""
        found: dict[str, set[str]] = {}
        for client, case in zip(self._rows.client.texts(), self._rows.case.texts(), strict=True):
            found.setdefault(client, set()).add(case)
        return {client: frozenset(cases) for client, cases in found.items()}

    def own(self, client: str) -> float:
        """Mean on a client's own cases; not a number where one lacks the score."""
        return self._own.get(client, math.nan)

    def everyone(self, client: str) -> float | None:
        """Mean on everyone's cases; not a number where one lacks the score, ``None`` where one was not scored."""
        if self._run.headline == "global":
            return self._by_model(GLOBAL_MODEL)
        if client in self._run.held_out_clients:
            return self._mean(self._training_clients_mean) if self._all(self._training_clients_mean) else None
        return self._by_model(client)

    @cached_property
    def global_mean(self) -> float | None:
        """Mean of the global model on the cases that it scored; ``None`` where it scored none."""
        rows = self._rows.take(self._rows.model.equals(GLOBAL_MODEL))
        return self._mean(rows) if len(rows) else None

    @cached_property
    def _own(self) -> dict[str, float]:
        """Means of all clients, taken in the order of their cases' ids."""
        rows = self._rows.take(self._users_model)
        held_out = self._run.held_out_clients
        if self._run.headline != "global" and held_out:
            mean = self._training_clients_mean
            rows = join_scores([rows, mean.take(mean.client.is_in(held_out))])
        rows = rows.take(np.argsort(rows.case.ranks(), kind="stable"))
        return means_by(rows, rows.client, self._main)

    @property
    def _users_model(self) -> BoolArray:
        """The rows of clients' own cases by the model that each trained, or the one that all share."""
        rows = self._rows
        if self._run.headline == "global":
            return rows.model.equals(GLOBAL_MODEL)
        own: BoolArray = rows.client.codes == rows.model.codes_in(rows.client)
        return own & ~rows.client.is_in(self._run.held_out_clients)

    def _by_model(self, model: str) -> float | None:
        """Mean of a model on everyone's cases; ``None`` where it did not score all of them."""
        return self._means_by_model.get(model, math.nan) if model in self._complete_models else None

    @cached_property
    def _means_by_model(self) -> dict[str, float]:
        return means_by(self._rows, self._rows.model, self._main)

    @cached_property
    def _complete_models(self) -> set[str]:
        """Models that scored all cases: none scores a case twice."""
        counts = np.bincount(self._rows.model.codes, minlength=len(self._rows.model.names))
        cases = len(self._rows.case.first_rows())
        return {name for name, count in zip(self._rows.model.names, counts.tolist(), strict=True) if count == cases}

    @cached_property
    def _training_clients_mean(self) -> ScoreColumns:
        """Mean over all clients' own models of each case that all of them scored."""
        rows = headline_rows(self._rows, "everyone")
        counts = np.bincount(rows.case.codes, minlength=len(rows.case.names))
        return mean_over_models(rows.take(counts[rows.case.codes] == len(rows.model.present())))

    def _all(self, scores: ScoreColumns) -> bool:
        return len(scores) == len(self._rows.case.first_rows())

    def _mean(self, scores: ScoreColumns) -> float:
        mean = mean_score(scores, self._main)
        return math.nan if mean is None else mean
