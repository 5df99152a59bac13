"""Holm's correction against statsmodels and against its procedure."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from adpfl_bench.leaderboard.statistics.pairwise import holm


@pytest.mark.parametrize(
    "p_values",
    [[0.03], [0.01, 0.04, 0.03], [0.02, 0.02, 0.0, 1.0], [0.3, 0.2, 0.001, 0.012, 0.013, 0.05, 0.0125, 0.6, 1.0, 0.04]],
)
def test_it_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1], abs=1e-12)


@given(
    p_values=st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.0125, 0.02, 0.04, 0.05, 0.3, 1.0]), min_size=1, max_size=12),
    level=st.sampled_from([0.011, 0.049, 0.051, 0.21]),
)
def test_it_rejects_as_the_procedure_does(p_values, level):
    """Holm 1979: go up the ordered p-values, stop at the first above level / (number of those left)."""
    rejected = np.zeros(len(p_values), dtype=bool)
    for step, position in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[position] > level / (len(p_values) - step):
            break
        rejected[position] = True
    assert (holm(p_values) <= level).tolist() == rejected.tolist()


def test_no_tests_no_values():
    assert holm([]).tolist() == []
