"""Overview of all tasks side by side: a line for each method, a column for each table."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from adpfl_bench.leaderboard.formatting import EMPTY, Column, TextTable, metric_text, percent, set_table
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.metrics.registry import DICE, IOU, NSD, Metric

OVERVIEW = "All tasks side by side"
OVERVIEW_NOTE = (
    "Down a column methods may be compared; along a line nothing can be, since tasks and regions differ. Intervals,"
    " tests and notes are in the tables below."
)


@dataclass(frozen=True)
class Overview:
    """One number of every method on every task and region.

    Attributes:
        heading: What it is.
        text: The table.
    """

    heading: str
    text: TextTable


def make_overviews(tables: Sequence[Table]) -> list[Overview]:
    """Set all tables side by side, without comparing what is in different ones.

    Returns:
        The main metric with what a method's proof supports, its spread over patients, and HD95; none of fewer than
        two tables.
    """
    if len(tables) < 2:
        return []
    main = " or ".join(dict.fromkeys(table.metrics[0].title for table in tables))
    # Beside Dice, IoU and NSD would say little more at this distance.
    passed_over = {DICE.name, IOU.name, NSD.name}
    others = {m.name: m for table in tables for m in table.metrics[1:] if m.ranked and m.name not in passed_over}
    subjects = "/".join(sorted({f"{table.group.subject}s" for table in tables}))
    epsilon = Column[_Line]("Epsilon accounted", lambda line: _epsilon(line.rows.values()), numeric=False)
    return [
        Overview(f"Mean {main} %, in brackets the SD over seeds", _set(tables, _main, [epsilon])),
        Overview(f"SD of {main} over {subjects}, in points", _set(tables, lambda row: percent(row.sd_patients, ".1f"))),
        *(_of_metric(tables, metric) for metric in others.values()),
    ]


def _of_metric(tables: Sequence[Table], metric: Metric) -> Overview:
    def cell(row: TableRow) -> str:
        mean = row.means.get(metric.name)
        unit = f" {metric.unit_text(row.distance_unit)}" if metric.measures else ""
        return EMPTY if mean is None else metric_text(metric, mean, digits=1) + unit

    kind = f" ({metric.kind})" if metric.kind else ""
    return Overview(f"Mean {metric.title}{' %' if metric.unit == 'share' else ''}{kind}", _set(tables, cell))


@dataclass(frozen=True)
class _Line:
    label: str
    rows: Mapping[int, TableRow]
    """By place of the table."""


def _set(tables: Sequence[Table], cell: Callable[[TableRow], str], more: Sequence[Column[_Line]] = ()) -> TextTable:
    by_table = [{row.label: row for row in table.rows} for table in tables]
    lines = [
        _Line(label, {place: rows[label] for place, rows in enumerate(by_table) if label in rows})
        for label in _labels(tables)
    ]
    columns = [
        Column[_Line]("Method", lambda line: line.label, numeric=False),
        *(_column(place, heading, cell) for place, heading in enumerate(_headings(tables))),
        *more,
    ]
    return set_table(columns, lines)


def _column(place: int, heading: str, cell: Callable[[TableRow], str]) -> Column[_Line]:
    return Column(heading, lambda line: cell(line.rows[place]) if place in line.rows else EMPTY)


def _labels(tables: Sequence[Table]) -> list[str]:
    """Return the methods in the order of the first table; what it lacks comes where the next one has it first."""
    return list(dict.fromkeys(row.label for table in tables for row in table.rows))


def _headings(tables: Sequence[Table]) -> list[str]:
    """Task, kind of data and region; the test set too where that does not tell tables apart."""
    names = [f"{table.group.task} {table.region} ({table.group.kind})" for table in tables]
    times = Counter(names)
    return [
        name if times[name] == 1 else f"{name[:-1]}, test set {table.group.digest})"
        for name, table in zip(names, tables, strict=True)
    ]


def _main(row: TableRow) -> str:
    seeds = "" if row.sd_seeds is None else f" ({percent(row.sd_seeds, '.1f')})"
    return percent(row.mean, ".1f") + seeds


def _epsilon(rows: Iterable[TableRow]) -> str:
    """What a proof supports, from the least to the most over tables."""
    found = list(rows)
    if all(row.unit == "none" for row in found):
        return "not private"
    if any(row.accounted_epsilon is None for row in found):
        return "none"
    values = sorted(row.accounted_epsilon for row in found if row.accounted_epsilon is not None)
    ends = dict.fromkeys(f"{value:.3g}" for value in (values[0], values[-1]))
    return f"{' to '.join(ends)} per {'/'.join(sorted({row.protects for row in found}))}"
