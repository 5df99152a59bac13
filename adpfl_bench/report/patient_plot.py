"""Raincloud plot of every patient's Dice, or another main metric, under each method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.leaderboard.table import Table
from adpfl_bench.report.plot import Plot, new_figure
from adpfl_bench.report.plot_colours import INK, PAPER, method_style
from adpfl_bench.report.plot_pieces import in_parts, part_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]

_BINS = 25
MOST_DOTS = 250
CLOUDS_OF_A_PIECE = 5
"""So many rows a piece of a plot of clouds has at least."""

_CLOUD, _BOX, _RAIN = 0.38, 0.13, 0.30
"""Heights of the three parts, in rows."""


def patient_dice(table: Table) -> dict[str, FloatArray]:
    """Return each patient's Dice in percent by method, averaged over its cases and the seeds, of shape ``[P]`` each."""
    scores = table.statistics.scores.usable.get(table.main.name)
    if scores is None:
        return {}
    shown = table.group.places
    return {
        variant.label: 100 * scores.patient_means(name)
        for name, variant in table.statistics.variants.items()
        if variant.label in shown
    }


def draw_patients(table: Table) -> Plot | None:
    """Draw for each method the distribution over patients, its quartiles, and the patients.

    Returns:
        ``None`` where it cannot be compared.
    """
    dice = patient_dice(table)
    if not dice:
        return None
    labels, lowest = list(dice), min(float(values.min()) for values in dice.values())

    def draw(shown: Sequence[str], of: str = "") -> Plot:
        return _draw(table, {label: dice[label] for label in shown}, (max(lowest - 4, -2), 102), of)

    whole, parts = draw(labels), in_parts(labels, CLOUDS_OF_A_PIECE) if len(table.group.regions) == 1 else []
    whole.pieces = [draw(part, part_name("methods", labels, part)) for part in parts]
    return whole


def _draw(table: Table, dice: Mapping[str, FloatArray], ends: tuple[float, float], of: str) -> Plot:
    title, subject = table.main.title, table.group.subject
    with new_figure(0.8 + 0.48 * len(dice)) as figure:
        axis = figure.subplots()
        for place, (label, values) in enumerate(dice.items()):
            draw_cloud(axis, values, place, method_style(table.group.look(label))[0])
        label_rows(axis, list(dice))
        axis.set_xlim(*ends)
        axis.set_xlabel(f"{title} (%) of each {subject}")
    patients = len(next(iter(dice.values())))
    dots = f"each dot is one {subject}" if patients <= MOST_DOTS else f"dots are {MOST_DOTS} of {patients} {subject}s"
    quartiles = {label: np.percentile(values, [25, 50, 75]) for label, values in dice.items()}
    return Plot(
        figure,
        alt=(
            f"{title} of {patients} {subject}s by method, region {table.region}. Median and quartiles: "
            + "; ".join(f"{label} {q[1]:.1f} % ({q[0]:.1f} to {q[2]:.1f})" for label, q in quartiles.items())
            + "."
        ),
        caption=(
            f"The {title} of each {subject} is the mean over its cases and the seeds. Above, how many score so; the box"
            f" holds the middle half, the line in it is the median, the dot the mean; below, {dots}."
            f"{table.group.shown_note}"
        ),
        title=f"{title} of each {subject}, region {table.region}{of}",
    )


def label_rows(axis: Axes, labels: Sequence[str]) -> None:
    """Name the rows of a plot of clouds, the first on top."""
    axis.set_yticks(range(len(labels)), labels)
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(len(labels) - 0.45, -0.55)
    axis.grid(axis="x")
    axis.spines["left"].set_visible(False)


def draw_cloud(axis: Axes, values: FloatArray, place: int, colour: str) -> None:
    """Draw a row of percentages: how many there are of each size, their quartiles, and each as a dot."""
    counts, edges = np.histogram(values, bins=_BINS, range=(0, 100))
    top = place - _BOX
    axis.stairs(top - _CLOUD * counts / counts.max(), edges, baseline=top, fill=True, color=colour, alpha=0.55, lw=0)
    low, median, high = np.percentile(values, [25, 50, 75])
    reach = 1.5 * (high - low)
    whiskers = values[values >= low - reach].min(), values[values <= high + reach].max()
    axis.hlines(place, *whiskers, color=colour, linewidth=1)
    axis.fill_between([low, high], place - 0.75 * _BOX, place + 0.75 * _BOX, color=colour, lw=0)
    axis.vlines(median, place - 0.75 * _BOX, place + 0.75 * _BOX, color=PAPER, linewidth=1.8)
    axis.plot(values.mean(), place, "o", markersize=3.4, color=PAPER, markeredgecolor=INK, markeredgewidth=0.6)
    _draw_rain(axis, _thinned(values), place, colour)


def _draw_rain(axis: Axes, values: FloatArray, place: int, colour: str) -> None:
    """Dots below the box, all in one path: segments without length, whose ends are round."""
    heights = place + _BOX + 0.03 + _RAIN * _spread(len(values))
    xs = np.column_stack([values, values + 1e-3, np.full(len(values), np.nan)]).ravel()
    ys = np.column_stack([heights, heights, np.full(len(values), np.nan)]).ravel()
    (dots,) = axis.plot(xs, ys, color=colour, linewidth=1.8, alpha=0.6, solid_capstyle="round")
    dots.set_snap(False)  # both ends of a segment would become the same pixel, and nothing be drawn


def _thinned(values: FloatArray) -> FloatArray:
    """Return the values in order, evenly thinned where they are many."""
    ordered = np.sort(values)
    if len(ordered) <= MOST_DOTS:
        return ordered
    return np.asarray(ordered[np.linspace(0, len(ordered) - 1, MOST_DOTS).round().astype(int)], dtype=np.float64)


def _spread(count: int) -> FloatArray:
    """Heights in [0, 1) that keep neighbours apart: the golden ratio's multiples."""
    return np.asarray((np.arange(count) * 0.6180339887498949) % 1, dtype=np.float64)
