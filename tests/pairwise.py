"""Combinations of several choices in which every two of them meet."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import product

Kind = Callable[[str], str]


def pairwise(*choices: Sequence[str], kinds: Mapping[tuple[int, int], Kind] | None = None) -> list[tuple[str, ...]]:
    """Few rows in which each value of a choice stands beside each value of every other one; the same in every process.

    Rows are grown choice by choice, as the IPO algorithm does (Lei and Tai, "In-parameter-order", HASE 1998): each row
    takes the value that brings most pairs that are not there yet, the rarest of several such, and the first value where
    none brings any.

    Args:
        choices: The values of each choice, the cheapest first; give those with most values first.
        kinds: For pairs of positions, the lower one first, whose values need not all meet: the kind of a value of the
            second. Each value of the first then stands beside a value of every kind.
    """
    kinds = kinds or {}
    rows: list[tuple[str, ...]] = [(value,) for value in choices[0]]
    for position in range(1, len(choices)):
        kind_of = [kinds.get((other, position), str) for other in range(position)]

        def pairs(row: tuple[str, ...], value: str, kind_of: list[Kind] = kind_of) -> set[tuple[int, str, str]]:
            return {(other, known, kind(value)) for other, (known, kind) in enumerate(zip(row, kind_of, strict=True))}

        values = choices[position]
        missing = {pair for row in product(*choices[:position]) for value in values for pair in pairs(row, value)}
        used: Counter[str] = Counter()
        for number, row in enumerate(rows):
            brought = {value: len(missing & pairs(row, value)) for value in values}
            value = max(brought, key=lambda value: (brought[value], -used[value] if brought[value] else 0))
            missing -= pairs(row, value)
            used[value] += 1
            rows[number] = (*row, value)
        for other, known, kind in sorted(missing):
            row = tuple(known if index == other else choices[index][0] for index in range(position))
            rows.append((*row, next(value for value in values if kind_of[other](value) == kind)))
    return rows
