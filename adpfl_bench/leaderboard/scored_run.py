"""One finished run, as tables need it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.headline import Headline, check_models, headline_of, headline_rows, held_out_of
from adpfl_bench.records.case_row import CaseRow
from adpfl_bench.records.case_score import CaseScore, mean_over_models
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.settings import flatten_settings, settings_digest

_KEYS: dict[str, Callable[[dict[str, Any]], object]] = {
    "task": lambda record: record["task"],
    "method": lambda record: record["method"],
    "seed": lambda record: int(record["seed"]),
    "started": lambda record: record["started"],
    "data.kind": lambda record: record["data"]["kind"],
    "data.fingerprint": lambda record: record["data"]["fingerprint"],
    "rounds_completed": lambda record: record["rounds_completed"],
    "model.scored_round": lambda record: record["model"]["scored_round"],
    "privacy.unit": lambda record: record["privacy"]["unit"],
    "privacy.nominal_epsilon": lambda record: record["privacy"]["nominal_epsilon"],
    "privacy.accounted": lambda record: [record["privacy"]["accounted"][key] for key in ("epsilon", "delta", "reason")],
}


@dataclass(frozen=True)
class ScoredRun:
    """A run whose last round's model was scored on its test cases.

    Attributes:
        directory: Where its files are.
        record: What run.json holds.
        all_rows: The test rows of cases.csv, of all models.
    """

    directory: RunDirectory
    record: dict[str, Any]
    all_rows: tuple[CaseRow, ...]

    @cached_property
    def rows(self) -> tuple[CaseRow, ...]:
        """The test rows that tables score the run by: of the models that its headline names."""
        return tuple(headline_rows(self.all_rows, self.headline, self.held_out_clients))

    @property
    def headline(self) -> Headline:
        """Whose scores the run is judged by: the global model's, or the clients' own models'."""
        return headline_of(self._federated)

    @property
    def held_out_clients(self) -> tuple[str, ...]:
        """Clients that took no part in training and are scored all the same."""
        return held_out_of(self._federated)

    @property
    def _federated(self) -> dict[str, Any]:
        return self.record.get("federated") or {}

    def case_scores(self, region: str) -> dict[str, CaseScore]:
        """One score of each test case, the mean over the models that the run is judged by.

        Args:
            region: Name of a region.

        Returns:
            Scores by case id; empty for a region that was not scored.
        """
        return self._case_scores.get(region, {})

    @cached_property
    def _case_scores(self) -> dict[str, dict[str, CaseScore]]:
        regions = dict.fromkeys(row.region for row in self.rows)
        return {region: mean_over_models(row for row in self.rows if row.region == region) for region in regions}

    @property
    def task(self) -> str:
        """Name of the task."""
        return str(self.record["task"])

    @property
    def method(self) -> str:
        """Name of the method."""
        return str(self.record["method"])

    @property
    def seed(self) -> int:
        """The run's seed."""
        return int(self.record["seed"])

    @property
    def kind(self) -> str:
        """``phantom`` or ``real``."""
        return str(self.record["data"]["kind"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the dataset's files, in hexadecimal."""
        return str(self.record["data"]["fingerprint"])

    @property
    def privacy(self) -> dict[str, Any]:
        """The privacy block of the record."""
        block: dict[str, Any] = self.record["privacy"]
        return block

    @property
    def regions(self) -> list[str]:
        """Names of the regions in the task's order; empty where the record does not state them."""
        return list(self._tolerances)

    def surface_tolerance(self, region: str) -> float | None:
        """Tolerance of a region's normalised surface distance; ``None`` where the record does not state it."""
        return float(self._tolerances[region]) if region in self._tolerances else None

    @property
    def _tolerances(self) -> dict[str, Any]:
        return (self.record.get("model") or {}).get("surface_tolerance") or {}

    @cached_property
    def settings(self) -> dict[str, str]:
        """Everything that can change the scores, except the seed: the configuration, and whose scores count."""
        return self._settings(as_written=False)

    @cached_property
    def digest(self) -> str:
        """What tables call the settings. Records of an earlier version keep the name that they had in its tables."""
        return settings_digest(self._settings(as_written=True))

    def _settings(self, as_written: bool) -> dict[str, str]:
        settings = flatten_settings(self.record.get("config") or {}, as_written)
        if self.headline != "global":
            settings["federated.headline"] = json.dumps(self.headline)
        if self.held_out_clients:
            settings["federated.held_out_clients"] = json.dumps(list(self.held_out_clients))
        return settings

    @cached_property
    def test_set(self) -> frozenset[tuple[str, str]]:
        """The (case, region) pairs that were scored."""
        return frozenset((row.case, row.region) for row in self.rows)


def read_scored_run(folder: Path) -> ScoredRun:
    """Read a run that is finished and scored.

    Args:
        folder: The run's folder.

    Raises:
        RecordError: Why the run cannot stand in a table.
    """
    directory = RunDirectory(folder)
    record = directory.read_record()
    status = record.get("status") if isinstance(record, dict) else None
    if status != "finished":
        raise RecordError(f"unfinished: {status}{progress(record)}")
    _check(record)
    scored, completed = record["model"]["scored_round"], record["rounds_completed"]
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


def progress(record: Any) -> str:
    """How far an unfinished run came, to follow its status."""
    if not isinstance(record, dict) or "rounds_completed" not in record:
        return ""
    federated = record.get("federated") or {}
    planned = federated.get("total_rounds", federated.get("rounds"))  # with the round of fine-tuning, if there is one
    of = "" if planned is None else f" of {planned}"
    error = f" ({record['error']})" if record.get("error") else ""
    return f" after {record['rounds_completed']}{of} rounds{error}"


def _check(record: dict[str, Any]) -> None:
    for name, get in _KEYS.items():
        try:
            get(record)
        except (KeyError, TypeError, ValueError):
            raise RecordError(f"its run.json has no usable {name}") from None
