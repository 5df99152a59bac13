"""Partition columns: where a division puts each case, what partition.csv holds, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import RecordError
from adpfl_bench.records.csv_columns import CsvColumns
from adpfl_bench.records.text_column import TextBuilder, TextColumn
from adpfl_bench.text import plain_cell

_COLUMNS = ("case", "patient", "client", "split")


@dataclass(frozen=True, eq=False)
class PartitionColumns:
    """Cases, each once, with the patient, the client and the split of each; a case's place in its column is its row."""

    case: TextColumn
    patient: TextColumn
    client: TextColumn
    split: TextColumn

    @cached_property
    def homes(self) -> NDArray[np.int64]:
        """A number for each row that is equal where client and split are."""
        return self.client.codes.astype(np.int64) * len(self.split.names) + self.split.codes

    @cached_property
    def sizes(self) -> Mapping[tuple[str, str], int]:
        """Number of cases by client and split."""
        homes, numbers = np.unique(self.homes, return_counts=True)
        found = zip(homes.tolist(), numbers.tolist(), strict=True)
        splits = len(self.split.names)
        return {(self.client.names[home // splits], self.split.names[home % splits]): size for home, size in found}

    @cached_property
    def scattered(self) -> str | None:
        """The first patient with cases in two clients or splits; ``None`` where there is none."""
        first = np.zeros(len(self.patient.names), dtype=np.int64)
        first[self.patient.codes[::-1]] = self.homes[::-1]
        elsewhere = self.homes != first[self.patient.codes]
        return self.patient[int(np.argmax(elsewhere))] if elsewhere.any() else None


def parse_partition(content: bytes, path: Path) -> PartitionColumns:
    """Read what partition.csv holds; runs on the same division share what was read.

    Raises:
        RecordError: It is malformed, or names a case twice.
    """
    try:
        found = _parse(content)
    except ValueError as error:
        raise RecordError(f"{path} cannot be read as a partition: {error}") from error
    if len(found.case.names) < len(found.case):
        raise RecordError(f"{path} names a case twice")
    return found


@lru_cache(maxsize=4)
def _parse(content: bytes) -> PartitionColumns:
    file = CsvColumns(content)
    file.require(_COLUMNS)
    columns = {name: TextBuilder(plain_cell) for name in _COLUMNS}
    for cells in file.pieces():
        for name, column in columns.items():
            column.add(cells[name])
    return PartitionColumns(**{name: column.column() for name, column in columns.items()})
