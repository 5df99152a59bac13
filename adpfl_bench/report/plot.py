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

from adpfl_bench.report.plot_colours import INK, RULE, page_colour
from adpfl_bench.report.plot_key import KeyEntry, key_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


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


_DPI = 130
WIDTH = 4.8
"""Width of a plot in inches, without its legend; a phone shows it at about three quarters of its size."""

_GAP = 0.15
"""Inches around a legend."""

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
        pieces: The same in several drawings, which a page sets side by side in its place; none where it stands itself.
    """

    def __init__(self, figure: Figure, alt: str, caption: str, title: str = "", pieces: Sequence[Plot] = ()) -> None:
        self.alt, self.caption, self.title = alt, caption, title
        self.figure, self.pieces = figure, pieces

    @cached_property
    def png(self) -> bytes:
        """A PNG file on white, with its legend at the right; the same figure gives the same bytes."""
        with _arranged(self.figure, legend=True):
            return to_png(self.figure, _DPI)

    @cached_property
    def key(self) -> list[KeyEntry]:
        """What its legend names, for a page to set beside the drawing."""
        return key_of(self.figure)

    def svg(self, name: str) -> str:
        """Return an ``<svg>`` element for a page that defines the variables ``--ink``, ``--series-1`` and so on.

        It has no legend: the page sets :attr:`key` beside it.

        Args:
            name: Starts every id in it, so that several can stand in one page.
        """
        return _inline(self._svg, name, self.alt)

    @cached_property
    def _svg(self) -> str:
        buffer = io.StringIO()
        with _arranged(self.figure, legend=False):
            self.figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        return buffer.getvalue()

    def print(self, png: bool) -> None:
        """Make the files, and let go of the figure, of which hundreds would fill the memory.

        Args:
            png: Whether a PNG file is wanted too.
        """
        for piece in self.pieces:
            piece.print(png=False)
        for name in (*(() if self.pieces else ("_svg", "key")), *(("png",) if png else ())):
            getattr(self, name)
        del self.figure


@contextmanager
def _arranged(figure: Figure, legend: bool) -> Iterator[None]:
    """The style of every plot, with the parts of a figure in their places: once, not at every pass of the drawing.

    A legend comes beside what is drawn, which keeps its size.
    """
    with plot_style():
        width, height = figure.get_size_inches()
        legends = list(figure.legends)
        for placed in legends:
            if legend:
                box = placed.get_window_extent()
                beside, high = box.width / figure.dpi + _GAP, box.height / figure.dpi + _GAP
                figure.set_size_inches(width + beside, max(height, high))
            else:  # layouts leave room for legends that are not visible too
                figure.legends.remove(placed)
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)
        try:
            yield
        finally:
            figure.legends[:] = legends
            figure.set_layout_engine(engine)
            figure.set_size_inches(width, height)


def place_legend(figure: Figure, handles: Sequence[Any]) -> None:
    """Give a figure a legend: at its right in a PNG, and in a page as a key beside it."""
    if handles:
        figure.legend(handles=handles, loc="outside right upper", handlelength=2.4, borderaxespad=0)


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
    svg = re.sub(r"#[0-9a-f]{6}\b", lambda match: page_colour(match.group()), svg)
    view = re.search(r'viewBox="0 0 [\d.]+ [\d.]+"', svg)
    head = f'<svg class="plot" role="img" aria-label="{html.escape(alt)}" {view.group() if view else ""}>'
    return re.sub(r"\s*\n\s*", "\n", head + svg[svg.index(">") + 1 :])
