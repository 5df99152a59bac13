"""What the CT scanners of four hospitals make of the same anatomy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms.site_shift import Trait, amount, factor
from adpfl_bench.phantoms.volumes.space import Space, Volume, blur, smooth_field

Range = tuple[float, float]

LOWEST, HIGHEST = -1024, 3071
"""Range of a 12-bit CT in HU."""


@dataclass(frozen=True)
class CtSite:
    """How one site acquires its images.

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
    noise: float
    kernel: float
    slice_blur: float
    extent: Range
    length: Range
    shift: float
    cupping: float
    phases: Mapping[str, float]


SITES: Mapping[str, CtSite] = MappingProxyType(
    {
        # A referral centre with a new scanner: late arterial studies, low noise.
        "site-0": CtSite(
            share=0.36,
            noise=10.0,
            kernel=1.0,
            slice_blur=1.0,
            extent=(350, 390),
            length=(215, 245),
            shift=0.0,
            cupping=2.0,
            phases={"corticomedullary": 0.75, "nephrographic": 0.25},
        ),
        # A sharp kernel, and noise that comes with it.
        "site-1": CtSite(
            share=0.28,
            noise=22.0,
            kernel=0.5,
            slice_blur=0.8,
            extent=(340, 370),
            length=(200, 230),
            shift=-6.0,
            cupping=3.0,
            phases={"corticomedullary": 0.55, "nephrographic": 0.40, "unenhanced": 0.05},
        ),
        # Mostly portal-venous routine: thick slices, soft kernel.
        "site-2": CtSite(
            share=0.22,
            noise=8.0,
            kernel=1.8,
            slice_blur=2.5,
            extent=(370, 400),
            length=(230, 260),
            shift=5.0,
            cupping=3.0,
            phases={"corticomedullary": 0.15, "nephrographic": 0.85},
        ),
        # An old scanner: noisy, drifting, badly calibrated.
        "site-3": CtSite(
            share=0.14,
            noise=18.0,
            kernel=1.4,
            slice_blur=1.6,
            extent=(360, 400),
            length=(210, 250),
            shift=12.0,
            cupping=7.0,
            phases={"corticomedullary": 0.35, "nephrographic": 0.55, "unenhanced": 0.10},
        ),
    }
)

CT_TRAITS: Mapping[str, Trait] = MappingProxyType(
    {
        "noise": factor(2, 120),
        "kernel": factor(0.3, 6),
        "slice_blur": factor(0.3, 8),
        "extent": factor(280, 480),
        "length": factor(170, 320),
        "shift": amount(-80, 80),
        "cupping": factor(0.5, 40),
    }
)
"""What scanners differ in; the contrast phases are a mixture."""


def scan(generator: np.random.Generator, tissue: Volume, space: Space, site: CtSite) -> NDArray[np.int16]:
    """Take an image of a body.

    Args:
        generator: Where noise and drifts come from.
        tissue: True HU, [X, Y, Z].
        space: Its grid.
        site: Who takes the image.

    Returns:
        HU as they are stored, [X, Y, Z].
    """
    seen = blur(tissue, space, (site.kernel, site.kernel, site.slice_blur))
    seen += site.shift + site.cupping * smooth_field(generator, space, wavelength=260)
    grain = generator.standard_normal(space.shape, dtype=np.float32)
    # Noise has the grain of the kernel; on coarse grids neighbouring voxels still share some of it.
    width = [max(0.45, 0.7 * site.kernel / edge) for edge in space.spacing[:2]]
    scipy.ndimage.gaussian_filter(grain, (*width, 0.3), output=grain)
    seen += grain * np.float32(site.noise * generator.uniform(0.85, 1.15) / grain.std())
    return np.asarray(np.clip(np.rint(seen), LOWEST, HIGHEST), dtype=np.int16)
