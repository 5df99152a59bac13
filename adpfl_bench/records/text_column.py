"""Text column: names of many rows, each name once and a number for each row."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TextColumn:
    """A column of texts, of which few are different.

    Equal texts of all columns are one object in memory, so that a thousand runs on the same cases hold their names
    once, and columns are compared by their numbers.

    Attributes:
        codes: For each row the place of its text in ``names``, of shape ``[N]``.
        names: The texts, each once, in the order in which they came first. After a selection some may have no row.
    """

    codes: Codes
    names: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextColumn:
        """Make a column of the texts of its rows."""
        builder = TextBuilder()
        builder.add(tuple(texts))
        return builder.column()

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> str:
        return self.names[int(self.codes[row])]

    def texts(self) -> list[str]:
        """Return the text of each row."""
        return [self.names[code] for code in self.codes.tolist()]

    def take(self, rows: NDArray[Any]) -> TextColumn:
        """Return the column of some rows, given by a mask or by their places."""
        return TextColumn(self.codes[rows], self.names)

    def first_rows(self) -> NDArray[np.int64]:
        """Places of the rows at which each text comes first, ascending."""
        rows = np.full(len(self.names), len(self.codes), dtype=np.int64)
        # Of several assignments to one place the last stays, so rows are walked from the end.
        rows[self.codes[::-1]] = np.arange(len(self.codes) - 1, -1, -1)
        return np.sort(rows[rows < len(self.codes)])

    def present(self) -> list[str]:
        """Texts that some row has, in the order in which they come first."""
        return [self.names[code] for code in self.codes[self.first_rows()].tolist()]

    def ranks(self) -> NDArray[np.int64]:
        """For each row the place of its text in the order of all texts."""
        order = np.array(sorted(range(len(self.names)), key=self.names.__getitem__), dtype=np.int64)
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks[self.codes]

    def is_in(self, texts: Collection[str]) -> BoolArray:
        """Say of each row whether its text is one of these."""
        chosen = np.fromiter((name in texts for name in self.names), np.bool_, len(self.names))
        found: BoolArray = chosen[self.codes] if len(self.names) else np.zeros(0, np.bool_)
        return found

    def equals(self, text: str) -> BoolArray:
        """Say of each row whether its text is this one."""
        return self.is_in((text,))

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Places of the texts in ``names``."""
        return {name: place for place, name in enumerate(self.names)}

    def codes_in(self, other: TextColumn) -> NDArray[np.int64]:
        """For each row the number that another column has for its text; -1 where it has none."""
        if self.names == other.names:
            return self.codes.astype(np.int64)
        places = other.places
        found = np.fromiter((places.get(name, -1) for name in self.names), np.int64, len(self.names))
        return found[self.codes] if len(self.names) else np.zeros(0, np.int64)


def first_repeated(keys: NDArray[np.int64]) -> int | None:
    """Find the first row whose key an earlier row has too; ``None`` where there is none."""
    _, first = np.unique(keys, return_index=True)
    return None if len(first) == len(keys) else int(np.setdiff1d(np.arange(len(keys)), first)[0])


def join_texts(columns: Sequence[TextColumn]) -> TextColumn:
    """Return one column under the other."""
    first = columns[0]
    if all(column.names == first.names for column in columns):
        return TextColumn(np.concatenate([column.codes for column in columns]), first.names)
    names = tuple(dict.fromkeys(name for column in columns for name in column.names))
    joined = TextColumn(np.zeros(0, np.int32), names)
    codes = [column.codes_in(joined).astype(np.int32) for column in columns]
    return TextColumn(np.concatenate(codes), names)


class TextBuilder:
    """A column that is read piece by piece.

    Args:
        read: What becomes of a cell's text; it is asked once for each different cell.
    """

    def __init__(self, read: Callable[[str], str] = str) -> None:
        self._read = read
        self._places: dict[str, int] = {}
        self._known: dict[str, int] = {}
        self._codes: list[Codes] = []

    def add(self, cells: Sequence[str]) -> None:
        """Append rows."""
        known, places = self._known, self._places
        found = dict.fromkeys(cells)
        for cell in found:
            if cell not in known:
                known[cell] = places.setdefault(sys.intern(self._read(cell)), len(places))
        if len(found) == 1:
            self._codes.append(np.full(len(cells), known[cells[0]], np.int32))
        else:
            self._codes.append(np.fromiter(map(known.__getitem__, cells), np.int32, len(cells)))

    def column(self) -> TextColumn:
        """Return the column of all rows."""
        codes = np.concatenate(self._codes) if self._codes else np.zeros(0, np.int32)
        return TextColumn(codes, tuple(self._places))
