"""The leaderboard as LaTeX, for a paper."""

import re
from collections.abc import Sequence
from dataclasses import replace

from adpfl_bench.leaderboard.formatting import EMPTY, Column, number, percent, set_table
from adpfl_bench.leaderboard.protection import NOISE_NOTE, SEEDED
from adpfl_bench.leaderboard.rankings import SEPARATOR, RankingRow
from adpfl_bench.leaderboard.rendering import common_unit, metric_column
from adpfl_bench.leaderboard.statistics_text import range_text
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.metrics.registry import Metric

_HEADER = r"""% Made by adpfl-bench leaderboard; leaderboard.md says how to read it.
% \input it in a document that has \usepackage{booktabs}.
"""
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\~{}",
    "^": r"\^{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    EMPTY: "--",
}


def escape_latex(text: str) -> str:
    """Text in one line, with what LaTeX would take for markup escaped."""
    return " ".join("".join(_ESCAPES.get(character, character) for character in text).split())


def to_latex(tables: Sequence[Table]) -> str:
    """Return one floating table for each task and region, with booktabs' rules."""
    return _HEADER + "\n".join(_float(table) for table in tables)


def _float(table: Table) -> str:
    text = set_table(_columns(table), table.rows)
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        rf"\caption{{{escape_latex(_caption(table))}}}",
        rf"\label{{{_label(table)}}}",
        rf"\begin{{tabular}}{{@{{}}{''.join('r' if numeric else 'l' for numeric in text.numeric)}@{{}}}}",
        r"\toprule",
        _row(text.headings),
        r"\midrule",
        *(_row(cells) for cells in text.cells),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _columns(table: Table) -> list[Column[TableRow]]:
    ranks = {row.label: row for row in table.statistics.ranking}
    deltas = _deltas(table)
    main, *others = (metric for metric in table.metrics if metric.ranked)
    unit = common_unit(table.rows)
    columns = [
        Column[TableRow]("Method", lambda row: row.label, numeric=False),
        Column("Seeds", lambda row: str(row.n_seeds)),
        _metric(main, unit),
        Column("95 % interval", _interval, numeric=False),
        *(_metric(metric, unit) for metric in others),
    ]
    if ranks:
        columns.append(Column("Rank", lambda row: _rank(ranks[row.label])))
    columns += [
        Column("Unit", lambda row: EMPTY if row.unit == "none" else row.protects, numeric=False),
        Column("Epsilon", _epsilon, numeric=False),
    ]
    if len(deltas) > 1:
        columns.append(Column("Delta", lambda row: EMPTY if row.accounted_epsilon is None else _delta(row)))
    return columns


def _metric(metric: Metric, distance_unit: str | None) -> Column[TableRow]:
    column = metric_column(metric, distance_unit)
    apart = metric.measures and distance_unit is None
    unit = "" if apart else metric.unit_text(distance_unit or "")
    return replace(column, heading=f"{metric.title}{f' ({unit})' if unit else ''}")


def _rank(row: RankingRow) -> str:
    firm = row.rank_low == row.rank_high == row.rank
    return str(row.rank) if firm else f"{row.rank} ({range_text(row)})"


def _interval(row: TableRow) -> str:
    if row.ci_low is None or row.ci_high is None:
        return EMPTY
    return f"[{percent(row.ci_low, '.1f')}, {percent(row.ci_high, '.1f')}]"


def _epsilon(row: TableRow) -> str:
    if row.accounted_epsilon is not None:
        return f"{row.accounted_epsilon:.4g}"
    return "not private" if row.unit == "none" else "no proof"


def _delta(row: TableRow) -> str:
    return number(row.accounted_delta, "g")


def _deltas(table: Table) -> list[str]:
    return sorted({_delta(row) for row in table.rows if row.accounted_epsilon is not None})


def _caption(table: Table) -> str:
    group, first = table.group, table.rows[0]
    subjects = f"{group.subject}s"
    deltas = _deltas(table)
    rank = ""
    if ranking := table.statistics.ranking:
        rank = f"; rank by {ranking[0].metrics.replace(SEPARATOR, ', ')} with its 95 % range over {subjects}"
    at = f" at delta {deltas[0]}" if len(deltas) == 1 else ""
    seeded = f"; {NOISE_NOTE}" if any(row.noise == SEEDED for row in table.rows) else ""
    return (
        f"{group.task} ({group.kind} data), region {table.region}: {first.cases} test cases of {first.patients}"
        f" {subjects}. Means over cases and seeds; {table.main.title} with its 95 % interval over {subjects} and"
        f" seeds{rank}."
        f" Epsilon is the accounted one{at}, per unit{seeded}; data {group.fingerprint[:8]}, test set {group.digest}."
    )


def _label(table: Table) -> str:
    place = table.group.regions.index(table.region) + 1
    region = re.sub(r"[^A-Za-z0-9]+", "-", table.region).strip("-")
    return f"tab:{re.sub('_', '-', table.group.slug)}-{place}-{region}"


def _row(cells: Sequence[str]) -> str:
    escaped = [escape_latex(cell) for cell in cells]
    # A bracket after \\ would be read as its argument.
    escaped[0] = f"{{}}{escaped[0]}" if escaped[0].startswith(("[", "*")) else escaped[0]
    return " & ".join(escaped) + r" \\"
