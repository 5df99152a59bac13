"""Texts of what adaptive clipping wins back: a table and sentences."""

from __future__ import annotations

from collections.abc import Sequence

from adpfl_bench.leaderboard.formatting import Column, TextTable, escape_markdown, markdown_table, percent, set_table
from adpfl_bench.leaderboard.statistics_text import bounds_text
from adpfl_bench.leaderboard.threshold_rows import ThresholdRow

LEGEND = (
    "What adaptivity wins back: an adaptive method beside every fixed threshold C with which it is otherwise the same"
    " (unit, mechanism, noise multiplier, sampling, federation). Gap: the reference, which is the same method without"
    " privacy or, where that is not there, fedavg, minus the fixed method, in points of Dice."
    " Gap closed: (adaptive - fixed) / gap, with its 95 % interval over patients and seeds by Fieller's method; empty"
    " where the gap may be chance. A share that changes with C says where C stood, not how good adaptivity is.",
)


def thresholds_text(rows: Sequence[ThresholdRow], score: str = "Dice") -> TextTable:
    """One line for each adaptive method and fixed threshold; ``score`` is the main metric's title."""
    columns = [
        Column[ThresholdRow]("Adaptive", lambda row: row.adaptive, numeric=False),
        Column(f"{score} %", lambda row: percent(row.adaptive_dice)),
        Column("Fixed", lambda row: row.fixed, numeric=False),
        Column("C", lambda row: f"{row.threshold:g}"),
        Column(f"{score} %", lambda row: percent(row.fixed_dice)),
        Column("Reference", lambda row: row.reference, numeric=False),
        Column(f"{score} %", lambda row: percent(row.reference_dice)),
        Column("Gap", lambda row: percent(row.gap)),
        Column("Gap closed %", lambda row: percent(row.gap_closed, ".0f")),
        Column("95 % interval", lambda row: bounds_text(row.gap_closed_low, row.gap_closed_high, ".0f")),
    ]
    return set_table(columns, rows)


def threshold_lines(rows: Sequence[ThresholdRow], region: str, score: str) -> list[str]:
    """The table in Markdown under its heading; nothing where there is no pair."""
    if not rows:
        return []
    heading = f"#### What adaptivity wins back, region {escape_markdown(region)}"
    return [heading, "", *markdown_table(thresholds_text(rows, score)), ""]
