"""Tables of constants: a row for each field, a column for each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

Range = tuple[float, float]
"""Lower and upper bound of a uniform draw."""

_Record = TypeVar("_Record")


def read_columns(kind: type[_Record], names: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> Mapping[str, _Record]:
    """Make a record of each column of a table, by the columns' names; rows are called as the record's fields."""
    columns = (dict(zip(rows, column, strict=True)) for column in zip(*rows.values(), strict=True))
    return MappingProxyType({name: kind(**column) for name, column in zip(names, columns, strict=True)})
