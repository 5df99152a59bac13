"""Combinations of several choices in which every two of them meet."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import product


def pairwise(*choices: Sequence[str], without: Collection[tuple[int, int]] = ()) -> list[tuple[str, ...]]:
    """Few rows in which each value of a choice stands beside each value of every other one; the same in every process.

    Rows are grown choice by choice, as the IPO algorithm does (Lei and Tai, "In-parameter-order", HASE 1998): each row
    takes the value that brings most pairs that are not there yet, and the rarest of several such.

    Args:
        choices: The values of each choice; give those with most values first.
        without: Pairs of positions whose values need not all meet; the lower position first.
    """
    rows: list[tuple[str, ...]] = list(product(*choices[:2]))
    for position in range(2, len(choices)):
        others = [other for other in range(position) if (other, position) not in without]
        missing = {(other, known, value) for other in others for known in choices[other] for value in choices[position]}
        used: Counter[str] = Counter()

        def pairs(row: tuple[str, ...], value: str, others: list[int] = others) -> set[tuple[int, str, str]]:
            return {(other, row[other], value) for other in others}

        for number, row in enumerate(rows):
            value = max(choices[position], key=lambda value: (len(missing & pairs(row, value)), -used[value]))
            missing -= pairs(row, value)
            used[value] += 1
            rows[number] = (*row, value)
        for other, known, value in sorted(missing):
            row = tuple(known if index == other else choices[index][0] for index in range(position))
            rows.append((*row, value))
    return rows
