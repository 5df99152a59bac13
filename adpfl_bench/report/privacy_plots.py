"""Plot of epsilon over the rounds of a planned run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adpfl_bench.privacy.forecast import ClientRound
from adpfl_bench.report.plot import Picture, new_figure, set_log_scale, to_png
from adpfl_bench.report.plot_colours import COLOURS, STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_LINES = 6
_GREY = "#8a8a8a"

Curve = tuple[tuple[int, float], ...]
"""Rounds and epsilons of a client, from the first round in which it has released anything."""


def draw_epsilon(rows: Sequence[ClientRound], heading: str, target: float | None, delta: float) -> Picture:
    """Draw each client's epsilon by round, equal ones as one line, and the target.

    Up to six lines have a colour and a style each; of more, the highest and the lowest do and the rest is grey.
    """
    curves = _group(rows)
    stepped = any(not row.participates for row in rows)
    idle = sorted({row.client for row in rows} - {name for names in curves.values() for name in names})
    last = max(row.round for row in rows)
    with new_figure(4.4, width=7.2) as figure:
        axis = figure.subplots()
        _draw_curves(axis, curves, "steps-post" if stepped else "default")
        if idle:
            axis.plot([], [], " ", label=f"{_names(idle, 0)}: 0, takes no part")
        if target is not None:
            axis.axhline(target, color="black", linewidth=1.0, linestyle=(0, (6, 3)), label=f"target {target:g}")
        _set_scales(axis, [value for curve in curves for _, value in curve if 0 < value < math.inf], target, last)
        axis.set_title(heading)
        axis.set_xlabel("Round")
        axis.set_ylabel(f"Accounted epsilon at delta {delta:g}")
        axis.grid(axis="both", which="major")
        figure.legend(handlelength=3.2, loc="outside lower left", ncols=2)
        png = to_png(figure, dpi=140)
    ends = {names[0]: curve[-1][1] for curve, names in curves.items()}
    worst = max(ends, key=lambda name: ends[name])
    return Picture(
        png,
        alt=(
            f"Accounted epsilon by round and client. After round {last} it is largest for {worst}: {ends[worst]:.4g}."
            + (f" The target is {target:g}." if target is not None else "")
        ),
        caption=f"Epsilon at delta {delta:g} of what will have been released after each round, before training.",
    )


def _group(rows: Sequence[ClientRound]) -> dict[Curve, list[str]]:
    """Clients by their curve, the curve that ends highest first."""
    series: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if row.releases:
            series.setdefault(row.client, []).append((row.round, row.epsilon))
    groups: dict[Curve, list[str]] = {}
    for client, points in series.items():
        groups.setdefault(tuple(points), []).append(client)
    return dict(sorted(groups.items(), key=lambda item: -item[0][-1][1]))


def _draw_curves(axis: Axes, curves: Mapping[Curve, Sequence[str]], drawstyle: str) -> None:
    clients = sum(len(names) for names in curves.values())
    many = len(curves) > _MOST_LINES
    between = sum(len(names) for names in list(curves.values())[1:-1])
    for index, (curve, names) in enumerate(curves.items()):
        rounds, values = [number for number, _ in curve], [value for _, value in curve]
        line: dict[str, Any] = {"drawstyle": drawstyle, "marker": "o", "markersize": 4, "markevery": [-1]}
        end = f"{values[-1]:.4g}"
        if many and 0 < index < len(curves) - 1:
            label = f"{between} clients in between" if index == 1 else "_"
            thin = {**line, "markersize": 2, "linewidth": 0.8, "alpha": 0.7}
            axis.plot(rounds, values, color=_GREY, label=label, zorder=1.5, **thin)
            continue
        place = min(index, 1) if many else index
        rank = {0: "highest, ", 1: "lowest, "}[place] if many else ""
        label = f"{_names(names, clients)}: {rank}{end} at the end"
        style = STYLES[place % len(STYLES)]
        axis.plot(rounds, values, style, color=COLOURS[place % len(COLOURS)], linewidth=1.8, label=label, **line)


def _names(names: Sequence[str], clients: int) -> str:
    if len(names) == clients > 1:
        return f"each of the {clients} clients"
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} and {len(names) - 1} more"


def _set_scales(axis: Axes, values: Sequence[float], target: float | None, rounds: int) -> None:
    """Logarithmic axes where they span much: rounds from ten on, epsilons from a factor of five on."""
    shown = [*values, *([target] if target is not None else [])]
    if shown and max(shown) > 5 * min(shown):
        set_log_scale(axis, "y", min(shown), max(shown))
    else:
        axis.set_ylim(bottom=0)
    if rounds >= 10:
        set_log_scale(axis, "x", 1, rounds)
    else:
        axis.set_xlim(0.5, rounds + 0.5)
        axis.set_xticks(range(1, rounds + 1))
