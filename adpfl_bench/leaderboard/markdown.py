"""The leaderboard in Markdown."""

from collections.abc import Sequence

from adpfl_bench.leaderboard.comparability import LeftOut, ListedAudit
from adpfl_bench.leaderboard.formatting import escape_markdown, markdown_table
from adpfl_bench.leaderboard.legend import LEGEND
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.overview import OVERVIEW, OVERVIEW_NOTE, make_overviews
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.statistics_text import (
    matrix_text,
    ranking_heading,
    ranking_notes,
    ranking_text,
    statistics_notes,
    threshold_lines,
)
from adpfl_bench.leaderboard.table import Table, by_group
from adpfl_bench.leaderboard.table_statistics import rank_regions
from adpfl_bench.leaderboard.who_benefits_text import benefit_lines

DATA_NOTE = {
    "phantom": "Phantoms are synthetic: these numbers say that the code works, nothing about patients.",
}


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
    lines += [
        "## How to read the tables",
        "",
        *(f"- {escape_markdown(sentence)}" for sentence in LEGEND),
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
    lines += threshold_lines(table.thresholds, table.region, table.main.title)
    lines += _ranking_lines(table.statistics.ranking)
    return [*lines, f"#### Who benefits, region {region}", "", *benefit_lines(table.benefits)]


def _ranking_lines(rows: Sequence[RankingRow]) -> list[str]:
    if not rows:
        return []
    notes = [f"- {escape_markdown(note)}" for note in ranking_notes(rows)]
    heading = f"#### {escape_markdown(ranking_heading(rows))}"
    return [heading, "", *markdown_table(ranking_text(rows)), "", *notes, ""]
