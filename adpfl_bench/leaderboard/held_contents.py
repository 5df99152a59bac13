"""What the files of runs held: which runs were scored on the same contents, and which trained on others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.scored_run import ScoredRun
from adpfl_bench.records.file_digests import FileDigest, contents_difference

_OTHERS = "Other runs of this task, on the same test cases and files of the same names and sizes, are in no row here"


class SameContents(NamedTuple):
    """Runs whose test cases held the same.

    Attributes:
        test_root: Root over the files of their test cases; empty where no record says what these held.
        apart: Why other runs on files of these names and sizes are not among them; empty where there are none.
        runs: The runs. Where their other files held different things, that is one of their settings.
    """

    test_root: str
    apart: str
    runs: list[ScoredRun]


def by_contents(runs: Sequence[ScoredRun]) -> list[SameContents]:
    """Divide runs on the same test cases, and on files of the same names and sizes, by what the files of these held.

    Records of earlier versions know names and sizes alone. Such runs are taken to have had the contents that all
    others had, and are by themselves where those differ.
    """
    parts: dict[str, list[ScoredRun]] = {}
    for run in runs:
        contents = run.record.data.contents
        parts.setdefault(contents.test_root if contents is not None else "", []).append(run)
    stated = [root for root in parts if root]
    if len(stated) == 1:
        parts = {stated[0]: list(runs)}
    return [SameContents(root, _apart(root, parts), _told_apart(own)) for root, own in sorted(parts.items())]


def _told_apart(runs: list[ScoredRun]) -> list[ScoredRun]:
    roots = [run.record.data.contents.root if run.record.data.contents is not None else "" for run in runs]
    if len({root for root in roots if root}) < 2:
        return runs
    held = [{"data.contents": json.dumps(root[:8])} if root else {} for root in roots]
    return [replace(run, held=own) for run, own in zip(runs, held, strict=True)]


def _apart(root: str, parts: dict[str, list[ScoredRun]]) -> str:
    if len(parts) == 1:
        return ""
    if not root:
        return f"{_OTHERS}: they state what the files held, and differ in it; the records of this table do not."
    other = max(found for found in parts if found != root)
    ours, theirs = (_test_files(parts[found][0]) for found in (root, other))
    changed = contents_difference(ours, theirs) if ours and theirs else ""
    roots = f"data.contents.test_root is {other[:8]}, and here {root[:8]}"
    return f"{_OTHERS}: there, {changed or roots}."


def _test_files(run: ScoredRun) -> list[FileDigest]:
    """Digests of a run's test files, for a sentence that names one; none where its folder has none that are whole."""
    cases = {case for case, _ in run.test_set()}
    try:
        return [row for row in run.directory.read_data() if row.case in cases]
    except RecordError:
        return []
