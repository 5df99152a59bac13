"""Hand-written cohorts of other hospitals beside hand-written runs."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.cohort_record import CohortRecord
from adpfl_bench.records.digests import file_sha256
from adpfl_bench.records.run_directory import RunDirectory
from tests.leaderboard.records import case_row


def write_cohort(
    run: Path,
    name: str,
    scores: dict[str, float] | Iterable[CaseScore],
    root: str = "1" * 64,
    kind: str = "phantom",
    **changes: Any,
) -> Path:
    """Write what a run scored of a hospital's cases, as Dice by case or as rows; each case is a patient's."""
    folder = run / "cohorts" / name
    rows = [case_row(*item) for item in scores.items()] if isinstance(scores, dict) else list(scores)
    RunDirectory(folder).write_cases([replace(row, client=name, split="test") for row in rows])
    contents = {"algorithm": "sha256-tree-1", "root": root, "test_root": root, "files": 2, "bytes": 2}
    data = {
        "datamodule": "ToyDataModule",
        "kind": kind,
        "fingerprint": "c" * 64,
        "contents": contents,
        "cases": len({row.case for row in rows}),
    }
    record = {
        "name": name,
        "data": data,
        "weights": {row.model: "9" * 64 for row in rows},
        "chain": "",
        "cases_sha256": file_sha256(folder / "cases.csv"),
        **changes,
    }
    (folder / "cohort.json").write_text(CohortRecord.model_validate(record).to_json())
    return folder
