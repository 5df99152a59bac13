"""A brain without its skull, as a map of tissues."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.space import Space, Volume, depth_in_ellipsoid, smooth_field

TissueMap = NDArray[np.uint8]

OUTSIDE, CSF, GREY, WHITE = 0, 1, 2, 3
"""Values of a tissue map: nothing, cerebrospinal fluid, grey matter, white matter."""

EXTENT = (172.0, 210.0, 150.0)
"""Size in mm of a box around any of these brains, along x, y and z."""

_CEREBRUM = (66.0, 82.0, 60.0)  # half axes in mm


def draw_brain(generator: np.random.Generator, space: Space) -> TissueMap:
    """Draw a brain in the middle of a grid, [X, Y, Z]; equal states of the generator give equal brains on equal grids.

    A ribbon of grey matter follows the surface with its furrows; ventricles and the nuclei beside them lie inside.
    """
    size = generator.uniform(0.93, 1.04)
    furrows, folds, wide = (smooth_field(generator, space, wavelength) for wavelength in (13, 20, 70))

    def ellipsoid(x: float, y: float, z: float, *radii: float) -> Volume:
        a, b, c = (size * radius for radius in radii)
        return depth_in_ellipsoid(space, (size * x, size * y, size * z), (a, b, c))

    cerebrum = ellipsoid(0, 4, 10, *_CEREBRUM) * (70 * size) + 1.5 * wide  # about mm under the surface
    cerebellum = ellipsoid(0, -48, -40, 46, 30, 24) * 30
    stem = ellipsoid(0, -22, -46, 13, 14, 26) * 14
    inside = np.maximum(np.maximum(cerebrum, cerebellum), stem)
    tissue = np.full(space.shape, OUTSIDE, dtype=np.uint8)
    tissue[inside > 0] = GREY
    tissue[cerebrum > 6 + 2.2 * folds] = WHITE
    tissue[(cerebellum > 7) & (folds > 0.2)] = WHITE
    tissue[stem > 3] = WHITE
    tissue[(inside > 0) & (inside < 3 + 4 * np.maximum(furrows, 0)) & (furrows > 0.3)] = CSF
    x, _, z = space.axes
    fissure = (np.abs(x + 1.5 * wide) < 1.6) & (cerebrum > 0) & (z > 8) & (cerebrum < 34)
    tissue[fissure] = CSF
    for side in (1, -1):
        nucleus = np.maximum(ellipsoid(side * 21, 4, 2, 9, 17, 11), ellipsoid(side * 12, -16, 4, 9, 12, 9))
        tissue[nucleus > 0] = GREY
        width = generator.uniform(5, 9)
        ventricle = np.maximum(ellipsoid(side * 10, 12, 17, width, 24, 9), ellipsoid(side * 17, -22, 13, width, 20, 9))
        tissue[ventricle > 0] = CSF
    tissue[ellipsoid(0, -2, 2, 2.5, 14, 9) > 0] = CSF
    return tissue
