"""Each client's own score under each method, as dots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from adpfl_bench.results.picture import COLOURS, Picture, to_png
from adpfl_bench.results.table import Table
from adpfl_bench.results.who_benefits import HELD_OUT, LOCAL_REFERENCE, WhoBenefits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_BAND = 0.8
"""Share of a client's height over which its dots are spread."""


def draw_clients(tables: Sequence[Table]) -> Picture:
    """Draw a dot per client and method, in a panel for each region of one comparable group.

    Args:
        tables: The group's tables, one per region.
    """
    from matplotlib.figure import Figure  # deferred: only a picture needs it

    group = tables[0].group
    labels = [row.label for row in tables[0].rows]
    clients = sorted({row.client for table in tables for row in table.benefits.clients})
    height = min(1.0 + 0.06 * len(labels) + len(clients) * max(0.4, 0.11 * len(labels)), 18)
    figure = Figure(figsize=(1.6 + 3.8 * max(len(tables), 2), height), layout="constrained")
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for axis, table in zip(axes, tables, strict=True):
        _draw_region(axis, table.benefits, labels, clients)
        axis.set_title(f"Region {table.region}", fontsize=10, loc="left", parse_math=False)
    axes[0].set_yticks(range(len(clients)), clients, fontsize=8, parse_math=False)
    axes[0].set_ylim(len(clients) - 0.5, -0.5)
    held_out = any(row.role == HELD_OUT for table in tables for row in table.benefits.clients)
    compared = all(table.benefits.has_reference for table in tables)
    _draw_legend(figure, labels, held_out)
    return Picture(
        to_png(figure, dpi=120),
        alt=(
            f"Dots by client for {group.task} ({group.kind}): Dice on each client's own test cases. "
            + " ".join(f"Region {table.region}: {_ends(table.benefits)}." for table in tables)
        ),
        caption=(
            "Mean Dice on a client's own test cases by the model that it would use, over seeds; lines reach one SD over"
            " seeds to both sides."
            + (f" The grey line is what the client reaches with {LOCAL_REFERENCE}." if compared else "")
            + (" Hollow: the client took no part in training." if held_out else "")
        ),
    )


def _draw_region(axis: Axes, benefits: WhoBenefits, labels: Sequence[str], clients: Sequence[str]) -> None:
    places = {client: place for place, client in enumerate(clients)}
    for place in range(0, len(clients), 2):
        axis.axhspan(place - 0.5, place + 0.5, color="#f4f6f8", zorder=0)
    if benefits.has_reference:
        for client, own in _alone(benefits).items():
            axis.vlines(100 * own, places[client] - 0.5, places[client] + 0.5, color="#8a8a8a", lw=1.2, zorder=1)
    for row in benefits.clients:
        index = labels.index(row.label)
        height = places[row.client] + _BAND * ((index + 0.5) / len(labels) - 0.5)
        colour, marker = _style(index)
        if row.own_sd_seeds is not None:
            ends = 100 * (row.own - row.own_sd_seeds), 100 * (row.own + row.own_sd_seeds)
            axis.hlines(height, *ends, color=colour, linewidth=1.0, zorder=2)
        face = "white" if row.role == HELD_OUT else colour
        axis.plot([100 * row.own], [height], marker, color=colour, markerfacecolor=face, markersize=5, zorder=3)
    axis.set_xlabel("Dice (%) on the client's own test cases", fontsize=9)
    axis.grid(axis="x", color="#dddddd", linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8, left=False)
    axis.spines[["top", "right", "left"]].set_visible(False)


def _alone(benefits: WhoBenefits) -> Mapping[str, float]:
    """What clients reach with the method that gains are measured against."""
    return {row.client: row.own for row in benefits.clients if row.method == LOCAL_REFERENCE and row.role != HELD_OUT}


def _style(index: int) -> tuple[str, str]:
    """Colour and marker of a method; together they are its own up to 49 methods."""
    return COLOURS[index % len(COLOURS)], _MARKERS[(index + index // len(COLOURS)) % len(_MARKERS)]


def _draw_legend(figure: Figure, labels: Sequence[str], held_out: bool) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for index, label in enumerate(labels):
        colour, marker = _style(index)
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=label))
    if held_out:
        hollow = Line2D([], [], color="#555555", markerfacecolor="white", marker="o", linestyle="", markersize=5)
        hollow.set_label(HELD_OUT)
        handles.append(hollow)
    legend = figure.legend(handles=handles, frameon=False, fontsize=8, loc="outside lower left", ncols=4)
    for text in legend.get_texts():
        text.set_parse_math(False)


def _ends(benefits: WhoBenefits) -> str:
    """The worst and the best client of each method."""
    ends: list[str] = []
    for row in benefits.methods:
        if row.worst is not None and row.best is not None:
            ends.append(f"{row.label} from {100 * row.worst:.1f} % ({row.worst_client}) to {100 * row.best:.1f} %")
            ends[-1] += f" ({row.best_client})"
    return "; ".join(ends) or "no client that took part in training has test cases"
