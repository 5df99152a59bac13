"""The leaderboard as text: Markdown, CSV and a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from adpfl_bench.leaderboard.audits import bound_text
from adpfl_bench.leaderboard.comparability import LeftOut, ListedAudit
from adpfl_bench.leaderboard.comparisons import ComparisonRow
from adpfl_bench.leaderboard.formatting import (
    EMPTY,
    Column,
    TextTable,
    csv_text,
    escape_markdown,
    markdown_table,
    number,
    percent,
    set_table,
)
from adpfl_bench.leaderboard.headline import SCORED_MODEL
from adpfl_bench.leaderboard.notes import LEGEND, table_notes
from adpfl_bench.leaderboard.overview import OVERVIEW, OVERVIEW_NOTE, make_overviews
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.statistics_text import (
    LEGEND as STATISTICS_LEGEND,
)
from adpfl_bench.leaderboard.statistics_text import (
    interval_text,
    matrix_text,
    ranking_heading,
    ranking_notes,
    ranking_text,
    statistics_notes,
)
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.leaderboard.table_statistics import rank_regions
from adpfl_bench.leaderboard.threshold_rows import ThresholdRow
from adpfl_bench.leaderboard.thresholds_text import LEGEND as THRESHOLDS_LEGEND
from adpfl_bench.leaderboard.thresholds_text import threshold_lines
from adpfl_bench.leaderboard.who_benefits import ClientRow
from adpfl_bench.leaderboard.who_benefits_text import LEGEND as BENEFITS_LEGEND
from adpfl_bench.leaderboard.who_benefits_text import benefit_lines

DATA_NOTE = {
    "phantom": "Phantoms are synthetic: these numbers say that the code works, nothing about patients.",
}


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
    return set_table(columns, table.rows, footnotes)


def _columns(table: Table, footnotes: Sequence[str], brief: bool) -> list[Column[TableRow]]:
    first = table.rows[0]
    several = any(row.scored_model != SCORED_MODEL["global"] for row in table.rows)
    short: dict[str, str] = {text: headline for headline, text in SCORED_MODEL.items()}
    columns = [
        Column[TableRow]("Method", lambda row: row.label, numeric=False, brief=True),
        Column("Scored", lambda row: short[row.scored_model] if brief else row.scored_model, False, brief=several),
        Column("Seeds", lambda row: str(row.n_seeds), brief=True),
        Column("Dice %", lambda row: percent(row.dice_mean), brief=True),
        Column("95 % interval", interval_text, brief=True),
        Column("SD patients", lambda row: percent(row.dice_sd_patients), brief=True),
        Column("SD seeds", lambda row: percent(row.dice_sd_seeds), brief=True),
        Column("IoU %", lambda row: percent(row.iou_mean)),
        Column(f"HD95 {first.hd95_unit} (edge voxels)", lambda row: number(row.hd95_mean, ".2f"), brief=True),
        Column("NSD % (area)", lambda row: percent(row.nsd_mean)),
        Column("Missed", lambda row: f"{row.missed} / {row.scored}"),
        Column("Worst client", _worst_client, numeric=False, brief=True),
        Column("Spread", lambda row: percent(row.client_spread)),
        Column("Gap closed %", lambda row: percent(row.gap_closed, ".0f"), brief=True),
        Column("Unit", lambda row: row.unit, numeric=False),
        Column("Epsilon nominal", lambda row: number(row.nominal_epsilon, "g"), brief=True),
        Column("Epsilon accounted", lambda row: _accounted(row, footnotes), numeric=False, brief=True),
        Column("Epsilon audited", lambda row: _audited(row, footnotes, brief), numeric=False, brief=True),
        Column("Wall s", lambda row: number(row.wall_seconds, ",.0f")),
        Column("Memory MiB", lambda row: number(row.peak_memory_mb, ",.0f")),
    ]
    if any(row.peak_gpu_memory_mb is not None for row in table.rows):
        columns.append(Column("GPU MiB", lambda row: number(row.peak_gpu_memory_mb, ",.0f")))
    return columns


def _worst_client(row: TableRow) -> str:
    return EMPTY if row.worst_client is None else f"{row.worst_client} {percent(row.worst_client_dice)}"


def _on_accounted(row: TableRow) -> str | None:
    if row.accounted_epsilon is None:
        return row.accounted_reason
    return f"Not covered by the accounted epsilon: {row.accounted_not_covered}" if row.accounted_not_covered else None


def _on_audited(row: TableRow) -> str | None:
    return f"! {row.label} is contradicted: {row.audited_problems}" if row.audited_problems else None


def _accounted(row: TableRow, footnotes: Sequence[str]) -> str:
    value = "none"
    if row.accounted_epsilon is not None:
        value = f"{row.accounted_epsilon:.4g} (delta {number(row.accounted_delta, 'g')})"
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
    return csv_text(TableRow, (row for table in tables for row in table.rows))


def clients_csv(tables: Sequence[Table]) -> str:
    """What each method does for each client, of all tables and as precise."""
    return csv_text(ClientRow, (row for table in tables for row in table.benefits.clients))


def comparisons_csv(tables: Sequence[Table]) -> str:
    """Every pair of methods of all tables, as precise."""
    return csv_text(ComparisonRow, (row for table in tables for row in table.statistics.comparisons))


def thresholds_csv(tables: Sequence[Table]) -> str:
    """Every adaptive method beside the fixed thresholds that it could have had, of all tables and as precise."""
    return csv_text(ThresholdRow, (row for table in tables for row in table.thresholds))


def ranking_csv(tables: Sequence[Table]) -> str:
    """The rankings of all tables and, of groups with several regions, over these; as precise."""
    return csv_text(RankingRow, (row for group in by_group(tables) for row in _ranking_rows(group)))


def by_group(tables: Sequence[Table]) -> list[list[Table]]:
    """Tables of the same comparable group together, in their order."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        groups.setdefault(table.group.digest, []).append(table)
    return list(groups.values())


