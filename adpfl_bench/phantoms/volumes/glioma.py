"""A glioma in a brain, before or after an operation, as BraTS labels it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms.volumes.brain import CSF, OUTSIDE, WHITE, TissueMap
from adpfl_bench.phantoms.volumes.space import Space, depth_in_ellipsoid, smooth_field

NETC, SNFH, ET, RC = 1, 2, 3, 4
"""Non-enhancing core, surrounding hyperintensity (oedema), enhancing tumour, resection cavity: values of BraTS 2024."""

Kind = Literal["high grade", "low grade", "operated"]


def draw_glioma(
    generator: np.random.Generator, space: Space, tissue: TissueMap, kind: Kind, growth: float = 1.0
) -> NDArray[np.uint8]:
    """Draw a tumour with its oedema, which spreads along white matter.

    Args:
        generator: Where chance comes from; equal states give the same tumour, up to its growth.
        space: The grid.
        tissue: The brain.
        kind: ``high grade`` has a dead core in an enhancing rim; ``low grade`` does not enhance; ``operated`` has, in
            two of three patients, a cavity with an enhancing remnant at its edge, and only in half a rest of core.
        growth: Factor of the tumour's radii since the patient's first scan.

    Returns:
        Label map [X, Y, Z]; never empty.
    """
    side = generator.choice([-1, 1])
    centre = (side * generator.uniform(24, 38), generator.uniform(-42, 38), generator.uniform(0, 36))
    radius = generator.uniform(21, 33)
    core_radius = radius * generator.uniform(0.52, 0.72)
    stretch = generator.uniform(0.85, 1.18, (2, 3))
    rim = generator.uniform(4.5, 8.5)
    has_cavity, has_core = generator.random() < 0.7, generator.random() < 0.5
    lobes, bumps, gaps = (smooth_field(generator, space, wavelength) for wavelength in (32, 22, 26))

    def depth(size: float, stretches: NDArray[np.float64]) -> NDArray[np.float32]:
        x, y, z = growth * size * stretches
        return depth_in_ellipsoid(space, centre, (float(x), float(y), float(z)))

    spread = depth(radius, stretch[0]) + 0.2 * lobes
    core = depth(core_radius, stretch[1]) + 0.14 * bumps
    brain = tissue != OUTSIDE
    labels = np.zeros(space.shape, dtype=np.uint8)
    labels[(spread > 0) & (tissue == WHITE)] = SNFH
    labels[(spread > 0.3) & brain & (tissue != CSF)] = SNFH
    inside = (core > 0) & brain & (tissue != CSF)
    rim_depth = rim / (growth * core_radius)
    if kind == "low grade":
        labels[inside & (core > 0.35)] = NETC
        labels[inside & (core <= 0.35)] = SNFH
    elif kind == "operated" and has_cavity:
        labels[inside] = NETC if has_core else SNFH
        labels[inside & (core > 0.22)] = RC
        labels[inside & (core <= 0.22 + rim_depth / 2) & (gaps > -0.2)] = ET
    else:
        has_core = has_core or kind == "high grade"
        labels[inside] = NETC if has_core else ET
        labels[inside & (core < rim_depth) & (gaps > -1.4)] = ET
    # White matter on the other side of a ventricle, which the tumour's sphere reaches and the tumour does not.
    parts, _ = scipy.ndimage.label(labels > 0)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    labels[parts != sizes.argmax()] = 0
    if not labels.any():
        nearest = np.abs(spread - spread.max()).argmin()
        labels.flat[nearest] = SNFH
    return labels
