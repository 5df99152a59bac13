"""The leaderboard as CSV files: every number of all tables, with every digit."""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any

from adpfl_bench.leaderboard.comparisons import ComparisonRow
from adpfl_bench.leaderboard.hospitals import HospitalRow
from adpfl_bench.leaderboard.rankings import RankingRow
from adpfl_bench.leaderboard.table import Table, by_group
from adpfl_bench.leaderboard.table_row import GroupLine, TableRow
from adpfl_bench.leaderboard.table_statistics import rank_regions
from adpfl_bench.leaderboard.threshold_rows import ThresholdRow
from adpfl_bench.leaderboard.who_benefits import ClientRow
from adpfl_bench.metrics.registry import DICE, UNSTATED
from adpfl_bench.text import csv_text

_OF_MAIN = ("mean", "ci_low", "ci_high", "sd_patients", "sd_seeds")


def csv_files(tables: Sequence[Table]) -> dict[str, str]:
    """Contents by file name; ``float(cell)`` gives back the very number, and an empty cell is ``None``."""
    return {
        "leaderboard.csv": _table_rows(row for table in tables for row in table.rows),
        "clients.csv": _lines(ClientRow, (row for table in tables for row in table.benefits.clients)),
        "comparisons.csv": _lines(ComparisonRow, (row for table in tables for row in table.statistics.comparisons)),
        "hospitals.csv": _lines(
            HospitalRow, (row for table in tables for hospital in table.hospitals for row in hospital.rows)
        ),
        "ranking.csv": _lines(RankingRow, (row for group in by_group(tables) for row in _ranking_rows(group))),
        "thresholds.csv": _lines(ThresholdRow, (row for table in tables for row in table.thresholds)),
    }


def _lines(kind: type[GroupLine], rows: Iterable[GroupLine]) -> str:
    names = [column.name for column in fields(kind)]
    return csv_text([names, *map(attrgetter(*names), rows)])


def _ranking_rows(tables: Sequence[Table]) -> list[RankingRow]:
    rows = [row for table in tables for row in table.statistics.ranking]
    return [*rows, *rank_regions([table.statistics for table in tables])]


def _table_rows(rows: Iterable[TableRow]) -> str:
    """Lines of leaderboard.csv.

    The columns are always the same, those of segmentation; after them come those of further metrics.
    """
    lines = [_line(row) for row in rows]
    columns: list[str] = []
    for name in (field.name for field in fields(TableRow)):
        if name in _OF_MAIN:
            columns.append(f"{DICE.name}_{name}")
        elif name == "means":
            columns += [f"{metric.name}_mean" for metric in UNSTATED[1:]]
        elif name == "distance_unit":
            columns.insert(-1, "hd95_unit")
        elif name != "metric":
            columns.append("worst_client_dice" if name == "worst_client_mean" else name)
    columns += dict.fromkeys(name for line in lines for name in line if name not in columns)
    return csv_text([columns, *([line.get(name) for name in columns] for line in lines)])


def _line(row: TableRow) -> dict[str, Any]:
    cells = {field.name: getattr(row, field.name) for field in fields(row) if field.name not in ("metric", "means")}
    main = {f"{row.metric.name}_{name}": cells.pop(name) for name in _OF_MAIN}
    cells |= {"hd95_unit": cells.pop("distance_unit")}
    cells |= {f"worst_client_{row.metric.name}": cells.pop("worst_client_mean")}
    return {**cells, **{f"{name}_mean": mean for name, mean in row.means.items()}, **main}
