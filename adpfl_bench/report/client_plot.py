"""Plot of each client's own score under each method, as dots."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from adpfl_bench.leaderboard.table import Table
from adpfl_bench.leaderboard.who_benefits import HELD_OUT, LOCAL_REFERENCE, TRAINING, WhoBenefits
from adpfl_bench.report.patient_plot import CLOUDS_OF_A_PIECE, MOST_DOTS, draw_cloud, label_rows
from adpfl_bench.report.plot import Plot, new_figure, place_legend
from adpfl_bench.report.plot_colours import BAND, FAINT, PAPER, method_style
from adpfl_bench.report.plot_pieces import in_parts, part_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OWN_CASES = "Dice (%) on the client's own test cases"
_MOST_ROWS = 60
"""So many clients have a row each; of more their distribution is shown."""

_PIECE = 2.0
"""Inches that a piece of a tall plot is high at least."""

_BAND = 0.8
"""Share of a client's height over which its dots are spread."""


def draw_clients(table: Table) -> Plot:
    """Draw a dot per client and method."""
    labels = list(table.group.places)
    benefits = replace(
        table.benefits,
        clients=tuple(row for row in table.benefits.clients if row.label in table.group.places),
        methods=tuple(row for row in table.benefits.methods if row.label in table.group.places),
    )
    clients = sorted({row.client for row in benefits.clients})
    if len(clients) > _MOST_ROWS:
        return _with_pieces(table, benefits, "methods", labels, CLOUDS_OF_A_PIECE)
    return _with_pieces(table, benefits, "clients", clients, math.ceil(_PIECE / _row_height(len(labels))))


def _with_pieces(table: Table, benefits: WhoBenefits, what: str, rows: Sequence[str], fewest: int) -> Plot:
    """Draw all rows and, of the only region, some at a time for a page."""
    draw: Callable[..., Plot] = _draw_clouds if what == "methods" else _draw_dots
    whole, parts = draw(table, benefits, rows), in_parts(rows, fewest) if len(table.group.regions) == 1 else []
    whole.pieces = [draw(table, benefits, part, part_name(what, rows, part)) for part in parts]
    return whole


def _row_height(methods: int) -> float:
    """Inches of a client's row."""
    return max(0.4, 0.11 * methods)


def _draw_dots(table: Table, benefits: WhoBenefits, clients: Sequence[str], of: str = "") -> Plot:
    """Draw a row for each of the clients: a dot for each method."""
    looks = {label: table.group.look(label) for label in table.group.places}
    held_out = any(row.role == HELD_OUT for row in benefits.clients)
    height = min(1.0 + len(clients) * _row_height(len(looks)), 18)
    reach = _reach(benefits)
    benefits = replace(benefits, clients=tuple(row for row in benefits.clients if row.client in clients))
    with new_figure(height) as figure:
        axis = figure.subplots()
        _draw_region(axis, benefits, looks, clients)
        axis.set_yticks(range(len(clients)), clients)
        axis.set_ylim(len(clients) - 0.5, -0.5)
        axis.set_xlim(*reach)
        place_legend(figure, _legend_handles(looks, held_out))
    return Plot(
        figure,
        alt=(
            f"Dots by client for {table.group.task} ({table.group.kind}), region {table.region}:"
            f" {table.main.title} on each client's own test cases. {_ends(benefits)}."
        ),
        caption=(
            "Mean Dice on a client's own test cases by the model that it would use, over seeds; lines reach one SD over"
            " seeds to both sides."
            + (f" The grey line is what the client reaches with {LOCAL_REFERENCE}." if benefits.has_reference else "")
            + (" Hollow: the client took no part in training." if held_out else "")
            + table.group.shown_note
        ),
        title=f"Clients, region {table.region}{of}",
    )


