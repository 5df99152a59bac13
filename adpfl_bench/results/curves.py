"""How runs went, round by round."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adpfl_bench.errors import RecordError
from adpfl_bench.results.comparability import Group, Variant
from adpfl_bench.results.picture import COLOURS, STYLES, Picture, to_png
from adpfl_bench.results.round_metrics import ALL_CLIENTS
from adpfl_bench.results.run_directory import RoundRow
from adpfl_bench.results.table import ordered_variants

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Band = tuple[list[int], list[float], list[float], list[float]]
"""Rounds, and the mean, lowest and highest value over seeds in each."""


def band(series: Sequence[Sequence[tuple[int, float]]]) -> Band:
    """Mean, minimum and maximum over seeds of each round that any seed has.

    Args:
        series: For each seed, its (round, value) pairs.
    """
    values: dict[int, list[float]] = {}
    for pairs in series:
        for number, value in pairs:
            values.setdefault(number, []).append(value)
    rounds = sorted(values)
    return (
        rounds,
        [float(np.mean(values[number])) for number in rounds],
        [min(values[number]) for number in rounds],
        [max(values[number]) for number in rounds],
    )


def draw_curves(group: Group) -> Picture | None:
    """Draw validation Dice, training loss and the private methods' clipping thresholds by round.

    Lines are means over seeds, bands reach from the lowest to the highest seed.

    Returns:
        ``None`` where no run has a rounds.csv.
    """
    from matplotlib.figure import Figure  # deferred: only a picture needs it

    variants = ordered_variants(group)
    rows = {variant.label: _rounds(variant) for variant in variants}
    if not any(any(seeds) for seeds in rows.values()):
        return None
    private = [variant.label for variant in variants if _has(rows[variant.label], "clipping_threshold")]
    panels = 3 if private else 2
    figure = Figure(figsize=(4.4 * panels, 3.6), layout="constrained")
    axes = figure.subplots(1, panels)
    colours = {variant.label: COLOURS[i % len(COLOURS)] for i, variant in enumerate(variants)}
    ends = []
    for label in rows:
        dice = band([_series(seed, ALL_CLIENTS, "val_dice") for seed in rows[label]])
        if dice[0]:
            ends.append(f"{label} {100 * dice[1][-1]:.1f} % after round {dice[0][-1]}")
        _draw_band(axes[0], dice, label, colours[label], scale=100)
        losses = band([_series(seed, ALL_CLIENTS, "train_loss") for seed in rows[label]])
        _draw_band(axes[1], losses, label, colours[label])
    _finish(axes[0], "Validation Dice (%)")
    _finish(axes[1], "Training loss")
    axes[0].legend(frameon=False, fontsize=8, handlelength=2.8)
    if private:
        for label in private:
            _draw_thresholds(axes[2], rows[label], label, colours[label])
        _finish(axes[2], "Clipping threshold of each client")
        if axes[2].dataLim.y0 > 0 and axes[2].dataLim.y1 > 30 * axes[2].dataLim.y0:
            axes[2].set_yscale("log")
        axes[2].legend(frameon=False, fontsize=7, handlelength=3.2)
    for axis in axes:
        for text in axis.get_legend().get_texts() if axis.get_legend() else []:
            text.set_parse_math(False)
    return Picture(
        to_png(figure, dpi=120),
        alt=(
            f"Lines by round for {group.task} ({group.kind}). Validation Dice ends at {'; '.join(ends) or 'unknown'}."
            + (f" Clipping thresholds are shown for {', '.join(private)}." if private else "")
        ),
        caption=(
            "Means over seeds; bands reach from the lowest to the highest seed. Validation Dice is the mean over"
            " validation cases, by the clients' own models where these are scored; no round is picked by it."
        ),
    )


def _rounds(variant: Variant) -> list[list[RoundRow]]:
    found = []
    for run in variant.runs:
        try:
            found.append(run.directory.read_rounds())
        except RecordError:
            found.append([])
    return found


def _has(seeds: Iterable[Iterable[RoundRow]], name: str) -> bool:
    return any(row.name == name for rows in seeds for row in rows)


def _series(rows: Iterable[RoundRow], client: str, name: str) -> list[tuple[int, float]]:
    return [(row.round, row.value) for row in rows if row.client == client and row.name == name]


def _draw_band(axis: Axes, drawn: Band, label: str, colour: str, style: str = "-", scale: float = 1) -> None:
    rounds, mean, low, high = drawn
    if rounds:
        marker = "o" if len(rounds) < 3 else None
        line: dict[str, Any] = {"color": colour, "linewidth": 1.6, "marker": marker, "markersize": 4}
        axis.plot(rounds, np.multiply(scale, mean), style, label=label, **line)
        axis.fill_between(rounds, np.multiply(scale, low), np.multiply(scale, high), color=colour, alpha=0.15, lw=0)


def _draw_thresholds(axis: Axes, seeds: Sequence[Sequence[RoundRow]], label: str, colour: str) -> None:
    clients = sorted({row.client for rows in seeds for row in rows if row.name == "clipping_threshold"})
    bands = {client: band([_series(rows, client, "clipping_threshold") for rows in seeds]) for client in clients}
    if len({str(drawn) for drawn in bands.values()}) == 1:
        _draw_band(axis, bands[clients[0]], f"{label}, every client", colour)
    elif len(clients) <= len(STYLES):
        for client, style in zip(clients, STYLES, strict=False):
            _draw_band(axis, bands[client], f"{label}, {client}", colour, style)
    else:
        for index, client in enumerate(clients):
            rounds, mean, _, _ = bands[client]
            name = f"{label}, {len(clients)} clients" if index == 0 else "_"
            axis.plot(rounds, mean, color=colour, linewidth=0.8, alpha=0.7, label=name)


def _finish(axis: Axes, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_title(title, fontsize=10, loc="left")
    axis.set_xlabel("Round", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
