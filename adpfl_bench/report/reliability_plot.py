"""Reliability plot: how often voxels are of a region, by the probability that was predicted for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from adpfl_bench.leaderboard.groups import Variant
from adpfl_bench.leaderboard.table import Table
from adpfl_bench.metrics.functional.reliability import BINS, Reliability
from adpfl_bench.report.plot import Plot, new_figure, place_legend, set_log_scale
from adpfl_bench.report.plot_colours import FAINT, method_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEWEST = 30
"""Voxels in a bin from which its frequency is drawn: with fewer it is chance."""


def draw_reliability(table: Table) -> dict[str, Plot]:
    """Draw the methods of a table whose records state a calibration of its region.

    Returns:
        The plot by its name; nothing where no record does.
    """
    found = {variant.label: _reliability(variant, table.region) for variant in table.group.shown}
    known = {label: reliability for label, reliability in found.items() if reliability is not None}
    return {"calibration": _draw(table, known)} if known else {}


def _reliability(variant: Variant, region: str) -> Reliability | None:
    """The sample of all seeds, by the models that tables judge the method by."""
    blocks = [block for run in variant.runs for block in run.record.judged_calibration if block.region == region]
    parts = [block.reliability for block in blocks]
    return sum(parts[1:], start=parts[0]) if parts else None


def _draw(table: Table, known: Mapping[str, Reliability]) -> Plot:
    with new_figure(4.2) as figure:
        above, below = figure.subplots(2, 1, height_ratios=(3.2, 1), sharex=True)
        above.plot([0, 1], [0, 1], color=FAINT, linewidth=0.8, linestyle=":")
        handles = [_draw_method(above, below, label, found, table.group.look(label)) for label, found in known.items()]
        above.set(xlim=(0, 1), ylim=(0, 1), ylabel="Share of voxels of the region")
        below.set(xlabel="Predicted probability", ylabel="Share of all")
        lowest = min(float((found.counts[found.counts > 0] / found.counts.sum()).min()) for found in known.values())
        set_log_scale(below, "y", lowest, 1)
        below.set_ylim(lowest / 1.5, 1.5)
        for axis in (above, below):
            axis.grid(axis="y")
        place_legend(figure, handles)
    errors = [f"{label} {100 * found.error:.2f} %" for label, found in known.items()]
    return Plot(
        figure,
        alt=f"Reliability of probabilities, region {table.region}; expected calibration errors: {', '.join(errors)}",
        caption=(
            f"How often voxels are of the region, by the probability that was predicted for them, in {BINS} bins; on"
            " the dotted line probabilities come true. Below: share of the voxels in each bin. In brackets: expected"
            " calibration error (ECE). Of a sample of each test case's voxels, of all seeds; bins of fewer than"
            f" {_FEWEST} voxels are left out above."
        ),
        title=f"Reliability, region {table.region}",
    )


def _draw_method(above: Axes, below: Axes, label: str, found: Reliability, look: int) -> Any:
    colour, style, marker = method_style(look)
    drawn = found.counts >= _FEWEST
    line_style: dict[str, Any] = {"color": colour, "linestyle": style, "linewidth": 1.4}
    (line,) = above.plot(
        found.means[drawn],
        found.frequencies[drawn],
        marker=marker,
        markersize=3.5,
        label=f"{label} (ECE {100 * found.error:.2f} %)",
        **line_style,
    )
    shares = np.where(found.counts > 0, found.counts / found.counts.sum(), np.nan)
    below.stairs(shares, np.arange(BINS + 1) / BINS, baseline=None, **line_style)
    return line
