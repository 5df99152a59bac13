"""Checks of what a mask covers, of a picture or of a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.data.problems import Findings

_INVERTED = 0.5  # of the border; a structure reaches an edge of the image, but not around it

_SWAP = "look at it over its image; if foreground and background are swapped, swap them back"


def check_coverage(foreground: NDArray[np.bool_], path: Path, name: str, found: Findings) -> None:
    """Warn of a mask that is probably inverted.

    It is taken for that if the foreground covers more than half of the image's border, and a larger share of it than
    of the whole image: what is segmented lies within the image, so that its surroundings have the border. A structure
    that fills the image but for dark corners covers less of the border than of the whole.

    Args:
        foreground: [H, W] or [X, Y, Z].
        path: Its file.
        name: What it is called in sentences, e.g. ``"mask"``.
        found: Takes the warning.
    """
    whole = int(np.count_nonzero(foreground)) / max(foreground.size, 1)
    if whole == 1:
        found.warn("filled mask", path, f"the {name} covers the whole image", "look at it over its image")
        return
    border = share_of_border(foreground)
    if border > _INVERTED and border > whole:
        covered = (
            f"the {name} covers {border:.0%} of the image's border and {whole:.0%} of the image, as an inverted one"
        )
        found.warn("inverted mask", path, f"{covered} does", _SWAP)


def share_of_border(array: NDArray[np.bool_]) -> float:
    """Share of the pixels or voxels on the outer faces that are True; those on edges count once for each face."""
    faces = border_faces(array)
    return sum(int(np.count_nonzero(face)) for face in faces) / max(sum(face.size for face in faces), 1)


def border_faces(array: NDArray[Any]) -> list[NDArray[Any]]:
    """Return the outer faces of a volume, or sides of a picture, as views."""
    return [
        array[(*[slice(None)] * axis, end)] for axis in range(array.ndim) for end in (0, -1) if array.shape[axis] > 0
    ]
