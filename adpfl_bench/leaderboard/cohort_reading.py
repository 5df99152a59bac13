"""Reading of cohorts: what runs scored of other hospitals' data, each checked against its own record and the run's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.leaderboard.scored_cohort import ScoredCohort
from adpfl_bench.leaderboard.scored_run import ScoredRun, check_models, headline_rows
from adpfl_bench.records.cohort_record import cohort_home
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.verification.cohort_check import list_cohorts, read_cohort_scores
from adpfl_bench.text import count


def cohort_rows(scores: ScoreColumns, record: RunRecord, name: str) -> ScoreColumns:
    """Choose the rows of a cohort that a run is judged by: it is to the run a client that took no part in training."""
    return headline_rows(scores, record.federated.headline, _outsiders(record, name))


def find_cohorts(run: ScoredRun) -> Iterator[ScoredCohort | tuple[Path, str]]:
    """Read what a run scored of other hospitals' data.

    Yields:
        In the order of their names, each cohort, or the folder of one that cannot be used and the reason.
    """
    try:
        folders = list_cohorts(run.directory.path)
    except RecordError as error:
        yield cohort_home(run.directory.path), str(error)
        return
    for folder in folders:
        try:
            yield _read(folder, run)
        except RecordError as error:
            yield folder, f"no scores of another hospital: {error}"


def _read(folder: Path, run: ScoredRun) -> ScoredCohort:
    """Read a cohort that has every score that the run is judged by."""
    record, scores = read_cohort_scores(folder, run.record)
    if run.headline != "global" and scores.model.present() == [GLOBAL_MODEL]:
        raise RecordError("clients' own models count for this run, and only the global one scored")
    check_models(scores, run.headline, _outsiders(run.record, record.name))
    for region in sorted({region for _, region in run.test_set()}):
        number = len(scores.of_region(region).case.first_rows())
        if number != record.data.cases:
            raise RecordError(
                f"cases.csv scores {region} of {count(number, 'case')}, and cohort.json states {record.data.cases}"
            )
    return ScoredCohort(record, cohort_rows(scores, run.record, record.name))


def _outsiders(record: RunRecord, name: str) -> tuple[str, ...]:
    """Clients that took no part in training, the cohort among them."""
    return (*record.federated.held_out_clients, name)
