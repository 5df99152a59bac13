"""What a grid's runs have cost the account that they share."""

import json
from dataclasses import replace
from pathlib import Path

from adpfl_bench.grid.account_costs import account_costs
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import Release
from tests.grid.fakes import planned
from tests.privacy.accounts import DELTA, asked, made

NOISES = Release("GaussianMechanism", 2.0), Release("GaussianMechanism", 3.0)


def test_the_composed_total_is_said_and_single_runs_are_not_added(tmp_path: Path) -> None:
    account = made(tmp_path / "account", epsilon=20.0, name="ward 3")
    runs = [planned(tmp_path, method=name) for name in ("a", "b")]
    runs = [replace(run, settings={**run.settings, "privacy.account": json.dumps(str(account.folder))}) for run in runs]
    for run, noise in zip(runs, NOISES, strict=True):
        account.reserve(asked(run.name.replace("/", "-"), {"x": ["one"]}, run.files.folder.resolve(), release=noise))
        account.settle(run.name.replace("/", "-"), {"x": {noise: 4}})
    account.reserve(asked("elsewhere", {"x": ["two"]}))
    together = client_epsilon(dict.fromkeys(NOISES, 4), DELTA)
    alone = client_epsilon({NOISES[0]: 4}, DELTA)
    (line,) = account_costs(runs)
    assert "The account ward 3" in line
    assert f"2 runs of this grid and 1 other run together: epsilon {together:.4g} at delta 1e-05" in line
    assert f"(the dearest of them alone {alone:.4g}; the budget 20)" in line


def test_grids_without_an_account_say_nothing_and_one_that_is_gone_is_told(tmp_path: Path) -> None:
    run = planned(tmp_path)
    assert list(account_costs([run])) == []
    gone = replace(run, settings={**run.settings, "privacy.account": json.dumps(str(tmp_path / "gone"))})
    (line,) = account_costs([gone])
    assert "is no account" in line
