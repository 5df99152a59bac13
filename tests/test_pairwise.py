"""The matrix of runs leaves no two choices apart."""

from itertools import combinations, product

from tests.pairwise import pairwise


def test_every_two_choices_meet() -> None:
    choices = (["a", "b", "c", "d"], ["1", "2", "3"], ["x", "y", "z"], ["+", "-"], ["p", "q", "r"])
    rows = pairwise(*choices)
    for first, second in combinations(range(len(choices)), 2):
        assert {(row[first], row[second]) for row in rows} == set(product(choices[first], choices[second]))
    assert len(rows) < 24 < 4 * 3 * 3 * 2 * 3
    assert rows == pairwise(*choices)
    assert len(pairwise(*choices, without=[(0, 2), (0, 4)])) == 12