def _ranking_rows(tables: Sequence[Table]) -> list[RankingRow]:
    rows = [row for table in tables for row in table.statistics.ranking]
    return [*rows, *rank_regions([table.statistics for table in tables])]


def to_markdown(tables: Sequence[Table], left_out: Sequence[LeftOut], audits: Sequence[ListedAudit] = ()) -> str:
    """Every table under the heading of its comparable group, with what one must know to read it."""
    lines = ["# Leaderboard", "", *_overview_lines(tables)]
    for of_group in by_group(tables):
        group = of_group[0].group
        lines += [f"## {escape_markdown(group.heading)}", ""]
        lines += [f"{DATA_NOTE[group.kind]}\n"] if group.kind in DATA_NOTE else []
        for table in of_group:
            lines += _table_lines(table)
        lines += _ranking_lines(rank_regions([table.statistics for table in of_group]))
    if not tables:
        lines += ["No run is finished and scored yet.", ""]
    if audits:
        lines += ["## Audits", ""]
        lines += [f"- `{entry.folder}`: {escape_markdown(entry.text)}" for entry in audits] + [""]
    if left_out:
        lines += ["## Left out", ""]
        lines += [f"- `{entry.folder}`: {escape_markdown(entry.reason)}" for entry in left_out] + [""]
    legend = (*LEGEND, *STATISTICS_LEGEND, *THRESHOLDS_LEGEND, *BENEFITS_LEGEND)
    lines += [
        "## How to read the tables",
        "",
        *(f"- {escape_markdown(sentence)}" for sentence in legend),
        "",
    ]
    return "\n".join(lines)


def _overview_lines(tables: Sequence[Table]) -> list[str]:
    overviews = make_overviews(tables)
    lines = [f"## {OVERVIEW}", "", f"{OVERVIEW_NOTE}", ""] if overviews else []
    for overview in overviews:
        lines += [f"### {overview.heading}", "", *markdown_table(overview.text), ""]
    return lines


def _table_lines(table: Table) -> list[str]:
    text, region = text_table(table), escape_markdown(table.region)
    footnotes = [f"[{index}] {reason}." for index, reason in enumerate(text.footnotes, 1)]
    lines = [
        *(f"### Region {region}, {table.rows[0].patients} patients", ""),
        *markdown_table(text),
        "",
        *(f"{escape_markdown(note)}  " for note in footnotes),
        *([""] if footnotes else []),
        *(f"- {escape_markdown(note)}" for note in [*table_notes(table), *statistics_notes(table)]),
        "",
    ]
    if table.statistics.comparisons:
        lines += [f"#### Comparisons, region {region}", "", *markdown_table(matrix_text(table)), ""]
    lines += threshold_lines(table.thresholds, table.region)
    lines += _ranking_lines(table.statistics.ranking)
    return [*lines, f"#### Who benefits, region {region}", "", *benefit_lines(table.benefits)]


def _ranking_lines(rows: Sequence[RankingRow]) -> list[str]:
    if not rows:
        return []
    notes = [f"- {escape_markdown(note)}" for note in ranking_notes(rows)]
    heading = f"#### {escape_markdown(ranking_heading(rows))}"
    return [heading, "", *markdown_table(ranking_text(rows)), "", *notes, ""]


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
