"""Copies among runs: records that cannot both be of runs of their own."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from adpfl_bench.records.verification.data_check import PHANTOM
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding

_TELLING = 5
"""Different scores between 0 and 1 that a run must have, so that another one cannot have the same by chance."""


class Marks(NamedTuple):
    """What tells whether two runs are one.

    Attributes:
        folder: Folder of the run.
        seed: Its seed.
        method: Its method, and the task.
        kind: Kind of its data.
        data: Fingerprint of the data.
        run: Id of the run; empty where it has none.
        weights: Digest of its last weights; empty likewise.
        rounds: Digest of rounds.csv; empty where there is no such file.
        scores: Digest of cases.csv; empty where there is no such file, or where its scores could be anybody's.
    """

    folder: Path
    seed: int
    method: tuple[str, str]
    kind: str
    data: str
    run: str
    weights: str
    rounds: str
    scores: str


def marks_of(evidence: Evidence) -> Marks:
    """Take the marks of a run.

    Raises:
        RecordError: A file cannot be read.
    """
    record, directory = evidence.record, evidence.directory
    links = record.digests.chain.links if record.digests is not None else ()
    return Marks(
        directory.path,
        record.seed,
        (record.task, record.method),
        record.data.kind,
        record.data.fingerprint,
        record.run,
        links[-1].weights if links else "",
        (evidence.sha256(directory.rounds_file) or "") if any(evidence.round_lines.values()) else "",
        (evidence.sha256(directory.cases_file) or "") if _tell(evidence) else "",
    )


def find_copies(marks: Iterable[Marks]) -> Mapping[Path, Finding]:
    """Find the runs that contradict each other, and say of each which other one it contradicts.

    Runs of different seeds cannot have the same rounds, weights or scores, and a run has one id. Which of two is the
    copy nobody can tell, so that neither counts. Of files that are phantoms in one record and real in another, those
    records are contradicted that call them real.
    """
    runs = list(marks)
    found: dict[Path, Finding] = {}
    for name, what in (
        ("run", "the run id"),
        ("weights", "the last weights"),
        ("rounds", "rounds.csv"),
        ("scores", "cases.csv"),
    ):
        for same in _together(runs, name):
            for one in same:
                others = [other for other in same if _contradicts(one, other, name)]
                if others:
                    text = f"it has {what} of {others[0].folder}, which has the {_difference(one, others[0])}"
                    found.setdefault(one.folder, Finding("copy", text))
    for same in _together(runs, "data"):
        phantoms = [one for one in same if one.kind == PHANTOM]
        for one in same if phantoms else ():
            if one.kind != PHANTOM:
                text = f"the data are called {one.kind}, but {phantoms[0].folder} calls the same files phantoms"
                found.setdefault(one.folder, Finding("data", text))
    return found


def _together(runs: Iterable[Marks], name: str) -> list[list[Marks]]:
    """Bring together the runs that have the same mark."""
    groups: dict[Hashable, list[Marks]] = {}
    for run in runs:
        if mark := getattr(run, name):
            groups.setdefault(mark, []).append(run)
    return [same for same in groups.values() if len(same) > 1]


def _contradicts(one: Marks, other: Marks, name: str) -> bool:
    # Settings without an effect make the same rounds under the same seed, and so does a run that was made again.
    return one.seed != other.seed or (name == "run" and one.method != other.method)


def _difference(one: Marks, other: Marks) -> str:
    return f"seed {other.seed}" if one.seed != other.seed else f"method {other.method[1]}"


def _tell(evidence: Evidence) -> bool:
    scores, metrics = evidence.scores, evidence.record.model.metrics
    if scores is None or not metrics:
        return False
    values = scores.by(metrics[0])
    return len(np.unique(values[(values > 0) & (values < 1)])) >= _TELLING
