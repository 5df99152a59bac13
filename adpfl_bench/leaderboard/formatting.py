"""Formatting of numbers and cells, whichever table they are in."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from adpfl_bench.metrics.registry import Metric

EMPTY = "–"  # noqa: RUF001 - an en dash, as tables are set

_MARKUP = re.compile(
    r"[\\|<*`~$]|>(?!=)"  # escapes, tables, tags, emphasis, code, formulas; but not the sign for "at least"
    r"|(?<=\])[(\[:]"  # what would make a link or a picture of brackets
    r"|&(?=#?\w+;)"  # entities
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # emphasis, which an underscore within a word is none
    r"|(?<=[A-Za-z]):(?=//)|(?<=www)\."  # addresses
)
_ADDRESS = re.compile(r"(?<=[\w.+-])@(?=\w)")
_LINE_START = re.compile(r"^(\d*)([#+=>.)-])")

Row = TypeVar("Row")


@dataclass(frozen=True)
class TextTable:
    """A table ready to be set.

    Attributes:
        headings: One per column.
        numeric: Whether a column holds numbers, which are set flush right.
        cells: One list per row.
        footnotes: What ``[1]``, ``[2]``, ... in the cells stand for.
        keys: By column, in the order of the rows, what a column that states it is sorted by.
        main: The columns that are shown first where there is no room for all.
    """

    headings: list[str]
    numeric: list[bool]
    cells: list[list[str]]
    footnotes: list[str] = field(default_factory=list)
    keys: dict[int, list[float | None]] = field(default_factory=dict)
    main: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of a table.

    Attributes:
        heading: Its heading.
        cell: Makes its cell of a row.
        numeric: Whether it holds numbers.
        brief: Whether it is among those that fit a terminal.
        key: What it is sorted by, where that is not what the cell begins with; ``None`` comes last.
        main: Whether it is among those that a page shows first.
    """

    heading: str
    cell: Callable[[Row], str]
    numeric: bool = True
    brief: bool = False
    key: Callable[[Row], float | None] | None = None
    main: bool = False


def set_table(columns: Sequence[Column[Row]], rows: Sequence[Row], footnotes: Sequence[str] = ()) -> TextTable:
    """Make the cells of a table."""
    return TextTable(
        headings=[column.heading for column in columns],
        numeric=[column.numeric for column in columns],
        cells=[[column.cell(row) for column in columns] for row in rows],
        footnotes=list(footnotes),
        keys={place: list(map(column.key, rows)) for place, column in enumerate(columns) if column.key is not None},
        main=[place for place, column in enumerate(columns) if column.main],
    )


def number(value: float | None, form: str) -> str:
    """Return a number in the given format, or a dash for none."""
    return EMPTY if value is None else format(value, form)


def percent(value: float | None, form: str = ".2f") -> str:
    """Return a share as a percentage, or a dash for none; what is rounded to zero has no minus."""
    if value is None:
        return EMPTY
    text = format(100 * value, form)
    return text if float(text) else format(0.0, form)


def metric_text(metric: Metric, value: float | None, digits: int = 2) -> str:
    """Return a score as tables show it: shares in percent."""
    return percent(value, f".{digits}f") if metric.unit == "share" else number(value, f".{digits}f")


def markdown_table(text: TextTable) -> list[str]:
    """Return a table's lines in Markdown."""
    rule = "|" + "|".join("---:" if numeric else "---" for numeric in text.numeric) + "|"
    return [_markdown_row(text.headings), rule, *(_markdown_row(cells) for cells in text.cells)]


def escape_markdown(text: str) -> str:
    """Text in one line, with what Markdown would take for markup or a link escaped."""
    escaped = _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
    return _ADDRESS.sub("<!-- -->@", escaped)  # no backslash keeps GitHub from making a link of an address


def markdown_line(text: str) -> str:
    """Escape text that begins a line, where Markdown also has headings and lists."""
    return _LINE_START.sub(r"\1\\\2", escape_markdown(text))


def markdown_code(text: str) -> str:
    """Text in one line as code, in more backticks than it has in a row."""
    text = " ".join(text.split())
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{ticks} {text} {ticks}" if text.startswith("`") or text.endswith("`") else f"{ticks}{text}{ticks}"


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(escape_markdown(cell) for cell in cells) + " |"
