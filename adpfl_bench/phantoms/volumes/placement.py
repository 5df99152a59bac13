"""Placing a body around the kidneys of a real label map."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.abdomen import Body
from adpfl_bench.phantoms.volumes.canvas import Point
from adpfl_bench.phantoms.volumes.space import Space

_FROM_MIDLINE = 34.0
"""Distance in mm from the midline to the nearest part of a kidney; used where one kidney is missing."""
_BEHIND_ORIGIN = 38.0


def place_body(body: Body, label: NDArray[np.uint8], space: Space) -> tuple[Body, Point]:
    """Find the midline between the kidneys of a label map, and a body that holds them.

    Args:
        body: A body as drawn; it is enlarged where the kidneys need it.
        label: Label map [X, Y, Z] that shows at least one kidney.
        space: Its grid.

    Returns:
        The body, and where its zero lies in the grid, in mm.
    """
    places = np.argwhere(label > 0)
    points = np.stack([axis.ravel()[row] for axis, row in zip(space.axes, places.T, strict=True)], axis=1)
    number, _ = scipy.ndimage.label(label > 0)
    of_point = number[tuple(places.T)]
    sizes = np.bincount(of_point)[1:]
    largest = [int(index) + 1 for index in sizes.argsort()[::-1][:2] if sizes[index] > 0.1 * sizes.max()]
    sides = sorted((points[of_point == one] for one in largest), key=lambda side: float(side[:, 0].mean()))
    if len(sides) == 2:  # the midline is half-way between the nearest parts of both
        middle = (sides[0][:, 0].max() + sides[1][:, 0].min()) / 2
    elif np.ptp(points[:, 0]) > 3 * _FROM_MIDLINE:  # joined over the spine
        middle = (points[:, 0].min() + points[:, 0].max()) / 2
    else:
        outer = float(points[:, 0].mean())
        middle = points[:, 0].min() - _FROM_MIDLINE if outer > 0 else points[:, 0].max() + _FROM_MIDLINE
    kidney = points[label[tuple(places.T)] == 1]
    y, z = kidney[:, 1].mean() + _BEHIND_ORIGIN, kidney[:, 2].mean()
    origin = (float(middle), float(y), float(z))
    return body.wrapped_around(points[:, :2] - np.array(origin[:2])), origin
