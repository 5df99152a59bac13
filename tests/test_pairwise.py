"""The matrix of runs leaves no two choices apart."""

from collections import Counter
from itertools import combinations, product

from tests.pairwise import pairwise


def test_every_two_choices_meet() -> None:
    choices = (["a", "b", "c", "d"], ["1", "2", "3"], ["x", "y", "z"], ["+", "-"], ["p", "q", "r"])
    rows = pairwise(*choices)
    for first, second in combinations(range(len(choices)), 2):
        assert {(row[first], row[second]) for row in rows} == set(product(choices[first], choices[second]))
    assert len(rows) < 24 < 4 * 3 * 3 * 2 * 3
    assert rows == pairwise(*choices)


def test_where_kinds_suffice_there_are_fewer_rows_and_the_first_value_is_the_commonest() -> None:
    kind = {"x": "cheap", "y": "dear", "z": "dear"}
    rows = pairwise(["a", "b", "c", "d"], ["1", "2", "3"], ["x", "y", "z"], kinds={(0, 2): kind.__getitem__})
    assert {(row[1], row[2]) for row in rows} == set(product("123", "xyz"))
    assert {(row[0], kind[row[2]]) for row in rows} == set(product("abcd", ["cheap", "dear"]))
    assert len(rows) <= 13
    assert Counter(row[2] for row in rows).most_common(1)[0][0] == "x"


def test_kinds_suffice_for_the_first_two_choices_too() -> None:
    kind = {"1": "odd", "2": "even", "3": "odd"}
    rows = pairwise(["a", "b", "c", "d"], ["1", "2", "3"], ["x", "y"], kinds={(0, 1): kind.__getitem__})
    assert {(row[0], kind[row[1]]) for row in rows} == set(product("abcd", ["odd", "even"]))
    assert {(row[1], row[2]) for row in rows} == set(product("123", "xy"))
    assert {(row[0], row[2]) for row in rows} == set(product("abcd", "xy"))
    assert len(rows) <= 10 < len(pairwise(["a", "b", "c", "d"], ["1", "2", "3"], ["x", "y"]))
