"""A picture, with the words for who cannot see it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
