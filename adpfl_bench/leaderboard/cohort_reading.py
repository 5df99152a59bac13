"""Reading of cohorts: what runs scored of other hospitals' data, each checked against its own record and the run's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.scored_cohort import ScoredCohort
from adpfl_bench.leaderboard.scored_run import ScoredRun, check_models, headline_rows
from adpfl_bench.records.cohort_record import CohortRecord, read_cohort
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns, parse_scores
from adpfl_bench.records.verification.score_check import impossible_scores
from adpfl_bench.text import count, listed


def cohort_rows(scores: ScoreColumns, record: RunRecord, name: str) -> ScoreColumns:
    """Choose the rows of a cohort that a run is judged by: it is to the run a client that took no part in training."""
    return headline_rows(scores, record.federated.headline, _outsiders(record, name))


def find_cohorts(run: ScoredRun) -> Iterator[ScoredCohort | tuple[Path, str]]:
    """Read what a run scored of other hospitals' data.

    Yields:
        In the order of their names, each cohort, or the folder of one that cannot be used and the reason.
    """
    home = run.directory.path / "cohorts"
    try:
        names = sorted(name for name in os.listdir(home) if not name.startswith("."))
    except FileNotFoundError:
        return
    except OSError as error:
        yield home, f"other hospitals' scores cannot be read: {error.strerror}"
        return
    for name in names:
        try:
            yield _read(home / name, run)
        except RecordError as error:
            yield home / name, f"no scores of another hospital: {error}"


def _read(folder: Path, run: ScoredRun) -> ScoredCohort:
    record = read_cohort(folder)
    directory = RunDirectory(folder)
    content = directory.cases_content()
    if hashlib.sha256(content).hexdigest() != record.cases_sha256:
        raise RecordError("cases.csv is not the file that cohort.json was written with (cases_sha256); evaluate again")
    if record.name != folder.name:
        raise RecordError(f"cohort.json calls the cohort {record.name}; a folder keeps its name")
    if record.chain != _chain(run.record):
        raise RecordError("the run was trained on after this was scored, or anew; remove the folder and evaluate again")
    scores = parse_scores(content, directory.cases_file)
    _check(record, scores, run)
    return ScoredCohort(record, cohort_rows(scores, run.record, record.name))


def _chain(record: RunRecord) -> str:
    return "" if record.digests is None else record.digests.chain.head


def _check(record: CohortRecord, scores: ScoreColumns, run: ScoredRun) -> None:
    """Make sure that scores are possible, and those of the cohort's cases by the models that cohort.json states."""
    if (finding := next(impossible_scores(run.record, scores), None)) is not None:
        raise RecordError(f"cases.csv contradicts itself: {finding}")
    for what, wanted, found in (("client", record.name, scores.client), ("split", "test", scores.split)):
        if (present := found.present()) != [wanted]:
            raise RecordError(
                f"the {what} of all rows of cases.csv should be {wanted}, but is {listed(present) or 'none'}"
            )
    if (models := set(scores.model.present())) != set(record.weights):
        raise RecordError(
            f"cases.csv has scores by {' and '.join(sorted(models))}, and cohort.json weights of"
            f" {' and '.join(sorted(record.weights))}"
        )
    if run.headline != "global" and models == {GLOBAL_MODEL}:
        raise RecordError("clients' own models count for this run, and only the global one scored")
    check_models(scores, run.headline, _outsiders(run.record, record.name))
    for region in sorted({region for _, region in run.test_set()}):
        number = len(scores.of_region(region).case.first_rows())
        if number != record.data.cases:
            raise RecordError(
                f"cases.csv scores {region} of {count(number, 'case')}, and cohort.json states {record.data.cases}"
            )


def _outsiders(record: RunRecord, name: str) -> tuple[str, ...]:
    """Clients that took no part in training, the cohort among them."""
    return (*record.federated.held_out_clients, name)
