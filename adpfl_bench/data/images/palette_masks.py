"""Masks with a palette: which of their colours are foreground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from adpfl_bench.errors import DataError

_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)


def without_palette(path: Path, image: Image.Image) -> Image.Image:
    """Bring a mask of mode P to one channel.

    The indices are the values, as tools that draw masks have it, where index 0 is black and no other index is.
    Otherwise, where only black and white occur, black is 0 and white is 255, whatever their indices.

    Args:
        path: Its file.
        image: The mask as Pillow opened it.

    Returns:
        The mask in mode L.

    Raises:
        DataError: Index 0 has a colour, or another index is black, so that nobody can say what is foreground.
    """
    indices = np.asarray(image)
    table = np.asarray(image.getpalette("RGB") or [], dtype=int).reshape(-1, 3)
    used = [int(value) for value in np.unique(indices)]
    colours = {value: tuple(int(part) for part in table[value]) if value < len(table) else _BLACK for value in used}
    if all((colour == _BLACK) == (value == 0) for value, colour in colours.items()):
        return Image.fromarray(indices.astype(np.uint8))
    if set(colours.values()) <= {_BLACK, _WHITE}:
        white = [value for value, colour in colours.items() if colour == _WHITE]
        return Image.fromarray(np.where(np.isin(indices, white), 255, 0).astype(np.uint8))
    listed = ", ".join(f"{value} is {colour}" for value, colour in list(colours.items())[:4])
    raise DataError(
        f"{path} has a palette that does not say what is foreground (index {listed}); expected a black index 0, or"
        " black and white, so convert it to one 8-bit channel of values."
    )
