"""The leaderboard as CSV files: every number of all tables, with every digit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields

from adpfl_bench.leaderboard.comparability import GroupLine
from adpfl_bench.leaderboard.comparisons import ComparisonRow
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.table import Table, by_group
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.leaderboard.table_statistics import rank_regions
from adpfl_bench.leaderboard.threshold_rows import ThresholdRow
from adpfl_bench.leaderboard.who_benefits import ClientRow
from adpfl_bench.text import csv_text


def csv_files(tables: Sequence[Table]) -> dict[str, str]:
    """Contents by file name; ``float(cell)`` gives back the very number, and an empty cell is ``None``."""
    return {
        "leaderboard.csv": _lines(TableRow, (row for table in tables for row in table.rows)),
        "clients.csv": _lines(ClientRow, (row for table in tables for row in table.benefits.clients)),
        "comparisons.csv": _lines(ComparisonRow, (row for table in tables for row in table.statistics.comparisons)),
        "ranking.csv": _lines(RankingRow, (row for group in by_group(tables) for row in _ranking_rows(group))),
        "thresholds.csv": _lines(ThresholdRow, (row for table in tables for row in table.thresholds)),
    }


def _lines(kind: type[GroupLine], rows: Iterable[GroupLine]) -> str:
    return csv_text([[column.name for column in fields(kind)], *map(astuple, rows)])


def _ranking_rows(tables: Sequence[Table]) -> list[RankingRow]:
    rows = [row for table in tables for row in table.statistics.ranking]
    return [*rows, *rank_regions([table.statistics for table in tables])]
