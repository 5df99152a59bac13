"""The leaderboard in Markdown."""

from collections.abc import Sequence

from adpfl_bench.leaderboard import statistics_text as texts
from adpfl_bench.leaderboard.formatting import TextTable, escape_markdown, markdown_code, markdown_line, markdown_table
from adpfl_bench.leaderboard.hospitals_text import hospital_notes, hospitals_text
from adpfl_bench.leaderboard.legend import LEGEND
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.overview import OVERVIEW, OVERVIEW_NOTE, make_overviews
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.run_reading import LeftOut, ListedAudit
from adpfl_bench.leaderboard.table import Table, by_group
from adpfl_bench.leaderboard.table_statistics import rank_regions
from adpfl_bench.text import count

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
        lines += [f"- {markdown_code(str(entry.folder))}: {escape_markdown(entry.text)}" for entry in audits] + [""]
    if left_out:
        lines += ["## Left out", ""]
        lines += [f"- {markdown_code(str(entry.folder))}: {escape_markdown(entry.reason)}" for entry in left_out] + [""]
    lines += ["## How to read the tables", "", *_bullets(LEGEND)]
    return "\n".join(lines)


def _overview_lines(tables: Sequence[Table]) -> list[str]:
    overviews = make_overviews(tables)
    lines = [f"## {OVERVIEW}", "", f"{OVERVIEW_NOTE}", ""] if overviews else []
    for overview in overviews:
        lines += _titled(f"### {escape_markdown(overview.heading)}", overview.text)
    return lines


def _table_lines(table: Table) -> list[str]:
    text, region = text_table(table), escape_markdown(table.region)
    footnotes = [escape_markdown(f"[{index}] {reason}.") + "  " for index, reason in enumerate(text.footnotes, 1)]
    lines = _titled(f"### Region {region}, {count(table.rows[0].patients, table.group.subject)}", text)
    lines += [*footnotes, ""] if footnotes else []
    lines += _bullets([*table_notes(table), *texts.statistics_notes(table)]) or [""]
    if table.statistics.comparisons:
        lines += _titled(f"#### Comparisons, region {region}", texts.matrix_text(table))
    if table.thresholds:
        adaptive = texts.thresholds_text(table.thresholds, table.main.title)
        lines += _titled(f"#### What adaptivity wins back, region {region}", adaptive)
    lines += _ranking_lines(table.statistics.ranking)
    lines += _titled(f"#### Who benefits, region {region}", texts.methods_text(table.benefits))
    lines += [*markdown_table(texts.clients_text(table.benefits)), "", *_bullets(texts.benefit_notes(table.benefits))]
    if table.hospitals:
        lines += _titled(f"#### Other hospitals, region {region}", hospitals_text(table))
        lines += _bullets(hospital_notes(table))
    return lines


def _ranking_lines(rows: Sequence[RankingRow]) -> list[str]:
    if not rows:
        return []
    heading = f"#### {escape_markdown(texts.ranking_heading(rows))}"
    return [*_titled(heading, texts.ranking_text(rows)), *_bullets(texts.ranking_notes(rows))]


def _titled(heading: str, text: TextTable) -> list[str]:
    """A table under its heading."""
    return [heading, "", *markdown_table(text), ""]


def _bullets(sentences: Sequence[str]) -> list[str]:
    """A list of sentences; nothing for none."""
    return [*(f"- {markdown_line(sentence)}" for sentence in sentences), ""] if sentences else []
