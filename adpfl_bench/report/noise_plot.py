"""Plot of private methods' clipping thresholds and noise, round by round and client by client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.records.round_columns import RoundColumns
from adpfl_bench.report.curves import Band, band, draw_band, merged
from adpfl_bench.report.noise_table import DRAWN
from adpfl_bench.report.plot import Plot, new_figure, place_legend, round_axis, set_log_scale
from adpfl_bench.report.plot_colours import MARKERS, STYLES, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_CAPTION = (
    "What updates were clipped at, and the scale of the noise that was added to their sum, at a round's last release;"
)
_MOST_LINES = 60
"""So many clients have a line each; of more their range is shown."""

_LOG_FROM = 5
"""A panel is logarithmic where its largest value is this many times its smallest."""


def draw_noise(group: Group) -> dict[str, Plot]:
    """Draw each private method's clipping threshold and noise scale, a line for each client.

    What stays the same for every client, round and seed has no plot: :func:`tabulate_noise` states it.

    Returns:
        Plots by name, one for each method that has a threshold in a rounds.csv and anything that moves. Of more methods
        than plots show it is one plot, a band for each method.
    """
    if len(group.shown) < len(group.ordered):
        return _draw_methods(group)
    plots = {}
    for number, variant in enumerate(group.ordered, 1):
        seeds = [run.rounds for run in variant.runs]
        bands = {name: _bands(seeds, name) for name in DRAWN}
        moving = {name: of_clients for name, of_clients in bands.items() if _moves(of_clients)}
        if bands["clipping_threshold"] and moving:
            plots[f"noise-{number}"] = _draw(variant.label, moving, method_style(group.look(variant.label))[0])
    return plots


def _draw_methods(group: Group) -> dict[str, Plot]:
    """Draw a line for each method that plots show: the mean over its clients and seeds."""
    bands = {
        name: {variant.label: band([run.rounds.of_name(name) for run in variant.runs]) for variant in group.shown}
        for name in DRAWN
    }
    found = {name: {label: drawn for label, drawn in of.items() if drawn[0]} for name, of in bands.items()}
    if not found["clipping_threshold"]:
        return {}
    shown = {name: of_methods for name, of_methods in found.items() if of_methods}
    labels = list(found["clipping_threshold"])
    with new_figure(2.9) as figure:
        handles: dict[str, Line2D] = {}
        axes = figure.subplots(1, len(shown), squeeze=False)[0]
        for axis, (name, of_methods) in zip(axes, shown.items(), strict=True):
            for label, drawn in of_methods.items():
                colour, style, _ = method_style(group.look(label))
                handles.setdefault(label, draw_band(axis, drawn, colour, style, filled=False))
            axis.set_title(DRAWN[name])
            round_axis(axis)
            _set_scale(axis, of_methods)
        for label, line in handles.items():
            line.set_label(label)
        place_legend(figure, list(handles.values()))
    return {
        "noise": Plot(
            figure,
            alt=f"Lines by round and method for {group.task} ({group.kind}). "
            + " ".join(_ends(DRAWN[name], of_methods, "method") for name, of_methods in shown.items()),
            caption=f"{_CAPTION} means over clients and seeds.{group.shown_note}",
            title=f"{len(labels)} methods",
        )
    }


def _bands(seeds: Sequence[RoundColumns], name: str) -> dict[str, Band]:
    named = [rows.of_name(name) for rows in seeds]
    clients = sorted({client for rows in named for client in rows.client.present()})
    return {client: band([rows.of_client(client) for rows in named]) for client in clients}


def _moves(bands: Mapping[str, Band]) -> bool:
    """Whether there is more than one value, over clients, rounds and seeds."""
    return len({value for _, _, low, high in bands.values() for value in (*low, *high)}) > 1


def _draw(label: str, shown: Mapping[str, Mapping[str, Band]], colour: str) -> Plot:
    clients = sorted({client for of_clients in shown.values() for client in of_clients})
    alike = len(clients) > 1 and all(len({str(drawn) for drawn in found.values()}) == 1 for found in shown.values())
    with new_figure(2.3) as figure:
        handles: dict[str, Line2D] = {}
        for axis, (name, of_clients) in zip(
            figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True
        ):
            _draw_clients(axis, of_clients, clients[:1] if alike else clients, handles, colour)
            axis.set_title(DRAWN[name])
            round_axis(axis)
            _set_scale(axis, of_clients)
        if alike:
            handles = {f"each of the {len(clients)} clients": next(iter(handles.values()))}
        for name, line in handles.items():
            line.set_label(name)
        place_legend(figure, list(handles.values()))
    return Plot(
        figure,
        alt=f"Lines by round and client for {label}. " + " ".join(_ends(DRAWN[n], found) for n, found in shown.items()),
        caption=f"{_CAPTION} means over seeds, bands from the lowest to the highest.",
        title=label,
    )


def _draw_clients(
    axis: Axes, bands: Mapping[str, Band], clients: Sequence[str], handles: dict[str, Line2D], colour: str
) -> None:
    """Lines in the method's colour: a look for each client where there are enough, else thin, and of many a range."""
    if len(clients) > _MOST_LINES:
        line = draw_band(axis, merged([bands[client] for client in clients if client in bands]), colour)
        handles.setdefault(f"mean and range of {len(clients)} clients", line)
        return
    for index, client in enumerate(clients):
        if client not in bands:
            continue
        if len(clients) <= len(MARKERS):
            line = draw_band(axis, bands[client], colour, STYLES[index % len(STYLES)])
            if line is not None:
                if len(clients) > 1:
                    line.set(marker=MARKERS[index], markevery=0.25)
                handles.setdefault(client, line)
        else:
            rounds, mean, _, _ = bands[client]
            (thin,) = axis.plot(rounds, mean, color=colour, linewidth=0.8, alpha=0.5)
            handles.setdefault(f"each of {len(clients)} clients", thin)


def _set_scale(axis: Axes, bands: Mapping[str, Band]) -> None:
    values = [value for _, _, low, high in bands.values() for value in (*low, *high)]
    if min(values) > 0 and max(values) > _LOG_FROM * min(values):
        set_log_scale(axis, "y", min(values), max(values))
        axis.grid(axis="y", which="major")
    elif max(values) > 0:
        axis.set_ylim(0, 1.1 * max(values))


def _ends(name: str, bands: Mapping[str, Band], of: str = "client") -> str:
    ends = {client: mean[-1] for client, (_, mean, _, _) in bands.items()}
    low, high = min(ends, key=lambda client: ends[client]), max(ends, key=lambda client: ends[client])
    if ends[low] == ends[high]:
        return f"{name} ends at {ends[low]:.3g} for every {of}."
    return f"{name} ends between {ends[low]:.3g} ({low}) and {ends[high]:.3g} ({high})."
