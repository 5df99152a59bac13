"""What the runs of a grid have cost the accounts that they share."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from adpfl_bench.errors import BenchError
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.records.settings import ACCOUNT
from adpfl_bench.text import count


def account_costs(runs: Sequence[GridRun]) -> Iterator[str]:
    """Say of each account that runs share what they have spent of it together, and what else has."""
    folders: dict[str, list[GridRun]] = {}
    for run in runs:
        if (folder := json.loads(run.settings.get(ACCOUNT, "null"))) is not None:
            folders.setdefault(folder, []).append(run)
    for folder, own in folders.items():
        try:
            yield _cost(Path(folder), own)
        except BenchError as error:
            yield f"The account {folder} does not say what the runs have cost: {error}"


def _cost(folder: Path, runs: Sequence[GridRun]) -> str:
    from adpfl_bench.privacy.account.cohort_account import CohortAccount  # deferred: most grids have no account
    from adpfl_bench.report.account_statement import AccountStatement

    statement = AccountStatement.of(CohortAccount(folder.expanduser()))
    places = {str(run.files.folder.resolve()) for run in runs}
    known = {run.facts.run for run in statement.state.runs.values() if run.facts.folder in places}
    here = [run.epsilon for run in statement.runs if run.run in known]
    opening, others = statement.state.opening, len(statement.runs) - len(here)
    dearest = f"the dearest of them alone {max(here):.4g}; " if here else ""
    more = f" and {count(others, 'other run')}" if others else ""
    return (
        f"\nThe account {opening.name} ({folder}): {count(len(here), 'run')} of this grid{more} together:"
        f" {statement.spent_text} ({dearest}the budget {opening.epsilon:g}). Left: {statement.left_text}."
    )
