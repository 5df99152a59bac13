"""Round columns: the numbers of all rounds, what rounds.csv holds, as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import RecordError
from adpfl_bench.records.csv_columns import CsvColumns, check_names, numbers
from adpfl_bench.records.text_column import TextBuilder, TextColumn, first_repeated
from adpfl_bench.text import plain_cell

_COLUMNS = ("round", "client", "name", "value")


@dataclass(frozen=True, eq=False)
class RoundColumns:
    """N numbers of rounds.

    Attributes:
        round: Rounds, counted from 1, of shape ``[N]``.
        client: Names of clients, or ``all``.
        name: What was measured.
        value: The numbers, of shape ``[N]``.
    """

    round: NDArray[np.int64]
    client: TextColumn
    name: TextColumn
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.round)

    def rows(self) -> Iterator[tuple[int, str, str, float]]:
        """Return round, client, name and value of each number."""
        return zip(self.round.tolist(), self.client.texts(), self.name.texts(), self.value.tolist(), strict=True)

    def take(self, rows: NDArray[Any]) -> RoundColumns:
        """Return some rows, given by a mask or by their places."""
        return RoundColumns(self.round[rows], self.client.take(rows), self.name.take(rows), self.value[rows])

    def of_name(self, name: str) -> RoundColumns:
        """Return what was measured under a name."""
        return self.take(self.name.equals(name))

    def repeated(self) -> int | None:
        """Find the first row whose round, client and name an earlier one has too; ``None`` where there is none."""
        clients, names = max(1, len(self.client.names)), max(1, len(self.name.names))
        return first_repeated((self.round * clients + self.client.codes) * names + self.name.codes)

    def lines(self, content: bytes) -> dict[int, bytes]:
        """Return each round's lines as they stand in the file that was read.

        Args:
            content: The file.

        Raises:
            ValueError: There are other lines in it than those of rounds.
        """
        ends = np.flatnonzero(np.frombuffer(content, dtype=np.uint8) == ord("\n"))
        if len(ends) != len(self) + 1:
            raise ValueError("not every line is one of a round")
        starts = np.flatnonzero(np.diff(self.round, prepend=-1, append=-1))
        found: dict[int, list[bytes]] = {}
        for first, last in pairwise(starts.tolist()):
            found.setdefault(int(self.round[first]), []).append(content[ends[first] + 1 : ends[last] + 1])
        return {number: b"".join(lines) for number, lines in found.items()}

    def of_client(self, client: str) -> RoundColumns:
        """Return the numbers of one client, or of ``all``."""
        return self.take(self.client.equals(client))


NO_ROUNDS = RoundColumns(np.zeros(0, np.int64), TextColumn.of(()), TextColumn.of(()), np.zeros(0))


def parse_rounds(content: bytes, path: Path) -> RoundColumns:
    """Read what rounds.csv holds; a last line that a crash left unfinished is passed over.

    The content is that of ``RunDirectory.rounds_content``: whoever wants a digest takes it of the same bytes.

    Raises:
        RecordError: It is malformed.
    """
    try:
        return _parse(CsvColumns(content[: content.rfind(b"\n") + 1]))
    except (ValueError, OverflowError) as error:
        raise RecordError(f"{path} cannot be read as a table of rounds: {error}") from error


def _parse(file: CsvColumns) -> RoundColumns:
    file.require(_COLUMNS)
    client, name = TextBuilder(plain_cell), TextBuilder(plain_cell)
    rounds, values = [np.zeros(0, np.int64)], [np.zeros(0)]
    for cells in file.pieces():
        if "" in cells["value"]:
            raise ValueError("a line has no value")
        rounds.append(np.fromiter(map(int, cells["round"]), np.int64, len(cells["round"])))
        if rounds[-1].min() < 1:
            raise ValueError(f"rounds are counted from 1, but a line has {rounds[-1].min()}")
        values.append(numbers(cells["value"]))
        client.add(cells["client"])
        name.add(cells["name"])
    found = RoundColumns(np.concatenate(rounds), client.column(), name.column(), np.concatenate(values))
    check_names("client", found.client.names)
    check_names("name", found.name.names)
    return found
