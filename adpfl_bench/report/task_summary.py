"""Summary of a task for the index of the report: the best methods of each kind, and all of them in a small figure."""

import math
from collections.abc import Iterable, Sequence

from adpfl_bench.leaderboard.formatting import Column, TextTable, metric_text, set_table
from adpfl_bench.leaderboard.method_order import FIRST_METHODS, UPPER_REFERENCE
from adpfl_bench.leaderboard.statistics_text import interval_text
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.report.plot import Plot, new_figure
from adpfl_bench.report.plot_colours import method_style
from adpfl_bench.text import count

NO_PRIVACY, UNPROVED, PROVED = "not private", "private, nothing proved", "private, with a proof"
MEANINGFUL_EPSILON = 10.0
"""Above it a guarantee is weak to none (the tiers of Ponomareva et al. 2023, arXiv 2303.00654, section 5)."""


def privacy_kind(row: TableRow) -> str:
    """Return in words whether a method is private, and whether anything is proved about it."""
    if row.unit == "none":
        return NO_PRIVACY
    return UNPROVED if row.accounted_epsilon is None or math.isinf(row.accounted_epsilon) else PROVED


def compared(tables: Sequence[Table]) -> str:
    """Say in one line what a group compares."""
    group = tables[0].group
    runs = sum(len(variant.runs) for variant in group.variants)
    subjects = count(tables[0].rows[0].patients, group.subject)
    regions = f", regions {', '.join(group.regions)}" if len(group.regions) > 1 else ""
    return f"{count(len(group.variants), 'method')}, {count(runs, 'run')}, {subjects}{regions}"


def best_rows(table: Table) -> TextTable:
    """Return the best method of each kind, which are no rivals: what they protect, and how much, differs."""
    alone = [name for name in FIRST_METHODS if name != UPPER_REFERENCE]
    kinds = {
        "Best of all": table.rows,
        "Federated, not private": [r for r in table.rows if r.unit == "none" and r.method not in alone],
        "Private, proved or not": [row for row in table.rows if row.unit != "none"],
        f"Proved for a person, epsilon up to {MEANINGFUL_EPSILON:.0f}": [row for row in table.rows if _protects(row)],
    }
    best = {kind: _best(rows, table.main.higher_is_better) for kind, rows in kinds.items()}
    rows = [(kind, row) for kind, row in best.items() if row is not None]
    main = table.main
    columns = [
        Column[tuple[str, TableRow]]("Best", lambda line: line[0], numeric=False),
        Column("Method", lambda line: line[1].label, numeric=False),
        Column(f"{main.title}{' %' if main.unit == 'share' else ''}", lambda line: metric_text(main, line[1].mean)),
        Column("95 % interval", lambda line: interval_text(line[1])),
        Column("Epsilon accounted", lambda line: _epsilon(line[1]), numeric=False),
    ]
    return set_table(columns, rows)


def _protects(row: TableRow) -> bool:
    """Whether an epsilon is proved that says something, for more than a batch of each step."""
    epsilon = row.accounted_epsilon
    return row.unit not in ("none", "batch") and epsilon is not None and epsilon <= MEANINGFUL_EPSILON


def _best(rows: Iterable[TableRow], higher_is_better: bool) -> TableRow | None:
    scored = [row for row in rows if not math.isnan(row.mean)]
    chosen = max if higher_is_better else min
    return chosen(scored, key=lambda row: row.mean, default=None)


def _epsilon(row: TableRow) -> str:
    kind = privacy_kind(row)
    return f"{row.accounted_epsilon:.3g} per {row.protects}" if kind == PROVED else kind


def draw_summary(table: Table) -> Plot:
    """Draw each method's mean with its 95 % interval, in the order of the table."""
    group, title = table.group, table.main.title
    rows = [row for row in table.rows if row.label in group.places]
    scale = 100 if table.main.unit == "share" else 1
    with new_figure(0.75 + 0.19 * len(rows)) as figure:
        axis = figure.subplots()
        for place, row in enumerate(rows):
            colour, _, marker = method_style(group.look(row.label))
            if row.ci_low is not None and row.ci_high is not None:
                axis.hlines(place, scale * row.ci_low, scale * row.ci_high, color=colour, linewidth=1.4)
            axis.plot([scale * row.mean], [place], marker, color=colour, markersize=5)
        axis.set_yticks(range(len(rows)), [row.label for row in rows])
        axis.set_ylim(len(rows) - 0.5, -0.5)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x")
        axis.spines["left"].set_visible(False)
        axis.set_xlabel(f"{title} (%)" if scale == 100 else title)
    means = "; ".join(f"{row.label} {metric_text(table.main, row.mean, 1)}" for row in rows)
    return Plot(
        figure,
        alt=f"Mean {title} of each method for {group.task} ({group.kind}), region {table.region}: {means}.",
        caption=f"Mean {title}, region {table.region}, with its 95 % interval.{group.shown_note}",
        title=f"{title} of all methods, region {table.region}",
    )
