"""The leaderboard as text: Markdown, CSV and a table for the terminal."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, fields

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from adpfl_bench.results.audits import bound_text
from adpfl_bench.results.comparability import LeftOut, ListedAudit
from adpfl_bench.results.headline import SCORED_MODEL
from adpfl_bench.results.notes import LEGEND, table_notes
from adpfl_bench.results.table import Table, TableRow

EMPTY = "–"  # noqa: RUF001 - an en dash, as tables are set
DATA_NOTE = {
    "phantom": "Phantoms are synthetic: these numbers say that the code works, nothing about patients.",
}


@dataclass(frozen=True)
class TextTable:
    """A table ready to be set.

    Attributes:
        headings: One per column.
        numeric: Whether a column holds numbers, which are set flush right.
        cells: One list per row.
        footnotes: What ``[1]``, ``[2]``, ... in the cells stand for.
    """

    headings: list[str]
    numeric: list[bool]
    cells: list[list[str]]
    footnotes: list[str]


@dataclass(frozen=True)
class _Column:
    heading: str
    cell: Callable[[TableRow], str]
    numeric: bool = True
    brief: bool = False


def text_table(table: Table, brief: bool = False) -> TextTable:
    """Format the numbers of a table.

    Args:
        table: The numbers.
        brief: Only the columns that fit a terminal.
    """
    footnotes = list(
        dict.fromkeys(note for row in table.rows for note in (_on_accounted(row), _on_audited(row)) if note)
    )
    columns = [column for column in _columns(table, footnotes, brief) if column.brief or not brief]
    return TextTable(
        headings=[column.heading for column in columns],
        numeric=[column.numeric for column in columns],
        cells=[[column.cell(row) for column in columns] for row in table.rows],
        footnotes=footnotes,
    )


def _columns(table: Table, footnotes: Sequence[str], brief: bool) -> list[_Column]:
    first = table.rows[0]
    several = any(row.scored_model != SCORED_MODEL["global"] for row in table.rows)
    columns = [
        _Column("Method", lambda row: row.label, numeric=False, brief=True),
        _Column("Scored", lambda row: row.scored_model, numeric=False, brief=several),
        _Column("Seeds", lambda row: str(row.n_seeds), brief=True),
        _Column("Dice %", lambda row: _percent(row.dice_mean), brief=True),
        _Column("SD patients", lambda row: _percent(row.dice_sd_patients), brief=True),
        _Column("SD seeds", lambda row: _percent(row.dice_sd_seeds), brief=True),
        _Column("IoU %", lambda row: _percent(row.iou_mean)),
        _Column(f"HD95 {first.hd95_unit} (edge voxels)", lambda row: _number(row.hd95_mean, ".2f"), brief=True),
        _Column("NSD % (area)", lambda row: _percent(row.nsd_mean)),
        _Column("Missed", lambda row: f"{row.missed} / {row.scored}"),
        _Column("Worst client", _worst_client, numeric=False, brief=True),
        _Column("Spread", lambda row: _percent(row.client_spread)),
        _Column("Gap closed %", lambda row: _percent(row.gap_closed, ".0f"), brief=True),
        _Column("Unit", lambda row: row.unit, numeric=False),
        _Column("Epsilon nominal", lambda row: _number(row.nominal_epsilon, "g"), brief=True),
        _Column("Epsilon accounted", lambda row: _accounted(row, footnotes), numeric=False, brief=True),
        _Column("Epsilon audited", lambda row: _audited(row, footnotes, brief), numeric=False, brief=True),
        _Column("Wall s", lambda row: _number(row.wall_seconds, ",.0f")),
        _Column("Memory MiB", lambda row: _number(row.peak_memory_mb, ",.0f")),
    ]
    if any(row.peak_gpu_memory_mb is not None for row in table.rows):
        columns.append(_Column("GPU MiB", lambda row: _number(row.peak_gpu_memory_mb, ",.0f")))
    return columns


def _worst_client(row: TableRow) -> str:
    return EMPTY if row.worst_client is None else f"{row.worst_client} {_percent(row.worst_client_dice)}"


def _number(value: float | None, form: str) -> str:
    return EMPTY if value is None else format(value, form)


def _percent(value: float | None, form: str = ".2f") -> str:
    return EMPTY if value is None else format(100 * value, form)


def _on_accounted(row: TableRow) -> str | None:
    if row.accounted_epsilon is None:
        return row.accounted_reason
    return f"Not covered by the accounted epsilon: {row.accounted_not_covered}" if row.accounted_not_covered else None


def _on_audited(row: TableRow) -> str | None:
    return f"! {row.label} is contradicted: {row.audited_problems}" if row.audited_problems else None


def _accounted(row: TableRow, footnotes: Sequence[str]) -> str:
    value = "none"
    if row.accounted_epsilon is not None:
        value = f"{row.accounted_epsilon:.4g} (delta {_number(row.accounted_delta, 'g')})"
    return value + _mark(_on_accounted(row), footnotes)


def _audited(row: TableRow, footnotes: Sequence[str], brief: bool) -> str:
    if row.audited_epsilon is None or row.audited_confidence is None or row.audited_canaries is None:
        return EMPTY
    text = bound_text(row.audited_epsilon, row.audited_confidence, row.audited_canaries)
    text = text.split(" (")[0] if brief else text  # a terminal shows the whole of it among the audits
    return f"{'! ' if row.audited_problems else ''}{text}{_mark(_on_audited(row), footnotes)}"


def _mark(note: str | None, footnotes: Sequence[str]) -> str:
    return f" [{footnotes.index(note) + 1}]" if note else ""


def to_csv(tables: Sequence[Table]) -> str:
    """All rows of all tables at full precision: ``float(cell)`` gives back the very number; empty is ``None``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(TableRow))
    for table in tables:
        for row in table.rows:
            writer.writerow("" if value is None else value for value in astuple(row))
    return text.getvalue()


