"""Scored run: one that is finished, as tables need it; and its headline, the models whose scores it is judged by."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL, Headline, counting_models
from adpfl_bench.leaderboard.scored_cohort import ScoredCohort
from adpfl_bench.records.round_columns import NO_ROUNDS, RoundColumns
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.score_means import mean_over_models
from adpfl_bench.records.settings import flatten_settings, settings_digest
from adpfl_bench.records.text_column import BoolArray, first_repeated
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import Verification, verify_evidence

SCORED_MODEL: Mapping[Headline, str] = {
    "global": "global model",
    "own": "each client's own model",
    "everyone": "mean of the clients' own models on everyone's cases",
}
"""What tables say was scored."""


def headline_rows(scores: ScoreColumns, headline: Headline, held_out: Collection[str] = ()) -> ScoreColumns:
    """Choose the rows that a run is judged by."""
    return scores.take(_counting(scores, headline, held_out)[scores.client.codes, scores.model.codes])


def check_models(scores: ScoreColumns, headline: Headline, held_out: Collection[str] = ()) -> None:
    """Refuse rows that score a case by fewer models, or more often, than the headline asks for.

    Raises:
        RecordError: Which score is missing or there twice.
    """
    if (twice := first_repeated(scores.keys())) is not None:
        row = scores[twice]
        of = "" if row.model == GLOBAL_MODEL else f" by the model of {row.model}"
        raise RecordError(f"cases.csv scores a region of a test case twice{of}: {row.region} of {row.case}")
    clients = np.zeros(len(scores.case.names), dtype=np.int64)
    clients[scores.case.codes] = scores.client.codes
    owners = clients[scores.case.codes]
    _, pairs = np.unique(scores.pairs(), return_inverse=True)
    counting = _counting(scores, headline, held_out)
    needed = counting.sum(axis=1)[owners]
    found = np.bincount(pairs, weights=counting[owners, scores.model.codes])[pairs]
    faults = (needed == 0) | (found < needed)
    if faults.any():
        row = scores[int(np.argmax(faults))]
        same = scores.take(scores.case.equals(row.case) & scores.region.equals(row.region))
        client = scores.client.names[owners[int(np.argmax(faults))]]
        models = set(counting_models(headline, client, held_out, _own_models(scores))) - set(same.model.present())
        raise RecordError(
            f"its federated.headline is {headline}, but cases.csv has no score by {_named(models)} for"
            f" {row.region} of {row.case}, a test case of {client}"
        )


def _counting(scores: ScoreColumns, headline: Headline, held_out: Collection[str]) -> BoolArray:
    """Whether the scores of a client's cases by a model count, by the codes of client and model."""
    own = _own_models(scores)
    places = scores.model.places
    of_everyone = [places[model] for model in own]
    table = np.zeros((len(scores.client.names), len(places)), dtype=np.bool_)
    for row, client in zip(table, scores.client.names, strict=True):
        counting = counting_models(headline, client, held_out, own)
        row[of_everyone if counting is own else [places[model] for model in counting if model in places]] = True
    return table


def _own_models(scores: ScoreColumns) -> set[str]:
    """Clients whose own models scored something."""
    return set(scores.model.present()) - {GLOBAL_MODEL}


def _named(models: Collection[str]) -> str:
    if not models:
        return "any client's own model"
    return "the global model" if GLOBAL_MODEL in models else f"the model of {' and '.join(sorted(models))}"


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """A run whose last round's model was scored on its test cases.

    Attributes:
        directory: Where its files are.
        record: What run.json holds.
        all_rows: The test rows of cases.csv, of all models.
        verification: What its record proves.
        rounds: What rounds.csv holds.
        held: What its files held, as a setting, where other runs of its table have others.
        cohorts: What its models scored of other hospitals' data, by name.
    """

    directory: RunDirectory
    record: RunRecord
    all_rows: ScoreColumns
    verification: Verification
    rounds: RoundColumns = NO_ROUNDS
    held: Mapping[str, str] = field(default_factory=dict)
    cohorts: tuple[ScoredCohort, ...] = ()

    @cached_property
    def rows(self) -> ScoreColumns:
        """The test rows that tables score the run by: of the models that its headline names."""
        return headline_rows(self.all_rows, self.headline, self.held_out_clients)

    @property
    def headline(self) -> Headline:
        """The models that the run is judged by: the global one, or the clients' own."""
        return self.record.federated.headline

    @property
    def held_out_clients(self) -> tuple[str, ...]:
        """Clients that took no part in training and are scored all the same."""
        return self.record.federated.held_out_clients

    def case_scores(self, region: str) -> ScoreColumns:
        """Return one score of each test case, the mean over the models that the run is judged by.

        Returns:
            A row for each case; none for a region that was not scored.
        """
        found = self._case_scores.get(region)
        if found is None:
            found = self._case_scores[region] = mean_over_models(self.rows.of_region(region))
        return found

    @cached_property
    def _case_scores(self) -> dict[str, ScoreColumns]:
        return {}

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.record.seed

    @cached_property
    def settings(self) -> dict[str, str]:
        """Everything that can change the scores, except the seed: the configuration, and whose scores count."""
        return self._settings(as_written=False)

    @cached_property
    def digest(self) -> str:
        """Name of the settings in tables. Records of an earlier version keep the name that they had in its tables."""
        return settings_digest(self._settings(as_written=True))

    def _settings(self, as_written: bool) -> dict[str, str]:
        settings = {**flatten_settings(self.record.config, as_written), **self.held}
        if self.headline != "global":
            settings["federated.headline"] = json.dumps(self.headline)
        if self.held_out_clients:
            settings["federated.held_out_clients"] = json.dumps(self.held_out_clients)
        return settings

    def test_set(self) -> frozenset[tuple[str, str]]:
        """Return the (case, region) pairs that were scored."""
        return frozenset(zip(self.rows.case.texts(), self.rows.region.texts(), strict=True))


def contradiction(found: object) -> str:
    """Say that a record is in no table for what was found."""
    return f"its record contradicts itself or another: {found}"


def scored_run(evidence: Evidence) -> ScoredRun:
    """Read the scores of a run that is finished, and verify its record.

    Raises:
        RecordError: Why the run cannot stand in a table.
    """
    record = evidence.record
    if record.status != "finished":
        raise RecordError(f"unfinished: {record.progress}")
    scored, completed = record.model.scored_round, record.rounds_completed
    if scored != completed:
        raise RecordError(f"its scores are those of round {scored}, but {completed} rounds are completed")
    scores = evidence.scores
    if scores is None:
        raise RecordError("no test scores: there is no cases.csv")
    rows = scores.take(scores.split.equals("test"))
    if not len(rows):
        raise RecordError("no test scores: cases.csv has no case of the split test")
    check_models(rows, record.federated.headline, record.federated.held_out_clients)
    found = verify_evidence(evidence)
    if found.findings:
        raise RecordError(contradiction(found.text))
    return ScoredRun(evidence.directory, record, rows, found, evidence.rounds)
