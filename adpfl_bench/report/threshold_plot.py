"""Plot of Dice by fixed threshold, and where an adaptive one stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adpfl_bench.leaderboard.groups import Variant
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.report.plot import Plot, new_figure, place_legend
from adpfl_bench.report.plot_colours import BAND, FAINT, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NORMS = ("gradient_norm_p10", "gradient_norm_p90")
_FEWEST = 2
"""Fixed thresholds that show a dependence."""


class _Norms(NamedTuple):
    low: float
    high: float


def draw_thresholds(table: Table) -> dict[str, Plot]:
    """Draw mean Dice by fixed threshold, a plot for each adaptive method with at least two fixed counterparts.

    Returns:
        Plots by name.
    """
    adaptive = dict.fromkeys(row.adaptive for row in table.thresholds if row.adaptive in table.group.places)
    several = [name for name in adaptive if sum(row.adaptive == name for row in table.thresholds) >= _FEWEST]
    return {f"thresholds-{number}": _draw(table, name) for number, name in enumerate(several, 1)}


def _draw(table: Table, label: str) -> Plot:
    rows = {row.label: row for row in table.rows}
    variants = {variant.label: variant for variant in table.group.variants}
    fixed = [(row.threshold, rows[row.fixed]) for row in table.thresholds if row.adaptive == label]
    norms = _norms(variants[label])
    upper = next(row.reference for row in table.thresholds if row.adaptive == label)
    levels = [rows[upper], rows[label]]
    with new_figure(3.2) as figure:
        axis = figure.subplots()
        if norms is not None:
            axis.axvspan(*norms, color=BAND, zorder=0, linewidth=0)
        handles = [_draw_level(axis, row, table.group.look(row.label)) for row in levels]
        handles.append(_draw_fixed(axis, fixed))
        axis.set_xscale("log")
        _set_ticks(axis, [threshold for threshold, _ in fixed])
        axis.set_xlabel("Fixed clipping threshold C")
        axis.set_ylabel(f"{table.main.title} (%)")
        axis.grid(axis="y")
        place_legend(figure, handles)
    points = [f"{100 * row.mean:.1f} % at C = {threshold:g}" for threshold, row in fixed]
    lines = [f"{row.label} {100 * row.mean:.1f} %" for row in levels]
    between, shaded = "", ""
    if norms is not None:
        between = f" Gradient norms lie between {norms.low:.2g} and {norms.high:.2g}."
        shaded = f" Shaded: {label}'s gradient norms, from the 10th to the 90th percentile of a round (medians)."
    return Plot(
        figure,
        alt=(
            f"{table.main.title} by fixed threshold, region {table.region}: {', '.join(points)}; lines:"
            f" {', '.join(lines)}.{between}"
        ),
        caption=(
            f"Mean {table.main.title} with its 95 % interval of the methods that differ from {label} in a fixed"
            f" threshold alone, against that threshold; lines: {' and '.join(row.label for row in levels)}, with the"
            f" same interval as a band.{shaded}"
        ),
        title=f"Thresholds beside {label}, region {table.region}",
    )


def _draw_level(axis: Axes, row: TableRow, look: int) -> Any:
    colour, style, _ = method_style(look)
    if row.ci_low is not None and row.ci_high is not None:
        axis.axhspan(100 * row.ci_low, 100 * row.ci_high, color=colour, alpha=0.12, linewidth=0)
    return axis.axhline(100 * row.mean, color=colour, linestyle=style, linewidth=1.6, label=row.label)


def _draw_fixed(axis: Axes, fixed: Sequence[tuple[float, TableRow]]) -> Any:
    for threshold, row in fixed:
        if row.ci_low is not None and row.ci_high is not None:
            axis.vlines(threshold, 100 * row.ci_low, 100 * row.ci_high, color=FAINT, linewidth=1.2)
    (line,) = axis.plot(
        [threshold for threshold, _ in fixed],
        [100 * row.mean for _, row in fixed],
        "o-",
        color=FAINT,
        markersize=5,
        linewidth=1.2,
        label="fixed threshold",
    )
    return line


def _set_ticks(axis: Axes, thresholds: Sequence[float]) -> None:
    from matplotlib.ticker import NullFormatter, NullLocator

    shown = sorted(set(thresholds))
    axis.set_xticks(shown, [f"{threshold:g}" for threshold in shown])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_minor_formatter(NullFormatter())


def _norms(variant: Variant) -> _Norms | None:
    """Medians over seeds, clients and rounds of the gradient norms' 10th and 90th percentiles; ``None`` without any."""
    low, high = (np.concatenate([run.rounds.of_name(name).value for run in variant.runs]) for name in _NORMS)
    return _Norms(float(np.median(low)), float(np.median(high))) if len(low) and len(high) else None
