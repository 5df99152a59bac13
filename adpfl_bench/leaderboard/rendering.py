"""The leaderboard as a table of text, and for the terminal."""

from collections.abc import Sequence
from dataclasses import replace

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from adpfl_bench.leaderboard.audits import bound_text
from adpfl_bench.leaderboard.formatting import EMPTY, Column, TextTable, metric_text, number, percent, set_table
from adpfl_bench.leaderboard.scored_run import SCORED_MODEL
from adpfl_bench.leaderboard.statistics_text import interval_text, range_text
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.metrics.registry import Metric
from adpfl_bench.privacy.ledger import CLAIMED


def text_table(table: Table, brief: bool = False) -> TextTable:
    """Format the numbers of a table; ``brief`` is for the columns that fit a terminal."""
    footnotes = list(
        dict.fromkeys(note for row in table.rows for note in (_on_accounted(row), _on_audited(row)) if note)
    )
    columns = [column for column in _columns(table, footnotes, brief) if column.brief or not brief]
    return set_table(columns, table.rows, footnotes)


def _columns(table: Table, footnotes: Sequence[str], brief: bool) -> list[Column[TableRow]]:
    """The score and how sure it is, what is proved and who is served worst come first; the rest says how it came."""
    first, (main, *others) = table.rows[0], table.metrics
    unit = common_unit(table.rows)
    several = any(row.scored_model != SCORED_MODEL["global"] for row in table.rows)
    short: dict[str, str] = {text: headline for headline, text in SCORED_MODEL.items()}
    columns = [
        Column[TableRow]("Method", lambda row: row.label, numeric=False, brief=True, main=True),
        replace(metric_column(main, unit), main=True),
        Column("95 % interval", interval_text, brief=True, key=lambda row: row.ci_low, main=True),
        *([] if brief else _rank_column(table)),
        Column("Unit", lambda row: row.protects, numeric=False, main=True),
        Column("Epsilon nominal", lambda row: number(row.nominal_epsilon, "g"), brief=True),
        Column(
            "Epsilon accounted",
            lambda row: _accounted(row, footnotes),
            numeric=False,
            brief=True,
            key=lambda row: row.accounted_epsilon,
            main=True,
        ),
        Column(
            "Epsilon audited",
            lambda row: _audited(row, footnotes, brief),
            numeric=False,
            brief=True,
            key=lambda row: row.audited_epsilon,
        ),
        Column(
            "Worst client",
            _worst_client,
            numeric=False,
            brief=True,
            key=lambda row: row.worst_client_mean,
            main=True,
        ),
        Column("Spread", lambda row: percent(row.client_spread)),
        Column("Gap closed %", lambda row: percent(row.gap_closed, ".0f"), brief=True),
        *(replace(metric_column(metric, unit), main=metric.ranked) for metric in others),
        Column(f"SD {first.patients_are}s", lambda row: percent(row.sd_patients), brief=True),
        Column("SD seeds", lambda row: percent(row.sd_seeds), brief=True),
        Column("Seeds", lambda row: str(row.n_seeds), brief=True),
        *([Column[TableRow]("Missed", lambda row: f"{row.missed} / {row.scored}")] if first.missed is not None else []),
        Column("Scored", lambda row: short[row.scored_model] if brief else row.scored_model, False, brief=several),
        Column("Epsilon of a person", _of_a_person, numeric=False, key=lambda row: row.group_epsilon),
        Column("Noise", lambda row: row.noise or EMPTY, numeric=False),
        Column("Wall s", lambda row: number(row.wall_seconds, ",.0f")),
        Column("Memory MiB", lambda row: number(row.peak_memory_mb, ",.0f")),
    ]
    if any(row.peak_gpu_memory_mb is not None for row in table.rows):
        columns.append(Column("GPU MiB", lambda row: number(row.peak_gpu_memory_mb, ",.0f")))
    columns.append(Column("Records", _records, numeric=False))
    return columns


