"""Checks of what a run scored of other hospitals' data: that it is what was written, and of the run's last round."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from adpfl_bench.errors import RecordError
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.records.cohort_record import CohortRecord, cohort_home, read_cohort
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.run_record import RunRecord
from adpfl_bench.records.score_columns import ScoreColumns, parse_scores
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding
from adpfl_bench.records.verification.score_check import impossible_scores
from adpfl_bench.text import listed


class CohortScores(NamedTuple):
    """A cohort's record, and all its scores."""

    record: CohortRecord
    scores: ScoreColumns


def check_cohorts(evidence: Evidence) -> Iterator[Finding]:
    """Check every cohort in a run's folder."""
    try:
        folders = list_cohorts(evidence.directory.path)
    except RecordError as error:
        yield Finding("cohorts", str(error))
        return
    for folder in folders:
        try:
            read_cohort_scores(folder, evidence.record)
        except RecordError as error:
            yield Finding("cohorts", f"{folder.name}: {error}")


def list_cohorts(run: Path) -> list[Path]:
    """List the folders of cohorts within a run's folder, sorted by name.

    Raises:
        RecordError: They cannot be listed.
    """
    home = cohort_home(run)
    try:
        return [home / name for name in sorted(os.listdir(home)) if not name.startswith(".")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(f"other hospitals' scores in {home} cannot be read: {error.strerror}") from error


def read_cohort_scores(folder: Path, run: RunRecord) -> CohortScores:
    """Read a cohort, whose scores are possible and of the run's last round.

    Args:
        folder: The cohort's folder.
        run: Record of the run that scored it.

    Raises:
        RecordError: What is wrong.
    """
    record = read_cohort(folder)
    directory = RunDirectory(folder)
    content = directory.cases_content()
    if hashlib.sha256(content).hexdigest() != record.cases_sha256:
        raise RecordError("cases.csv is not the file that cohort.json was written with (cases_sha256); evaluate again")
    if record.name != folder.name:
        raise RecordError(f"cohort.json calls the cohort {record.name}; a folder keeps its name")
    if record.chain != ("" if run.digests is None else run.digests.chain.head):
        raise RecordError("the run was trained on after this was scored, or anew; remove the folder and evaluate again")
    links = [] if run.digests is None else run.digests.chain.links
    if links and record.weights.get(GLOBAL_MODEL, links[-1].weights) != links[-1].weights:
        raise RecordError(
            f"cohort.json says that weights {record.weights[GLOBAL_MODEL][:12]} scored it, and the run's last round has"
            f" {links[-1].weights[:12]}; remove the folder and evaluate again"
        )
    scores = parse_scores(content, directory.cases_file)
    if (finding := next(impossible_scores(run, scores), None)) is not None:
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
    return CohortScores(record, scores)
