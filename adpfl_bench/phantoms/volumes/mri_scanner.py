"""MRI scanners of five hospitals: four sequences of the same head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.site_shift import factor
from adpfl_bench.phantoms.volumes.brain import CSF, GREY, OUTSIDE, WHITE, TissueMap
from adpfl_bench.phantoms.volumes.glioma import ET, NETC, RC, SNFH
from adpfl_bench.phantoms.volumes.space import Space, Volume, blur, smooth_field

SEQUENCES = ("t1", "t1ce", "t2", "flair")

#: Signal of tissues and tumour by sequence, white matter in T1 being about 0.7.
_TISSUE: Mapping[str, Mapping[int, float]] = MappingProxyType(
    {
        "t1": {CSF: 0.2, GREY: 0.52, WHITE: 0.72},
        "t1ce": {CSF: 0.2, GREY: 0.54, WHITE: 0.7},
        "t2": {CSF: 1.0, GREY: 0.58, WHITE: 0.4},
        "flair": {CSF: 0.14, GREY: 0.58, WHITE: 0.46},
    }
)
_TUMOUR: Mapping[str, Mapping[int, float]] = MappingProxyType(
    {
        "t1": {NETC: 0.36, SNFH: 0.5, ET: 0.48, RC: 0.17},
        "t1ce": {NETC: 0.34, SNFH: 0.5, ET: 1.05, RC: 0.17},
        "t2": {NETC: 0.88, SNFH: 0.8, ET: 0.64, RC: 1.08},
        "flair": {NETC: 0.66, SNFH: 0.98, ET: 0.76, RC: 0.16},
    }
)

_BRIGHTEST = np.iinfo(np.int16).max
"""What files of 16 bits hold."""


@dataclass(frozen=True)
class MriSite:
    """A hospital's scanner and protocol.

    Attributes:
        share: Share of the cohort.
        gain: What white matter in T1 is stored as; MRI has no units.
        noise: Standard deviation of the noise, in parts of the gain.
        bias: Standard deviation of the logarithm of the slow brightness variation across a head.
        blur: Standard deviation of the point spread in mm, in plane.
        slice_blur: The same across slices, for sequences acquired in thick ones (T2 and FLAIR).
        gamma: Exponent that changes the contrast between tissues.
    """

    share: float
    gain: Annotated[float, factor(40, 3000)]
    noise: Annotated[float, factor(0.005, 0.4)]
    bias: Annotated[float, factor(0.005, 0.45)]
    blur: Annotated[float, factor(0.2, 4)]
    slice_blur: Annotated[float, factor(0.2, 8)]
    gamma: Annotated[float, factor(0.4, 2.5)]


MRI_SITES: Mapping[str, MriSite] = MappingProxyType(
    {
        # A research scanner: isotropic, quiet, even.
        "site-1": MriSite(share=0.34, gain=900, noise=0.03, bias=0.04, blur=0.5, slice_blur=0.6, gamma=1.0),
        # Clinical routine with thick slices.
        "site-2": MriSite(share=0.26, gain=350, noise=0.05, bias=0.08, blur=0.8, slice_blur=2.0, gamma=0.9),
        # A strong surface coil: bright at the edge, dark in the middle.
        "site-3": MriSite(share=0.2, gain=2400, noise=0.04, bias=0.16, blur=0.6, slice_blur=1.2, gamma=1.12),
        # Fast protocols, and the noise that comes with them.
        "site-4": MriSite(share=0.13, gain=160, noise=0.09, bias=0.07, blur=0.9, slice_blur=1.5, gamma=1.0),
        # An old low-field scanner.
        "site-5": MriSite(share=0.07, gain=600, noise=0.08, bias=0.12, blur=1.2, slice_blur=2.4, gamma=0.85),
    }
)


def scan(
    generator: np.random.Generator,
    tissue: TissueMap,
    labels: NDArray[np.uint8],
    space: Space,
    site: MriSite,
    sequences: tuple[str, ...] = SEQUENCES,
) -> dict[str, Volume]:
    """Scan a head with a tumour (values of BraTS 2024) and take away everything but the brain.

    Returns:
        By sequence, intensities from 1 on within the brain and exactly 0 outside of it.
    """
    bias = np.exp(site.bias * smooth_field(generator, space, 130))
    texture = smooth_field(generator, space, 9)
    brain = tissue != OUTSIDE
    images = {}
    for sequence in sequences:
        signal = np.zeros(space.shape, dtype=np.float32)
        for value, level in _TISSUE[sequence].items():
            signal[tissue == value] = level
        tumour = labels > 0
        for value, level in _TUMOUR[sequence].items():
            signal[labels == value] = level * generator.uniform(0.94, 1.06)
        signal[tumour] += 0.03 * texture[tumour]
        signal[brain & ~tumour] += 0.012 * texture[brain & ~tumour]
        across = site.slice_blur if sequence in ("t2", "flair") else site.blur
        signal = np.maximum(blur(signal, space, (site.blur, site.blur, across)), 0) ** site.gamma * bias
        real, imaginary = site.noise * generator.standard_normal((2, *space.shape), dtype=np.float32)
        magnitude = np.hypot(signal + real, imaginary)  # noise of magnitude images is Rician
        gain = site.gain * generator.uniform(0.75, 1.3)
        images[sequence] = np.where(brain, np.clip(gain * magnitude, 1, _BRIGHTEST), 0).astype(np.float32)
    return images
