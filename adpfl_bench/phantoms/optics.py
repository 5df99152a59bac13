"""Colour of tissue, from what is in it.

Light that comes back from skin has crossed layers of absorbers, so reflectance falls exponentially with their amount
(Beer-Lambert). Two absorbers, melanin and blood, give the whole range from pink to black; two scatterers lie on top:
pigment deep in the dermis, which looks blue, and keratin, which looks yellow-white.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.random_fields import Field

Colour = NDArray[np.float32]
"""Linear red, green and blue in [0, 1], shape (height, width, 3)."""

_BARE_SKIN = (0.88, 0.79, 0.73)
_MELANIN = (0.58, 1.0, 1.42)
_BLOOD = (0.09, 1.0, 0.86)
_BLUE_VEIL = (0.17, 0.20, 0.26)
_KERATIN = (0.78, 0.66, 0.44)


@dataclass
class Tissue:
    """Tissue under each pixel.

    Attributes:
        melanin: Optical density of melanin in green light.
        blood: Optical density of haemoglobin in green light.
        veil: Opacity in [0, 1] of the blue-white veil.
        keratin: Opacity in [0, 1] of horn and scale.
    """

    melanin: Field
    blood: Field
    veil: Field
    keratin: Field

    def colour(self) -> Colour:
        """Compute the diffuse reflectance in linear RGB."""
        channels = []
        for white, melanin, blood, veil, keratin in zip(
            _BARE_SKIN, _MELANIN, _BLOOD, _BLUE_VEIL, _KERATIN, strict=True
        ):
            channel = white * np.exp(-(melanin * self.melanin + blood * self.blood))
            channel += self.veil * (veil - channel)
            channel += self.keratin * (keratin - channel)
            channels.append(channel)
        return np.stack(channels, axis=-1).astype(np.float32)


def blend(colour: Colour, opacity: Field, tint: tuple[float, float, float]) -> Colour:
    """Paint a tint over an image with an opacity per pixel."""
    return np.asarray(colour + opacity[..., None] * (np.asarray(tint, dtype=np.float32) - colour), dtype=np.float32)
