"""Reading of runs: each is verified, and one whose record contradicts itself or another is in no table."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.audits import Audit
from adpfl_bench.leaderboard.cohort_reading import find_cohorts
from adpfl_bench.leaderboard.scored_cohort import ScoredCohort
from adpfl_bench.leaderboard.scored_run import ScoredRun, contradiction, scored_run
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.records.verification.copies import Marks, find_copies, marks_of
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.run_verification import verify_evidence


@dataclass(frozen=True)
class LeftOut:
    """A run, or what it scored of another hospital's data, that is in no table, and why."""

    folder: Path
    reason: str


@dataclass(frozen=True)
class ListedAudit:
    """An audit that was among the runs: what it found, and in which rows its epsilon stands."""

    folder: Path
    text: str


@dataclass(frozen=True)
class Readings:
    """What there was to read in folders.

    Attributes:
        runs: The runs that may stand in tables.
        audits: The audits that may stand in their rows.
        left_out: The runs that may not.
        listed: The audits that may not.
    """

    runs: list[ScoredRun]
    audits: list[Audit]
    left_out: list[LeftOut]
    listed: list[ListedAudit]


def read_runs(folders: Iterable[Path]) -> Readings:
    """Read and verify runs; what needs their data, or torch, is not looked at."""
    found = Readings([], [], [], [])
    marks: list[Marks] = []
    for folder in folders:
        try:
            _read(Evidence.of(RunDirectory(folder)), found, marks)
        except RecordError as error:
            found.left_out.append(LeftOut(folder, str(error)))
    copies = find_copies(marks)
    for run in [run for run in found.runs if run.directory.path in copies]:
        found.runs.remove(run)
        found.left_out.append(LeftOut(run.directory.path, contradiction(copies[run.directory.path])))
    return found


def _read(evidence: Evidence, found: Readings, marks: list[Marks]) -> None:
    record, folder = evidence.record, evidence.directory.path
    if record.data.canaries is not None or record.privacy.audited is not None:
        if record.privacy.audited is None:
            found.listed.append(ListedAudit(folder, f"audit, unfinished: {record.progress}"))
        elif (verification := verify_evidence(evidence)).findings:
            found.listed.append(ListedAudit(folder, f"audit, in no row: {contradiction(verification.text)}"))
        else:
            found.audits.append(Audit(folder, record, record.privacy.audited))
        return
    found.runs.append(_with_cohorts(scored_run(evidence), found.left_out))
    marks.append(marks_of(evidence))


def _with_cohorts(run: ScoredRun, left_out: list[LeftOut]) -> ScoredRun:
    """Give a run what it scored of other hospitals' data; what of it cannot be used is left out."""
    cohorts = []
    for found in find_cohorts(run):
        if isinstance(found, ScoredCohort):
            cohorts.append(found)
        else:
            left_out.append(LeftOut(*found))
    return replace(run, cohorts=tuple(cohorts)) if cohorts else run
