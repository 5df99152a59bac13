"""Key of a plot: the names in its legend, each with a swatch, as a page sets them beside the drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from adpfl_bench.report.plot_colours import page_colour

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DASHES = {"--": "6 3", ":": "2 3", "-.": "8 3 2 3"}
_MARKERS = {
    "o": "M15 2a4 4 0 1 1 0 8a4 4 0 1 1 0-8z",
    "s": "M11.5 2.5h7v7h-7z",
    "^": "M15 1.5l4.5 8h-9z",
    "v": "M15 10.5l4.5-8h-9z",
    "D": "M15 1l5 5l-5 5l-5-5z",
    "P": "M13.5 1.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z",
    "X": "M12.5 1.5l2.5 2.5l2.5-2.5l2 2l-2.5 2.5l2.5 2.5l-2 2l-2.5-2.5l-2.5 2.5l-2-2l2.5-2.5l-2.5-2.5z",
}


class KeyEntry(NamedTuple):
    """A name in the key of a plot.

    Attributes:
        label: The name.
        swatch: An ``<svg>`` element that looks like what has the name, in the page's colours.
    """

    label: str
    swatch: str


def key_of(figure: Figure) -> list[KeyEntry]:
    """Return what the legend of a figure names, in its order; nothing where there is none."""
    return [
        KeyEntry(text.get_text(), _swatch(handle))
        for legend in figure.legends
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
    ]


def _swatch(handle: Any) -> str:
    from matplotlib.lines import Line2D  # deferred: only a picture needs it

    drawn = _line(handle) if isinstance(handle, Line2D) else _band(handle)
    return f'<svg class="swatch" viewBox="0 0 30 12" aria-hidden="true">{drawn}</svg>'


def _line(handle: Any) -> str:
    colour, style, marker = page_colour(handle.get_color()), handle.get_linestyle(), handle.get_marker()
    drawn = ""
    if style not in ("", " ", "None", "none"):
        dashes = f' stroke-dasharray="{_DASHES[style]}"' if style in _DASHES else ""
        drawn = f'<path d="M1 6H29" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
    if marker in _MARKERS:
        face = page_colour(handle.get_markerfacecolor())
        drawn += f'<path d="{_MARKERS[marker]}" fill="{face}" stroke="{colour}"/>'
    return drawn


def _band(handle: Any) -> str:
    colour = handle.get_facecolor()
    face = colour[0] if len(colour) == 1 else colour
    return f'<path d="M1 2H29V10H1Z" fill="{page_colour(face)}" fill-opacity="{float(face[3]):.2g}"/>'
