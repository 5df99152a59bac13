"""Scored run: one that is finished, as tables need it; and its headline, the models whose scores it is judged by."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL, Headline, counting_models
from adpfl_bench.records.case_score import CaseScore, mean_over_models
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.settings import flatten_settings, settings_digest

SCORED_MODEL: Mapping[Headline, str] = {
    "global": "global model",
    "own": "each client's own model",
    "everyone": "mean of the clients' own models on everyone's cases",
}
"""What tables say was scored."""


def headline_rows(rows: Iterable[CaseScore], headline: Headline, held_out: Collection[str] = ()) -> list[CaseScore]:
    """Choose the rows that a run is judged by."""
    rows = list(rows)
    own = {row.model for row in rows} - {GLOBAL_MODEL}
    return [row for row in rows if row.model in counting_models(headline, row.client, held_out, own)]


def check_models(rows: Sequence[CaseScore], headline: Headline, held_out: Collection[str] = ()) -> None:
    """Refuse rows that score a case by fewer models, or more often, than the headline asks for.

    Raises:
        RecordError: Which score is missing or there twice.
    """
    found: dict[tuple[str, str], set[str]] = {}
    clients = {row.case: row.client for row in rows}
    for row in rows:
        models = found.setdefault((row.case, row.region), set())
        if row.model in models:
            of = "" if row.model == GLOBAL_MODEL else f" by the model of {row.model}"
            raise RecordError(f"cases.csv scores a region of a test case twice{of}: {row.region} of {row.case}")
        models.add(row.model)
    everyone = {row.model for row in rows} - {GLOBAL_MODEL}
    for (case, region), models in found.items():
        client = clients[case]
        needed = set(counting_models(headline, client, held_out, everyone))
        if not needed or not needed <= models:
            raise RecordError(
                f"its federated.headline is {headline}, but cases.csv has no score by {_named(needed - models)} for"
                f" {region} of {case}, a test case of {client}"
            )


def _named(models: Collection[str]) -> str:
    if not models:
        return "any client's own model"
    return "the global model" if GLOBAL_MODEL in models else f"the model of {' and '.join(sorted(models))}"


@dataclass(frozen=True)
class ScoredRun:
    """A run whose last round's model was scored on its test cases.

    Attributes:
        directory: Where its files are.
        record: What run.json holds.
        all_rows: The test rows of cases.csv, of all models.
    """

    directory: RunDirectory
    record: RunRecord
    all_rows: tuple[CaseScore, ...]

    @cached_property
    def rows(self) -> tuple[CaseScore, ...]:
        """The test rows that tables score the run by: of the models that its headline names."""
        return tuple(headline_rows(self.all_rows, self.headline, self.held_out_clients))

    @property
    def headline(self) -> Headline:
        """The models that the run is judged by: the global one, or the clients' own."""
        return self.record.federated.headline

    @property
    def held_out_clients(self) -> tuple[str, ...]:
        """Clients that took no part in training and are scored all the same."""
        return self.record.federated.held_out_clients

    def case_scores(self, region: str) -> dict[str, CaseScore]:
        """Return one score of each test case, the mean over the models that the run is judged by.

        Returns:
            Scores by case id; empty for a region that was not scored.
        """
        return self._case_scores.get(region, {})

    @cached_property
    def _case_scores(self) -> dict[str, dict[str, CaseScore]]:
        regions = dict.fromkeys(row.region for row in self.rows)
        return {region: mean_over_models(row for row in self.rows if row.region == region) for region in regions}

    @cached_property
    def rounds(self) -> Sequence[RoundRow]:
        """The lines of rounds.csv; none where it cannot be read."""
        try:
            return self.directory.read_rounds()
        except RecordError:
            return ()

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
        settings = flatten_settings(self.record.config, as_written)
        if self.headline != "global":
            settings["federated.headline"] = json.dumps(self.headline)
        if self.held_out_clients:
            settings["federated.held_out_clients"] = json.dumps(self.held_out_clients)
        return settings

    @cached_property
    def test_set(self) -> frozenset[tuple[str, str]]:
        """The (case, region) pairs that were scored."""
        return frozenset((row.case, row.region) for row in self.rows)


def scored_run(directory: RunDirectory, record: RunRecord) -> ScoredRun:
    """Read the scores of a run that is finished.

    Raises:
        RecordError: Why the run cannot stand in a table.
    """
    if record.status != "finished":
        raise RecordError(f"unfinished: {record.progress}")
    scored, completed = record.model.scored_round, record.rounds_completed
    if scored != completed:
        raise RecordError(f"its scores are those of round {scored}, but {completed} rounds are completed")
    if not directory.cases_file.exists():
        raise RecordError("no test scores: there is no cases.csv")
    rows = tuple(row for row in directory.read_cases() if row.split == "test")
    if not rows:
        raise RecordError("no test scores: cases.csv has no case of the split test")
    run = ScoredRun(directory, record, rows)
    check_models(rows, run.headline, run.held_out_clients)
    return run