def _rank_column(table: Table) -> list[Column[TableRow]]:
    """Return the column of ranks with their ranges; none where the methods are not ranked."""
    ranks = {row.label: row for row in table.statistics.ranking}
    if not ranks:
        return []

    def cell(row: TableRow) -> str:
        ranked = ranks[row.label]
        return f"{ranked.rank} ({range_text(ranked)})"

    return [Column("Rank (95 % range)", cell, key=lambda row: ranks[row.label].mean_rank, main=True)]


def common_unit(rows: Sequence[TableRow]) -> str | None:
    """Return the unit of all rows' distances; ``None`` where rows differ in it, so that each has to state its own."""
    units = {row.distance_unit for row in rows}
    return units.pop() if len(units) == 1 else None


def metric_column(metric: Metric, distance_unit: str | None) -> Column[TableRow]:
    """Return the column of a metric's mean; the main one and distances by which methods are ranked fit a terminal.

    Args:
        metric: The metric.
        distance_unit: Unit of all rows' distances; ``None``: each cell states its own.
    """
    apart = metric.measures and distance_unit is None
    unit = "" if apart else metric.unit_text(distance_unit or "")
    kind = f" ({metric.kind})" if metric.kind else ""

    def cell(row: TableRow) -> str:
        mean = row.means[metric.name]
        of = f" {metric.unit_text(row.distance_unit)}" if apart and mean is not None else ""
        return metric_text(metric, mean) + of

    brief = metric.in_rounds or (metric.ranked and metric.unit == "distance")
    return Column(f"{metric.title}{f' {unit}' if unit else ''}{kind}", cell, brief=brief)


def _records(row: TableRow) -> str:
    """What a row's records prove, by word, without the reasons, which a note gives."""
    return "; ".join(dict.fromkeys(state.partition(":")[0] for state in row.records.split("; ")))


def _worst_client(row: TableRow) -> str:
    return EMPTY if row.worst_client is None else f"{row.worst_client} {percent(row.worst_client_mean)}"


def _on_accounted(row: TableRow) -> str | None:
    if row.accounted_epsilon is None:
        return row.accounted_reason
    return f"Not covered by the accounted epsilon: {row.accounted_not_covered}" if row.accounted_not_covered else None


def _on_audited(row: TableRow) -> str | None:
    return f"! {row.label} is contradicted: {row.audited_problems}" if row.audited_problems else None


def _accounted(row: TableRow, footnotes: Sequence[str]) -> str:
    value = "none"
    if row.accounted_epsilon is not None:
        claimed = ", claimed" if CLAIMED in (row.accounted_not_covered or "") else ""
        value = f"{row.accounted_epsilon:.4g} (delta {number(row.accounted_delta, 'g')}){claimed}"
    return value + _mark(_on_accounted(row), footnotes)


def _of_a_person(row: TableRow) -> str:
    if row.group_epsilon is None or row.units_per_person is None:
        return EMPTY
    several = f" ({row.units_per_person} units)" if row.units_per_person > 1 else ""
    return f"{row.group_epsilon:.4g}{several}"


def _audited(row: TableRow, footnotes: Sequence[str], brief: bool) -> str:
    if row.audited_epsilon is None or row.audited_confidence is None or row.audited_canaries is None:
        return EMPTY
    text = bound_text(row.audited_epsilon, row.audited_confidence, row.audited_canaries)
    text = text.split(" (")[0] if brief else text  # a terminal shows the whole of it among the audits
    return f"{'! ' if row.audited_problems else ''}{text}{_mark(_on_audited(row), footnotes)}"


def _mark(note: str | None, footnotes: Sequence[str]) -> str:
    return f" [{footnotes.index(note) + 1}]" if note else ""


def to_terminal(table: Table) -> RichTable:
    """Return the main columns of a table, for rich to print."""
    text = text_table(table, brief=True)
    title = f"{table.group.heading}, region {table.region}"
    rich = RichTable(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left")
    for heading, numeric in zip(text.headings, text.numeric, strict=True):
        rich.add_column(heading, justify="right" if numeric else "left", no_wrap=heading == text.headings[0])
    for cells in text.cells:
        rich.add_row(*(Text(cell) for cell in cells))
    return rich
