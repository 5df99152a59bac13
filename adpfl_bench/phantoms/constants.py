"""Tables of constants: a row for each field, a column for each object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

Range = tuple[float, float]
"""Lower and upper bound of a uniform draw."""

_Kind = TypeVar("_Kind")


def read_columns(kind: type[_Kind], names: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> Mapping[str, _Kind]:
    """Make an object of each column of a table, by the columns' names; rows are called as its fields."""
    columns = (dict(zip(rows, column, strict=True)) for column in zip(*rows.values(), strict=True))
    return MappingProxyType({name: kind(**column) for name, column in zip(names, columns, strict=True)})
