"""Colours of plots: what is drawn on white, and the variables by which a page makes it light or dark."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's colours, which colour-blind readers can tell apart too; their yellow is too pale for white paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, FAINT, RULE, BAND, PAPER = "#1d2228", "#5b6570", "#d9dee3", "#f4f6f8", "#ffffff"
PALETTE = (*COLOURS[:-1], "#111111")
"""The same as ``COLOURS``, but for black, which an SVG does not state and a page could not change."""

# The page gives these variables a value for light and one for dark paper.
_VARIABLES = {
    **{INK: "--ink", FAINT: "--faint", RULE: "--rule", BAND: "--band", PAPER: "--paper"},
    **{colour.lower(): f"--series-{index}" for index, colour in enumerate(PALETTE, 1)},
}


def method_style(index: int) -> tuple[str, str, str]:
    """Colour, line style and marker of the method with this look; the three are its own for 28 and more.

    Returns:
        Colour, line style, marker.
    """
    turn = index // len(PALETTE)
    return PALETTE[index % len(PALETTE)], STYLES[turn % len(STYLES)], MARKERS[(index + turn) % len(MARKERS)]


def page_colour(colour: Any) -> str:
    """Return the page's variable for a colour of plots, or the colour itself where there is none.

    Args:
        colour: As matplotlib takes it: a name, ``#rrggbb``, or three or four shares.
    """
    from matplotlib.colors import to_hex  # deferred: only a picture needs it

    text = to_hex(colour)
    return f"var({_VARIABLES[text]})" if text in _VARIABLES else text
