"""Outlines in pictures of cases: their colours, and the words that say which of them is truth and which prediction."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from adpfl_bench.report.plot_key import KeyEntry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED_COLOURS = {
    "amber": "#FFB000",
    "orange": "#FE6100",
    "magenta": "#DC267F",
    "violet": "#785EF0",
    "blue": "#648FFF",
    "green": "#2CA02C",
}
REGION_COLOURS = tuple(_NAMED_COLOURS.values())
TRUTH_COLOUR = "#00E5FF"
KEY_PAPER = "#333333"
"""What keys of outlines stand on, as bright lines on white cannot be seen."""

_SWATCH = (
    '<svg class="swatch" viewBox="0 0 30 12" aria-hidden="true"><path d="M0 0H30V12H0Z" fill="var(--key-paper)"/>'
    '<path d="M3 6H27" fill="none" stroke="var({})" stroke-width="3"/></svg>'
)


def outline_key(regions: int, names: Sequence[str]) -> dict[str, str]:
    """Return by what an outline is its colour, for ``regions`` regions, whose names may be unknown."""
    if regions == 1:
        return {"truth": TRUTH_COLOUR, "prediction": REGION_COLOURS[0]}
    known = list(names) or [f"region {number}" for number in range(1, regions + 1)]
    # The panel of the truth alone has to tell regions apart too, and has their colours.
    colours = dict(zip((f"{name}: prediction (in panel truth: truth)" for name in known), cycle(REGION_COLOURS)))
    return {"truth beside a prediction": TRUTH_COLOUR, **colours}


def page_key(regions: int, names: Sequence[str]) -> list[KeyEntry]:
    """Return the same as a key for a page, whose style states the colours by name."""
    variables = {TRUTH_COLOUR: "--truth", **{c: f"--outline-{n}" for n, c in enumerate(REGION_COLOURS, 1)}}
    return [KeyEntry(label, _SWATCH.format(variables[colour])) for label, colour in outline_key(regions, names).items()]


def colour_key(regions: int, names: Sequence[str]) -> str:
    """Describe which outline is what."""
    if regions == 1:
        return "The truth is cyan, a prediction orange."
    if not names:
        return "Each region has its colour; beside predictions the truth is cyan."
    named = ", ".join(f"{region} {colour}" for region, colour in zip(names, cycle(_NAMED_COLOURS)))
    return f"Regions are outlined: {named}; beside predictions the truth is cyan."


def outline(axis: Axes, masks: npt.NDArray[Any], colours: Sequence[str]) -> None:
    """Outline masks [R, H, W] in an axis that shows their image."""
    from matplotlib.patheffects import withStroke

    for index, mask in enumerate(masks):
        if mask.any():
            # A border of background closes outlines that would run out of the image.
            padded = np.pad(mask.astype(float), 1)
            y, x = (np.arange(-1, size + 1) for size in mask.shape)
            lines = axis.contour(x, y, padded, levels=[0.5], colors=colours[index % len(colours)], linewidths=1.4)
            lines.set(path_effects=[withStroke(linewidth=2.4, foreground="#00000099")])
    height, width = masks.shape[1:]
    axis.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