def to_markdown(tables: Sequence[Table], left_out: Sequence[LeftOut], audits: Sequence[ListedAudit] = ()) -> str:
    """Every table under the heading of its comparable group, with what one must know to read it."""
    lines = ["# Leaderboard", ""]
    group = None
    for table in tables:
        if table.group is not group:
            group = table.group
            lines += [f"## {_escape(group.heading)}", ""]
            lines += [f"{DATA_NOTE[group.kind]}\n"] if group.kind in DATA_NOTE else []
        text = text_table(table)
        lines += [f"### Region {_escape(table.region)}, {table.rows[0].patients} patients", ""]
        lines.append(_markdown_row(text.headings))
        lines.append("|" + "|".join("---:" if numeric else "---" for numeric in text.numeric) + "|")
        lines += [_markdown_row(cells) for cells in text.cells]
        lines.append("")
        notes = [f"[{number}] {reason}." for number, reason in enumerate(text.footnotes, 1)]
        lines += [f"{_escape(note)}  " for note in notes] + ([""] if notes else [])
        lines += [f"- {_escape(note)}" for note in table_notes(table)] + [""]
    if not tables:
        lines += ["No run is finished and scored yet.", ""]
    if audits:
        lines += ["## Audits", ""]
        lines += [f"- `{entry.folder}`: {_escape(entry.text)}" for entry in audits] + [""]
    if left_out:
        lines += ["## Left out", ""]
        lines += [f"- `{entry.folder}`: {_escape(entry.reason)}" for entry in left_out] + [""]
    lines += ["## How to read the tables", "", *(f"- {sentence}" for sentence in LEGEND), ""]
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(text: str) -> str:
    return " ".join(re.sub(r"[\\|<*`]|>(?!=)", r"\\\g<0>", text).split())


def to_terminal(table: Table) -> RichTable:
    """The main columns of a table, for rich to print."""
    text = text_table(table, brief=True)
    title = f"{table.group.heading}, region {table.region}"
    rich = RichTable(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left")
    for heading, numeric in zip(text.headings, text.numeric, strict=True):
        rich.add_column(heading, justify="right" if numeric else "left", no_wrap=heading == text.headings[0])
    for cells in text.cells:
        rich.add_row(*(Text(cell) for cell in cells))
    return rich
