"""Pieces of a plot that stands alone and is tall: a page sets them side by side, so that they fill its width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

_MOST_PIECES = 3
"""So many stand side by side on a wide screen."""


def in_parts(rows: Sequence[str], fewest: int) -> list[Sequence[str]]:
    """Cut the rows of a plot into parts of nearly one length, in order.

    Args:
        rows: Names of the rows.
        fewest: Rows that a part has at least.

    Returns:
        Two or three parts; nothing where there are too few rows for two.

    >>> in_parts("abcdefg", fewest=3)
    ['abcd', 'efg']
    >>> in_parts("abcdefg", fewest=2)
    ['abc', 'de', 'fg']
    >>> in_parts("abc", fewest=2)
    []
    """
    parts = min(_MOST_PIECES, len(rows) // fewest)
    if parts < 2:
        return []
    ends = [math.ceil(len(rows) * part / parts) for part in range(parts + 1)]
    return [rows[start:end] for start, end in pairwise(ends)]


def part_name(what: str, rows: Sequence[str], part: Sequence[str]) -> str:
    """Return what a heading adds for a part.

    >>> part_name("methods", "abcdefg", "efg")
    ', methods 5 to 7 of 7'
    """
    first = rows.index(part[0]) + 1
    last = first + len(part) - 1
    numbers = f"{what} {first} to {last}" if last > first else f"{what.removesuffix('s')} {first}"
    return f", {numbers} of {len(rows)}"
