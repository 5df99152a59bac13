"""Text column: names of many rows, each name once and a number for each row."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
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

    def is_in(self, texts: Collection[str]) -> BoolArray:
        """Say of each row whether its text is one of these."""
        chosen = np.fromiter((name in texts for name in self.names), np.bool_, len(self.names))
        found: BoolArray = chosen[self.codes] if len(self.names) else np.zeros(0, np.bool_)
        return found

    def equals(self, text: str) -> BoolArray:
        """Say of each row whether its text is this one."""
        return self.is_in((text,))

    def codes_in(self, names: Sequence[str]) -> NDArray[np.int64]:
        """For each row the place of its text in ``names``; -1 where it is not among them."""
        places = {name: place for place, name in enumerate(names)}
        found = np.fromiter((places.get(name, -1) for name in self.names), np.int64, len(self.names))
        return found[self.codes] if len(self.names) else np.zeros(0, np.int64)


def join_texts(columns: Sequence[TextColumn]) -> TextColumn:
    """Return one column under the other."""
    first = columns[0]
    if all(column.names == first.names for column in columns):
        return TextColumn(np.concatenate([column.codes for column in columns]), first.names)
    names = tuple(dict.fromkeys(name for column in columns for name in column.names))
    codes = [column.codes_in(names).astype(np.int32) for column in columns]
    return TextColumn(np.concatenate(codes), names)


class TextBuilder:
    """A column that is read piece by piece."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}
        self._codes: list[Codes] = []

    def add(self, texts: Sequence[str]) -> None:
        """Append rows."""
        places = self._places
        for text in dict.fromkeys(texts):
            if text not in places:
                places[sys.intern(text)] = len(places)
        self._codes.append(np.fromiter(map(places.__getitem__, texts), np.int32, len(texts)))

    def column(self) -> TextColumn:
        """Return the column of all rows."""
        codes = np.concatenate(self._codes) if self._codes else np.zeros(0, np.int32)
        return TextColumn(codes, tuple(self._places))
