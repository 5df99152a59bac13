"""The table of independent epsilons in docs/privacy.md: current, and never above what is accounted."""

import sys
from pathlib import Path

import pytest

from adpfl_bench.privacy.accounting import accountant
from tests.effort import THOROUGH

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))
from accountant_check import SETTINGS, row  # noqa: E402

SLOW = ("Laplace, L1, q = 0.01", "Gaussian, q = 1e-4")
TABLE = [line for line in (ROOT / "docs" / "privacy.md").read_text().splitlines() if line.startswith("|")]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_all_kinds_of_ledgers_are_in_it():
    assert len(SETTINGS) >= 20
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)
    assert {accountant(setting.events) for setting in SETTINGS} == {"Gaussian DP", "PLD", "zCDP"}
    assert len({setting.delta for setting in SETTINGS}) >= 4
    assert any(setting.size > 1 for setting in SETTINGS)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_accounted_and_independent_epsilon(setting):
    if setting.name in SLOW and not THOROUGH:
        pytest.skip("it takes seconds: EXAMPLES=50 tries it")
    line, agrees = row(setting)
    assert agrees, line
    (stated,) = [each for each in TABLE if cells(each)[0] == setting.name]
    now, then = cells(line), cells(stated)
    assert (now[:4], now[7]) == (then[:4], then[7])
    assert [float(cell) for cell in now[4:7]] == pytest.approx([float(cell) for cell in then[4:7]], rel=3e-4)
