"""Scored cohort: what a run's models scored on another hospital's data, as tables need it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from adpfl_bench.records.cohort_record import CohortRecord
from adpfl_bench.records.digests import json_sha256
from adpfl_bench.records.score_columns import ScoreColumns


@dataclass(frozen=True, eq=False)
class ScoredCohort:
    """The scores of a cohort's cases by one run.

    Attributes:
        record: What was scored.
        rows: The scores that count: of the global model or, where clients' own count, of every training client's.
    """

    record: CohortRecord
    rows: ScoreColumns

    @property
    def name(self) -> str:
        """Name of the hospital."""
        return self.record.name

    @property
    def contents(self) -> str:
        """What the files held: root over their contents or, where there are no files, their fingerprint."""
        data = self.record.data
        return data.fingerprint if data.contents is None else data.contents.root

    @cached_property
    def identity(self) -> str:
        """Digest of kind and contents of the data, and of the cases with their patients."""
        rows = self.rows
        cases = sorted(set(zip(rows.case.texts(), rows.patient.texts(), rows.region.texts(), strict=True)))
        return json_sha256([self.record.data.kind, self.contents, cases])
