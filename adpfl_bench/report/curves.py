"""Curves of runs, round by round."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.leaderboard.groups import Group
from adpfl_bench.records.round_columns import RoundColumns
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.records.score_means import grouped_means
from adpfl_bench.report.plot import Plot, new_figure, place_legend, round_axis
from adpfl_bench.report.plot_colours import FAINT, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers = NDArray[Any]
Band = tuple[list[int], list[float], list[float], list[float]]
"""Rounds, and the mean, lowest and highest value over seeds in each."""

_LOSS = "train_loss"
_BANDS = " Bands reach from the lowest to the highest seed."
_LOSS_CAPTION = "Mean over clients and seeds."
_SCORE_CAPTION = (
    "Mean over validation cases and seeds, by the clients' own models where these are scored; no round is picked by it."
)


def band(series: Sequence[RoundColumns]) -> Band:
    """Mean, minimum and maximum over the seeds' numbers, of each round that any seed has."""
    values = np.concatenate([of_seed.value for of_seed in series])
    return _by_round(np.concatenate([of_seed.round for of_seed in series]), values, values, values)


def merged(bands: Sequence[Band]) -> Band:
    """Return one band of several: the mean of their means, the lowest of their lowest, the highest of their highest."""
    rounds, mean, low, high = (np.array([value for drawn in bands for value in drawn[part]]) for part in range(4))
    return _by_round(rounds.astype(np.int64), mean, low, high)


def _by_round(rounds: Numbers, means: Numbers, lows: Numbers, highs: Numbers) -> Band:
    numbers, places = np.unique(rounds, return_inverse=True)
    low, high = np.full(len(numbers), np.inf), np.full(len(numbers), -np.inf)
    np.minimum.at(low, places, lows)
    np.maximum.at(high, places, highs)
    return numbers.tolist(), grouped_means(means, places, len(numbers)).tolist(), low.tolist(), high.tolist()


def draw_band(axis: Axes, drawn: Band, colour: str, style: str = "-", scale: float = 1, filled: bool = True) -> Any:
    """Draw the mean as a line and, where it is to be ``filled``, the seeds' range as a band.

    Returns:
        The line; ``None`` where there is no round.
    """
    rounds, mean, low, high = drawn
    if not rounds:
        return None
    line: dict[str, Any] = {"color": colour, "linewidth": 1.6, "marker": "o" if len(rounds) < 3 else None}
    (drawn_line,) = axis.plot(rounds, np.multiply(scale, mean), style, markersize=4, **line)
    if filled and low != high:
        axis.fill_between(rounds, np.multiply(scale, low), np.multiply(scale, high), color=colour, alpha=0.15, lw=0)
    return drawn_line


def draw_curves(group: Group) -> dict[str, Plot]:
    """Draw validation scores and training loss by round, a line for each method.

    Returns:
        Plots by name; those of which no run has anything in its rounds.csv are not among them.
    """
    rows = {variant.label: [run.rounds.of_client(ALL_CLIENTS) for run in variant.runs] for variant in group.ordered}
    shown = {f"val_{metric.name}": f"Validation {metric.title}" for metric in group.metrics if metric.in_rounds}
    shares = {f"val_{metric.name}" for metric in group.metrics if metric.unit == "share"}
    drawn = {
        name: _draw(group, rows, name, what, percent=name in shares)
        for name, what in {**shown, _LOSS: "Training loss"}.items()
    }
    return {name.replace("_", "-"): plot for name, plot in drawn.items() if plot is not None}


def _end(line: Any) -> float:
    """Height at which a curve ends, the lowest where it is not a number."""
    last = float(line.get_ydata()[-1])
    return -math.inf if math.isnan(last) else last


def _draw(group: Group, rows: dict[str, list[RoundColumns]], name: str, what: str, percent: bool) -> Plot | None:
    every = {label: band([seed.of_name(name) for seed in seeds]) for label, seeds in rows.items()}
    if not any(rounds for rounds, *_ in every.values()):
        return None
    bands = {label: every[label] for label in group.places}
    others = merged([drawn for label, drawn in every.items() if label not in bands])
    scale = 100 if percent else 1
    with new_figure(3.3) as figure:
        axis = figure.subplots()
        handles: list[Any] = []
        if others[0]:
            low, high = np.multiply(scale, others[2:])
            grey = axis.fill_between(others[0], low, high, color=FAINT, alpha=0.2, lw=0)
            grey.set_label(f"{len(every) - len(bands)} other methods")
        for label, drawn in bands.items():
            colour, style, _ = method_style(group.look(label))
            line = draw_band(axis, drawn, colour, style, scale, filled=not others[0])
            if line is not None:
                line.set_label(label)
                handles.append(line)
        # From top to bottom, as the curves end beside it.
        handles.sort(key=_end, reverse=True)
        handles += [grey] if others[0] else []
        axis.set_ylabel(f"{what} (%)" if percent else what)
        round_axis(axis)
        place_legend(figure, handles)
    ends = [
        f"{label} {scale * mean[-1]:.3g}{' %' if percent else ''} after round {rounds[-1]}"
        for label, (rounds, mean, _, _) in bands.items()
        if rounds
    ]
    alt = f"Lines by round for {group.task} ({group.kind}). {what} ends at {'; '.join(ends)}."
    caption = _LOSS_CAPTION if name == _LOSS else _SCORE_CAPTION
    if others[0]:
        others_band = " The grey band reaches from the lowest to the highest run of the others."
        caption = f"{caption}{group.shown_note}{others_band}"
    else:
        caption += _BANDS
    return Plot(figure, alt=alt, caption=caption, title=f"{what} by round")
