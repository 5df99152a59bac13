"""Curves of runs, round by round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.records.round_columns import RoundColumns
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.records.score_means import grouped_means
from adpfl_bench.report.plot import Plot, method_style, new_figure, place_legend, round_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Band = tuple[list[int], list[float], list[float], list[float]]
"""Rounds, and the mean, lowest and highest value over seeds in each."""

_LOSS = "train_loss"
_BANDS = " Bands reach from the lowest to the highest seed."
_LOSS_CAPTION = f"Mean over clients and seeds.{_BANDS}"
_SCORE_CAPTION = (
    "Mean over validation cases and seeds, by the clients' own models where these are scored; no round is picked by"
    f" it.{_BANDS}"
)


def band(series: Sequence[RoundColumns]) -> Band:
    """Mean, minimum and maximum over the seeds' numbers, of each round that any seed has."""
    values = np.concatenate([of_seed.value for of_seed in series])
    rounds, places = np.unique(np.concatenate([of_seed.round for of_seed in series]), return_inverse=True)
    low, high = np.full(len(rounds), np.inf), np.full(len(rounds), -np.inf)
    np.minimum.at(low, places, values)
    np.maximum.at(high, places, values)
    return rounds.tolist(), grouped_means(values, places, len(rounds)).tolist(), low.tolist(), high.tolist()


def draw_band(axis: Axes, drawn: Band, colour: str, style: str = "-", scale: float = 1) -> Any:
    """Draw the mean as a line and the seeds' range as a band.

    Returns:
        The line; ``None`` where there is no round.
    """
    rounds, mean, low, high = drawn
    if not rounds:
        return None
    line: dict[str, Any] = {"color": colour, "linewidth": 1.6, "marker": "o" if len(rounds) < 3 else None}
    (drawn_line,) = axis.plot(rounds, np.multiply(scale, mean), style, markersize=4, **line)
    if low != high:
        axis.fill_between(rounds, np.multiply(scale, low), np.multiply(scale, high), color=colour, alpha=0.15, lw=0)
    return drawn_line


def draw_curves(group: Group) -> dict[str, Plot]:
    """Draw validation scores and training loss by round, a line for each method.

    Returns:
        Plots by name; those of which no run has anything in its rounds.csv are not among them.
    """
    variants = group.ordered
    rows = {variant.label: [run.rounds.of_client(ALL_CLIENTS) for run in variant.runs] for variant in variants}
    shown = {f"val_{metric.name}": f"Validation {metric.title}" for metric in group.metrics if metric.in_rounds}
    shares = {f"val_{metric.name}" for metric in group.metrics if metric.unit == "share"}
    drawn = {
        name: _draw(group, rows, name, what, percent=name in shares)
        for name, what in {**shown, _LOSS: "Training loss"}.items()
    }
    return {name.replace("_", "-"): plot for name, plot in drawn.items() if plot is not None}


def _draw(group: Group, rows: dict[str, list[RoundColumns]], name: str, what: str, percent: bool) -> Plot | None:
    bands = {label: band([seed.of_name(name) for seed in seeds]) for label, seeds in rows.items()}
    if not any(rounds for rounds, *_ in bands.values()):
        return None
    scale = 100 if percent else 1
    with new_figure(3.3 + 0.1 * len(bands)) as figure:
        axis = figure.subplots()
        handles = []
        for index, (label, drawn) in enumerate(bands.items()):
            colour, style, _ = method_style(index)
            line = draw_band(axis, drawn, colour, style, scale)
            if line is not None:
                line.set_label(label)
                handles.append(line)
        axis.set_ylabel(f"{what} (%)" if percent else what)
        round_axis(axis)
        place_legend(figure, handles)
    ends = [
        f"{label} {scale * mean[-1]:.3g}{' %' if percent else ''} after round {rounds[-1]}"
        for label, (rounds, mean, _, _) in bands.items()
        if rounds
    ]
    alt = f"Lines by round for {group.task} ({group.kind}). {what} ends at {'; '.join(ends)}."
    return Plot(figure, alt=alt, caption=_LOSS_CAPTION if name == _LOSS else _SCORE_CAPTION, title=f"{what} by round")
