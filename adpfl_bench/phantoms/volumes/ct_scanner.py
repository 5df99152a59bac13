"""CT scanners of four hospitals, and their images of the same anatomy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms.constants import Range, read_columns
from adpfl_bench.phantoms.site_shift import MIXTURE, amount, factor
from adpfl_bench.phantoms.volumes.space import Space, Volume, blur, smooth_field

LOWEST, HIGHEST = -1024, 3071
"""Range of a 12-bit CT in HU."""


@dataclass(frozen=True)
class CtSite:
    """A hospital's CT scanner and protocol.

    Attributes:
        share: Share of the cohort.
        noise: Standard deviation of the noise in HU; the dose varies it by up to 15 % from case to case.
        kernel: Standard deviation in mm of the blur in the plane; soft kernels blur more.
        slice_blur: Standard deviation in mm of the blur along the body, from the thickness of the slices.
        extent: In-plane field of view in mm.
        length: Length of the scanned part of the body in mm.
        shift: Error of the HU calibration.
        cupping: Size in HU of slow drifts across the image, as beam hardening leaves them.
        phases: How often each contrast phase occurs.
    """

    share: float
    noise: Annotated[float, factor(2, 120)]
    kernel: Annotated[float, factor(0.3, 6)]
    slice_blur: Annotated[float, factor(0.3, 8)]
    extent: Annotated[Range, factor(280, 480)]
    length: Annotated[Range, factor(170, 320)]
    shift: Annotated[float, amount(-80, 80)]
    cupping: Annotated[float, factor(0.5, 40)]
    phases: Annotated[Mapping[str, float], MIXTURE]


# In a column each: a referral centre with a new scanner (late arterial studies, low noise); a sharp kernel, and noise
# that comes with it; portal-venous routine (thick slices, soft kernel); an old scanner (noisy, drifting, badly
# calibrated).
_PHASES = (
    {"corticomedullary": 0.75, "nephrographic": 0.25},
    {"corticomedullary": 0.55, "nephrographic": 0.40, "unenhanced": 0.05},
    {"corticomedullary": 0.15, "nephrographic": 0.85},
    {"corticomedullary": 0.35, "nephrographic": 0.55, "unenhanced": 0.10},
)
# fmt: off
_TABLE = {
    #              site-0      site-1      site-2      site-3
    "share":      (0.36,       0.28,       0.22,       0.14),
    "noise":      (10.0,       22.0,       8.0,        18.0),
    "kernel":     (1.0,        0.5,        1.8,        1.4),
    "slice_blur": (1.0,        0.8,        2.5,        1.6),
    "extent":     ((350, 390), (340, 370), (370, 400), (360, 400)),
    "length":     ((215, 245), (200, 230), (230, 260), (210, 250)),
    "shift":      (0.0,        -6.0,       5.0,        12.0),
    "cupping":    (2.0,        3.0,        3.0,        7.0),
    "phases": _PHASES,
}
# fmt: on

SITES: Mapping[str, CtSite] = read_columns(CtSite, ("site-0", "site-1", "site-2", "site-3"), _TABLE)
"""The four hospitals by name, largest first."""


def scan(generator: np.random.Generator, tissue: Volume, space: Space, site: CtSite) -> NDArray[np.int16]:
    """Take an image of a body: from true HU to those that are stored, both [X, Y, Z]."""
    seen = blur(tissue, space, (site.kernel, site.kernel, site.slice_blur))
    seen += site.shift + site.cupping * smooth_field(generator, space, wavelength=260)
    grain = generator.standard_normal(space.shape, dtype=np.float32)
    # Noise has the grain of the kernel; on coarse grids neighbouring voxels still share some of it.
    width = [max(0.45, 0.7 * site.kernel / edge) for edge in space.spacing[:2]]
    scipy.ndimage.gaussian_filter(grain, (*width, 0.3), output=grain)
    seen += grain * np.float32(site.noise * generator.uniform(0.85, 1.15) / grain.std())
    return np.asarray(np.clip(np.rint(seen), LOWEST, HIGHEST), dtype=np.int16)