def _reach(benefits: WhoBenefits) -> tuple[float, float]:
    """The ends of an axis that holds every client's dots and lines, which pieces of a plot share."""
    found = [(row.own, row.own_sd_seeds or 0.0) for row in benefits.clients if not math.isnan(row.own)]
    low = 100 * min((own - sd for own, sd in found), default=0.0)
    high = 100 * max((own + sd for own, sd in found), default=1.0)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _draw_clouds(table: Table, benefits: WhoBenefits, labels: Sequence[str], of: str = "") -> Plot:
    """Draw a row for each of the methods: the distribution of many clients."""
    reach = _reach(benefits)
    benefits = replace(benefits, methods=tuple(row for row in benefits.methods if row.label in labels))
    with new_figure(0.8 + 0.48 * len(labels)) as figure:
        axis = figure.subplots()
        for place, label in enumerate(labels):
            own = [row.own for row in benefits.clients if row.label == label and not math.isnan(row.own)]
            if own:
                draw_cloud(axis, 100 * np.array(own), place, method_style(table.group.look(label))[0])
        label_rows(axis, labels)
        axis.set_xlim(*reach)
        axis.set_xlabel(_OWN_CASES)
    return Plot(
        figure,
        alt=(
            f"Distribution over clients by method for {table.group.task} ({table.group.kind}), region {table.region}:"
            f" {table.main.title} on each client's own test cases. {_ends(benefits)}."
        ),
        caption=(
            "Mean Dice on a client's own test cases by the model that it would use, over seeds. Above, how many clients"
            " score so; the box holds the middle half, the line in it is the median, the dot the mean; below, clients"
            f" as dots, {MOST_DOTS} at most.{table.group.shown_note}"
        ),
        title=f"Clients, region {table.region}{of}",
    )


def _draw_region(axis: Axes, benefits: WhoBenefits, looks: Mapping[str, int], clients: Sequence[str]) -> None:
    places = {client: place for place, client in enumerate(clients)}
    for place in range(0, len(clients), 2):
        axis.axhspan(place - 0.5, place + 0.5, color=BAND, lw=0, zorder=0)
    if benefits.has_reference:
        for client, own in _alone(benefits).items():
            axis.vlines(100 * own, places[client] - 0.5, places[client] + 0.5, color=FAINT, lw=1.2, zorder=1)
    for index, (label, look) in enumerate(looks.items()):
        colour, _, marker = method_style(look)
        rows = [row for row in benefits.clients if row.label == label]
        height = {row.client: places[row.client] + _BAND * ((index + 0.5) / len(looks) - 0.5) for row in rows}
        ends = [
            (height[row.client], 100 * (row.own - row.own_sd_seeds), 100 * (row.own + row.own_sd_seeds))
            for row in rows
            if row.own_sd_seeds is not None
        ]
        if ends:
            axis.hlines(*zip(*ends, strict=True), color=colour, linewidth=1.0, zorder=2)
        for face, dots in (
            (colour, [row for row in rows if row.role != HELD_OUT]),
            (PAPER, [row for row in rows if row.role == HELD_OUT]),
        ):
            if dots:
                dice, heights = [100 * row.own for row in dots], [height[row.client] for row in dots]
                (drawn,) = axis.plot(dice, heights, marker, color=colour, markerfacecolor=face, markersize=5, zorder=3)
                drawn.set_linestyle("")
    axis.set_xlabel(_OWN_CASES)
    axis.grid(axis="x")
    axis.tick_params(left=False)
    axis.spines["left"].set_visible(False)


def _alone(benefits: WhoBenefits) -> Mapping[str, float]:
    """What clients reach with the method that gains are measured against."""
    return {row.client: row.own for row in benefits.clients if row.method == LOCAL_REFERENCE and row.role != HELD_OUT}


def _legend_handles(looks: Mapping[str, int], held_out: bool) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = []
    for label, look in looks.items():
        colour, _, marker = method_style(look)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=label))
    if held_out:
        hollow = Line2D([], [], color=FAINT, markerfacecolor=PAPER, marker="o", linestyle="", markersize=5)
        hollow.set_label(HELD_OUT)
        handles.append(hollow)
    return handles


def _ends(benefits: WhoBenefits) -> str:
    """Return the worst and the best client of each method, of those that are drawn."""
    ends: list[str] = []
    for label in dict.fromkeys(row.label for row in benefits.methods):
        trained = [row for row in benefits.clients if row.label == label and row.role == TRAINING]
        if trained:
            worst = min(trained, key=lambda row: (row.own, row.client))
            best = min(trained, key=lambda row: (-row.own, row.client))
            ends.append(
                f"{label} from {100 * worst.own:.1f} % ({worst.client}) to {100 * best.own:.1f} % ({best.client})"
            )
    return "; ".join(ends) or "no client that took part in training has test cases"
