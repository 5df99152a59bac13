"""The leaderboard in Markdown."""

from collections.abc import Sequence

from adpfl_bench.leaderboard import statistics_text as texts
from adpfl_bench.leaderboard.formatting import TextTable, escape_markdown, markdown_code, markdown_line, markdown_table
from adpfl_bench.leaderboard.headings import Headings
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
LEGEND_HEADING = "How to read the tables"
_FILES_NOTE = (
    "Every digit of every number is in CSV files beside this one: `leaderboard.csv` has the tables, `comparisons.csv`"
    " each pair with its interval, test and effect size, `ranking.csv` mean ranks and how often a method has which,"
    " `clients.csv` each client with its cases, model, SD over seeds and gain, `thresholds.csv` and `hospitals.csv` the"
    " rest. `report.html` shows all of it, with plots."
)


def to_markdown(tables: Sequence[Table], left_out: Sequence[LeftOut], audits: Sequence[ListedAudit] = ()) -> str:
    """Every table under the heading of its comparable group, with what one must know to read it."""
    headings = Headings()
    body = [*_overview_lines(tables, headings)]
    for of_group in by_group(tables):
        group = of_group[0].group
        body += [headings.add(2, group.heading), ""]
        body += [f"{DATA_NOTE[group.kind]}\n"] if group.kind in DATA_NOTE else []
        for table in of_group:
            body += _table_lines(table, headings)
        body += _ranking_lines(rank_regions([table.statistics for table in of_group]), headings)
    if not tables:
        body += ["No run is finished and scored yet.", ""]
    if audits:
        body += [headings.add(2, "Audits"), ""]
        body += [f"- {markdown_code(str(entry.folder))}: {escape_markdown(entry.text)}" for entry in audits] + [""]
    if left_out:
        body += [headings.add(2, "Left out"), ""]
        body += [f"- {markdown_code(str(entry.folder))}: {escape_markdown(entry.reason)}" for entry in left_out] + [""]
    body += [headings.add(2, LEGEND_HEADING), "", *_bullets(LEGEND)]
    return "\n".join(["# Leaderboard", "", _FILES_NOTE, "", *headings.contents(3), "", *body])


def _overview_lines(tables: Sequence[Table], headings: Headings) -> list[str]:
    overviews = make_overviews(tables)
    lines = [headings.add(2, OVERVIEW), "", f"{OVERVIEW_NOTE}", ""] if overviews else []
    for overview in overviews:
        lines += _titled(headings.add(3, overview.heading), overview.text)
    return lines


def _table_lines(table: Table, headings: Headings) -> list[str]:
    text, region = text_table(table), table.region
    footnotes = [escape_markdown(f"[{index}] {reason}.") + "  " for index, reason in enumerate(text.footnotes, 1)]
    lines = _titled(headings.add(3, f"Region {region}, {count(table.rows[0].patients, table.group.subject)}"), text)
    lines += [*footnotes, ""] if footnotes else []
    notes = [*table_notes(table), *texts.statistics_notes(table), *_rank_notes(table)]
    lines += _bullets(notes) or [""]
    if table.statistics.comparisons:
        lines += _titled(headings.add(4, f"Comparisons, region {region}"), texts.matrix_text(table))
    if table.thresholds:
        adaptive = texts.thresholds_text(table.thresholds, table.main.title)
        lines += _titled(headings.add(4, f"What adaptivity wins back, region {region}"), adaptive)
    lines += _titled(headings.add(4, f"Who benefits, region {region}"), texts.methods_and_clients_text(table.benefits))
    lines += _bullets(texts.benefit_notes(table.benefits))
    if table.hospitals:
        lines += _titled(headings.add(4, f"Other hospitals, region {region}"), hospitals_text(table))
        lines += _bullets(hospital_notes(table))
    return lines


def _rank_notes(table: Table) -> list[str]:
    """What the column of ranks ranks by, and how firm it is."""
    rows = table.statistics.ranking
    return [f"{texts.ranking_heading(rows)}. {note}" for note in texts.ranking_notes(rows)] if rows else []


def _ranking_lines(rows: Sequence[RankingRow], headings: Headings) -> list[str]:
    if not rows:
        return []
    heading = headings.add(3, texts.ranking_heading(rows))
    return [*_titled(heading, texts.ranking_text(rows)), *_bullets(texts.ranking_notes(rows))]


def _titled(heading: str, text: TextTable) -> list[str]:
    """A table under its heading."""
    return [heading, "", *markdown_table(text), ""]


def _bullets(sentences: Sequence[str]) -> list[str]:
    """A list of sentences; nothing for none."""
    return [*(f"- {markdown_line(sentence)}" for sentence in sentences), ""] if sentences else []
