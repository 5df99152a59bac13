"""Images of blobs: as CT, as MRI and as pictures, of sites that differ a little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms.constants import read_columns
from adpfl_bench.phantoms.like.blobs import Anatomy
from adpfl_bench.phantoms.like.phantom_description import PhantomDescription
from adpfl_bench.phantoms.site_shift import amount, factor
from adpfl_bench.phantoms.volumes.space import Space, Volume, smooth_field

Channel = NDArray[np.float32]

AIR = -1000.0
"""What CT shows around the body, in HU."""

_TISSUE = 0.35  # of the range of intensities: what is no structure
_LEAST, _MOST = 0.5, 0.95  # of it: the structures
_NOISE = 0.03
_TEXTURE = 0.03


@dataclass(frozen=True)
class LikeSite:
    """A site with its scanner or camera.

    Attributes:
        share: Share of the cohort.
        gain: Factor of all intensities above those of tissue.
        offset: What is added to all intensities, in units of their range.
        noise: Standard deviation of the noise, in units of the usual one.
    """

    share: float
    gain: Annotated[float, factor(0.3, 3.0)]
    offset: Annotated[float, amount(-0.3, 0.3)]
    noise: Annotated[float, factor(0.1, 8.0)]


_TABLE = {
    "share": (0.36, 0.28, 0.22, 0.14),
    "gain": (1.0, 0.85, 1.1, 0.95),
    "offset": (0.0, 0.03, -0.02, 0.05),
    "noise": (0.8, 1.0, 1.2, 1.8),
}

LIKE_SITES: Mapping[str, LikeSite] = read_columns(LikeSite, ("site-0", "site-1", "site-2", "site-3"), _TABLE)
"""The four sites by name, largest first."""


def take_image(
    generator: np.random.Generator, anatomy: Anatomy, space: Space, like: PhantomDescription, site: LikeSite
) -> list[Channel]:
    """Take an image of each channel, [X, Y, Z].

    Structures are brighter than tissue, or in every second channel of several darker, each by an amount of its own.
    CT is in HU, with air around the body; MRI is 0 around it; a picture has values from 0 to 255, and no outside.
    """
    broad = smooth_field(generator, space, wavelength=_wavelength(space))
    return [_take(generator, anatomy, broad, like, site, index) for index in range(len(like.channels))]


def _take(
    generator: np.random.Generator,
    anatomy: Anatomy,
    broad: Volume,
    like: PhantomDescription,
    site: LikeSite,
    channel: int,
) -> Channel:
    levels = _levels(len(like.structures), channel, like.kind == "picture")
    seen = scipy.ndimage.gaussian_filter(levels[anatomy.places], 0.6)
    seen = _TISSUE + site.gain * (seen - _TISSUE) + site.offset + _TEXTURE * broad
    seen += _NOISE * site.noise * generator.standard_normal(seen.shape, dtype=np.float32)
    if like.kind == "picture":
        return np.asarray(np.clip(np.rint(255 * seen), 0, 255), dtype=np.float32)
    if like.kind == "CT":
        low, high = like.window
        return np.asarray(np.rint(np.where(anatomy.body, low + (high - low) * seen, AIR)), dtype=np.float32)
    return np.asarray(np.where(anatomy.body, np.maximum(np.rint(1000 * seen), 1), 0), dtype=np.float32)


def _levels(structures: int, channel: int, darker: bool) -> NDArray[np.float32]:
    """Intensity of tissue, and of each structure, in units of the range."""
    steps = np.arange(structures) / max(1, structures - 1)
    steps = np.roll(steps, channel)  # what is alike in one channel is not in the next
    levels = _LEAST + (_MOST - _LEAST) * steps
    if darker or channel % 2:
        levels = np.maximum(2 * _TISSUE - levels, 0.02 + 0.1 * steps)
    return np.concatenate(([_TISSUE], levels)).astype(np.float32)


def _wavelength(space: Space) -> float:
    longest = max(side * edge for side, edge in zip(space.shape, space.spacing, strict=True))
    return longest / 2
