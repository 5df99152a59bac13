"""Random histories of an account, with processes that are killed, beside an independent composition."""

import sys
from pathlib import Path

import pytest

from tests.effort import ACCIDENTS_SEED, THOROUGH

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from account_histories import FAMILIES, History

NUMBER = len(FAMILIES) if THOROUGH else 3


@pytest.mark.parametrize("number", range(NUMBER))
def test_never_below_what_was_released_and_never_above_where_it_is_exact(tmp_path, number):
    """``python benchmarks/account_histories.py`` plays 200."""
    outcome = History(1000 * ACCIDENTS_SEED + 3 * number, tmp_path).play(starts=4)
    assert outcome.problems == []
    assert outcome.started > 0
