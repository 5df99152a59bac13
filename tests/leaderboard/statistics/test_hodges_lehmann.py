"""The median of all Walsh averages, found without making them all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.leaderboard.statistics import hodges_lehmann as module
from adpfl_bench.leaderboard.statistics.hodges_lehmann import hodges_lehmann, hodges_lehmann_rows

numbers = st.one_of(st.floats(-1, 1), st.integers(-3, 3).map(lambda n: n / 10), st.floats(-1e6, 1e6))


def all_sums(differences):
    sums = [first + second for place, first in enumerate(differences) for second in differences[place:]]
    return np.median(sums) / 2


@pytest.mark.parametrize(("few", "quantiles"), [(1000, 250), (0, 2), (0, 5), (0, 250)])
@given(differences=st.lists(numbers, min_size=1, max_size=40))
def test_every_way_has_the_bits_of_the_median_of_all_sums(few, quantiles, differences):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_ALL_SUMS", few)
        patch.setattr(module, "_SAMPLE", quantiles)
        assert hodges_lehmann(np.array(differences)) == all_sums(differences)


@pytest.mark.parametrize("draw", ["normal", "ties", "zeros", "skewed", "equal"])
def test_many_differences(draw):
    generator = np.random.default_rng(0)
    n = 500
    differences = {
        "normal": generator.normal(size=n),
        "ties": generator.integers(-3, 4, n) * 0.1,
        "zeros": np.where(generator.random(n) < 0.6, 0, generator.normal(size=n)),
        "skewed": np.exp(6 * generator.normal(size=n)),
        "equal": np.full(n, 0.25),
    }[draw]
    first, second = np.triu_indices(n)
    assert hodges_lehmann(differences) == np.median(differences[first] + differences[second]) / 2


def test_rows_are_estimated_each_by_itself(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(9, 20))
    each = [hodges_lehmann(row) for row in rows]
    assert hodges_lehmann_rows(rows).tolist() == each
    monkeypatch.setattr(module, "_AT_ONCE", 500)  # two rows at a time
    assert hodges_lehmann_rows(rows).tolist() == each
