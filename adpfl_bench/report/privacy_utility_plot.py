"""Plot of what privacy costs: Dice against accounted epsilon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adpfl_bench.leaderboard.groups import Variant
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.table_row import TableRow
from adpfl_bench.report.plot import Plot, new_figure, place_legend, set_log_scale
from adpfl_bench.report.plot_colours import BAND, FAINT, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BUDGET = ("privacy.target_epsilon", "privacy.noise_multiplier")
_LEARNING_RATES = ("federated.client_optimizer.init_args.lr", "model.init_args.optimizer.init_args.lr")
"""What two runs of one curve may differ in: the budget, and the learning rate that is best under it."""

_ALIKE, _APART_BY = 0.04, 0.035
"""Decades within which epsilons look the same, and by which they are moved."""
_UNNAMED = "_"
_APART = {"no proof": "private without a proof", "not private": "not private"}


def draw_privacy_utility(table: Table) -> dict[str, Plot]:
    """Draw mean Dice against accounted epsilon, for each unit that a method is accounted in.

    Epsilons of different units say different things, so they share no axis. Methods without a guarantee stand apart.

    Returns:
        Plots by name; none where no method has an accounted epsilon.
    """
    units = dict.fromkeys(row.protects for row in table.rows if _proved(row))
    return {f"privacy-{number}": _draw(table, unit) for number, unit in enumerate(units, 1)}


def _proved(row: TableRow) -> bool:
    return row.accounted_epsilon is not None and 0 < row.accounted_epsilon < math.inf


def _kind(row: TableRow) -> str:
    return "not private" if row.unit == "none" else "no proof"


def _draw(table: Table, unit: str) -> Plot:
    places = table.group.places
    looks = {label: table.group.look(label) for label in places}
    proved = [row for row in table.rows if _proved(row) and row.protects == unit]
    apart = {kind: [row for row in table.rows if not _proved(row) and _kind(row) == kind] for kind in _APART}
    apart = {kind: rows for kind, rows in apart.items() if rows}
    shown_at = _side_by_side(proved)
    with new_figure(3.4) as figure:
        ratios = [4.0, 0.5 + 0.75 * len(apart)] if apart else [1.0]
        axes = figure.subplots(1, len(ratios), sharey=True, squeeze=False, gridspec_kw={"width_ratios": ratios})[0]
        for curve in _curves(proved, table.statistics.variants.values()):
            axes[0].plot([shown_at[r.label] for r in curve], [100 * r.mean for r in curve], color=FAINT, lw=0.8)
        handles = [_draw_point(axes[0], shown_at[row.label], row, looks.get(row.label)) for row in proved]
        _set_epsilon_axis(axes[0], proved)
        if apart:
            handles += _draw_apart(axes[1], apart, looks)
        axes[0].set_ylabel(f"{table.main.title} (%)")
        place_legend(figure, _named(handles))
    shown = [
        f"{row.label} {100 * row.mean:.1f} % at epsilon {row.accounted_epsilon:.4g}"
        for row in proved
        if row.label in places
    ]
    shown += [
        f"{row.label} {100 * row.mean:.1f} %, {_APART[kind]}"
        for kind, rows in apart.items()
        for row in rows
        if row.label in places
    ]
    return Plot(
        figure,
        alt=f"{table.main.title} against accounted epsilon per {unit}, region {table.region}: {'; '.join(shown)}.",
        caption=(
            f"Mean {table.main.title} with its 95 % interval against the accounted epsilon per {unit}, the largest over"
            " clients and seeds. Lines join runs that differ in budget and learning rate alone; equal epsilons are set"
            " side by side. Methods without a guarantee have no place on the axis and stand apart."
            f"{table.group.shown_note}"
        ),
        title=f"Privacy and utility, unit {unit}, region {table.region}",
    )


def _curves(rows: Sequence[TableRow], variants: Any) -> list[list[TableRow]]:
    """Rows that differ in nothing but their budget and what is tuned to it, by epsilon; no two have the same."""
    settings = {variant.label: _without_budget(variant) for variant in variants}
    curves: dict[tuple[tuple[str, str], ...], list[TableRow]] = {}
    for row in rows:
        curves.setdefault(settings[row.label], []).append(row)
    several = [curve for curve in curves.values() if len({row.accounted_epsilon for row in curve}) == len(curve) > 1]
    return [sorted(curve, key=lambda row: row.accounted_epsilon or 0.0) for curve in several]


def _without_budget(variant: Variant) -> tuple[tuple[str, str], ...]:
    tuned = (*_BUDGET, *_LEARNING_RATES)
    return tuple((key, value) for key, value in sorted(variant.runs[0].settings.items()) if key not in tuned)


def _side_by_side(rows: Sequence[TableRow]) -> dict[str, float]:
    """By method its place on the axis: epsilons that cannot be told apart there are moved apart a little."""
    alike: dict[int, list[TableRow]] = {}
    for row in rows:
        alike.setdefault(round(math.log10(row.accounted_epsilon or 1.0) / _ALIKE), []).append(row)
    return {
        row.label: (row.accounted_epsilon or 1.0) * 10 ** (_APART_BY * (index - (len(same) - 1) / 2))
        for same in alike.values()
        for index, row in enumerate(same)
    }


def _draw_point(axis: Axes, x: float, row: TableRow, look: int | None) -> Any:
    """A method's point; one that is not among the methods shown is small and grey."""
    if look is None:
        (point,) = axis.plot([x], [100 * row.mean], "o", color=FAINT, markersize=3, alpha=0.6, zorder=1)
        point.set_label(_UNNAMED)
        return point
    colour, _, marker = method_style(look)
    if row.ci_low is not None and row.ci_high is not None:
        axis.vlines(x, 100 * row.ci_low, 100 * row.ci_high, color=colour, linewidth=1.2)
    (point,) = axis.plot([x], [100 * row.mean], marker, color=colour, markersize=6, label=row.label, linestyle="")
    return point


def _named(points: Sequence[Any]) -> list[Any]:
    """Points for the legend: those with names and, for all others, one."""
    named = [point for point in points if point.get_label() != _UNNAMED]
    others = [point for point in points if point.get_label() == _UNNAMED]
    if others:
        others[0].set_label(f"{len(others)} other methods")
    return [*named, *others[:1]]


def _draw_apart(axis: Axes, apart: Mapping[str, Sequence[TableRow]], looks: Mapping[str, int]) -> list[Any]:
    handles = []
    for column, rows in enumerate(apart.values()):
        for index, row in enumerate(rows):
            x = column + 0.6 * ((index + 0.5) / len(rows) - 0.5)
            handles.append(_draw_point(axis, x, row, looks.get(row.label)))
    axis.set_facecolor(BAND)
    axis.set_xlim(-0.6, len(apart) - 0.4)
    axis.set_xticks(range(len(apart)), [kind.replace(" ", "\n") for kind in apart])
    axis.tick_params(length=0)
    axis.grid(axis="y")
    axis.spines["left"].set_visible(False)
    return handles


def _set_epsilon_axis(axis: Axes, rows: Sequence[TableRow]) -> None:
    epsilons = [row.accounted_epsilon for row in rows if row.accounted_epsilon is not None]
    deltas = sorted({f"{row.accounted_delta:g}" for row in rows if row.accounted_delta is not None})
    set_log_scale(axis, "x", min(epsilons), max(epsilons))
    axis.set_xlim(min(epsilons) / 2.2, max(epsilons) * 2.2)
    axis.set_xlabel(f"Accounted epsilon{f' at delta {deltas[0]}' if len(deltas) == 1 else ''}")
    axis.grid(axis="both", which="major")
