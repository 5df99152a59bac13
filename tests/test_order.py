"""The order of the tests loses none, and gives each worker its share of the long ones first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.order import LONG, long_first


@given(long=st.integers(0, 40), short=st.integers(0, 60), workers=st.integers(1, 5))
def test_no_test_is_lost_and_each_share_begins_with_long_ones(long: int, short: int, workers: int) -> None:
    order = long_first([*range(long)], [*range(100, 100 + short)], workers)
    assert sorted(order) == [*range(long), *range(100, 100 + short)]
    if long + short >= 2 * workers and short > long * workers:
        count = len(order)
        for worker in range(workers):
            own = order[count * worker // workers : count * (worker + 1) // workers]
            here = [number < 100 for number in own]
            assert here == sorted(here, reverse=True)
            assert abs(sum(here) - long / workers) < 1


def test_the_files_are_there(pytestconfig: pytest.Config) -> None:
    assert [name for name in LONG if not (pytestconfig.rootpath / name).exists()] == []
