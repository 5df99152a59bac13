"""Plots that a page can restyle: one drawing, as a PNG on white and as an SVG in the page's own colours."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's colours, which colour-blind readers can tell apart too; their yellow is too pale for white paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Picture:
    """A PNG file.

    Attributes:
        png: Its bytes.
        alt: What it shows, in words.
        caption: How it was made.
    """

    png: bytes
    alt: str
    caption: str


def to_png(figure: Figure, dpi: int) -> bytes:
    """Draw a figure on white; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


INK, FAINT, RULE, BAND, PAPER = "#1d2228", "#5b6570", "#d9dee3", "#f4f6f8", "#ffffff"
PALETTE = (*COLOURS[:-1], "#111111")
"""The same as ``COLOURS``, but for black, which an SVG does not state and a page could not change."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DPI = 130
WIDTH = 4.8
"""Width of a plot in inches; a phone shows it at about three quarters of its size."""

# The page gives these variables a value for light and one for dark paper.
_VARIABLES = {
    **{INK: "--ink", FAINT: "--faint", RULE: "--rule", BAND: "--band", PAPER: "--paper"},
    **{colour.lower(): f"--series-{index}" for index, colour in enumerate(PALETTE, 1)},
}
_RC: Any = {
    **{name: INK for name in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")},
    **{"grid.color": RULE, "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.unicode_minus": True},
    **{"axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.8},
    **{"axes.labelsize": 9, "axes.titlesize": 10, "axes.titlelocation": "left"},
    **{"xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8, "legend.frameon": False},
    **{"figure.autolayout": False, "figure.constrained_layout.use": False},
    **{"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "adpfl-bench"},
}


@contextmanager
def plot_style() -> Iterator[None]:
    """Style of every plot; names are never read as mathematics."""
    import matplotlib as mpl  # deferred: only a picture needs it

    with mpl.rc_context(_RC):
        yield


@contextmanager
def new_figure(height: float, width: float = WIDTH) -> Iterator[Figure]:
    """An empty figure, of a size in inches, to be drawn on in the style of every plot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # deferred: only a picture needs it
    from matplotlib.figure import Figure

    with plot_style():
        figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure


class Plot:
    """A drawing, with the words for who cannot see it.

    Args:
        figure: What was drawn; its parts get their places once, for all files that are made of it.
        alt: What it shows, in words.
        caption: How it was made.
        title: Its heading.
    """

    def __init__(self, figure: Figure, alt: str, caption: str, title: str = "") -> None:
        self.alt, self.caption, self.title = alt, caption, title
        self.figure = figure

    @cached_property
    def png(self) -> bytes:
        """A PNG file on white; the same figure gives the same bytes."""
        with _arranged(self.figure):
            return to_png(self.figure, _DPI)

    def svg(self, name: str) -> str:
        """Return an ``<svg>`` element for a page that defines the variables ``--ink``, ``--series-1`` and so on.

        Args:
            name: Starts every id in it, so that several can stand in one page.
        """
        return _inline(self._svg, name, self.alt)

    @cached_property
    def _svg(self) -> str:
        buffer = io.StringIO()
        with _arranged(self.figure):
            self.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        return buffer.getvalue()

    def print(self, png: bool) -> None:
        """Make the files, and let go of the figure, of which hundreds would fill the memory.

        Args:
            png: Whether a PNG file is wanted too.
        """
        for name in ("_svg", "png") if png else ("_svg",):
            getattr(self, name)
        del self.figure


@contextmanager
def _arranged(figure: Figure) -> Iterator[None]:
    """The style of every plot, with the parts of a figure in their places."""
    with plot_style():
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)
        yield


def method_style(index: int) -> tuple[str, str, str]:
    """Colour, line style and marker of the method with this place in the table; the three are its own for 28 and more.

    Returns:
        Colour, line style, marker.
    """
    turn = index // len(PALETTE)
    return PALETTE[index % len(PALETTE)], STYLES[turn % len(STYLES)], MARKERS[(index + turn) % len(MARKERS)]


def place_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Put a legend below a figure, in as many columns as its longest name leaves room for."""
    if not handles:
        return
    longest = max(len(str(handle.get_label())) for handle in handles)
    fitting = max(1, int(figure.get_figwidth() * 72 // (4.6 * longest + 38)))
    ncols = min(fitting, len(handles))
    figure.legend(handles=handles, loc="outside lower left", ncols=ncols, handlelength=2.4, columnspacing=1.2)


def set_log_scale(axis: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """Make an axis of values above 0 logarithmic, with plain labels: those of matplotlib are mathematics."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set(**{f"{which}scale": "log"})
    scaled = axis.xaxis if which == "x" else axis.yaxis
    decades = math.log10(high / low)
    scaled.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if decades < 2 else (1.0,), numticks=8))
    scaled.set_major_formatter(FuncFormatter(_plain_number))
    scaled.set_minor_formatter(NullFormatter())


def _plain_number(value: float, _: Any) -> str:
    return f"{value:g}".replace("e+0", "e")


def round_axis(axis: Axes) -> None:
    """Label a horizontal axis of rounds."""
    from matplotlib.ticker import MaxNLocator

    axis.set_xlabel("Round")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axis.grid(axis="y")


def _inline(svg: str, name: str, alt: str) -> str:
    """Return an SVG file as an element of a page: no header, ids of its own, colours from the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'\bxlink:href="#', f'href="#{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-")
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font: \1 var(--font)", svg)
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda match: _variable(match.group()), svg)
    view = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width = float(view.group(1)) if view else 0.0
    head = (
        f'<svg class="plot" role="img" aria-label="{html.escape(alt)}" style="width: {width * 4 / 3:.0f}px"'
        f" {view.group() if view else ''}>"
    )
    return re.sub(r"\s*\n\s*", "\n", head + svg[svg.index(">") + 1 :])


def _variable(colour: str) -> str:
    return f"var({_VARIABLES[colour]})" if colour in _VARIABLES else colour
