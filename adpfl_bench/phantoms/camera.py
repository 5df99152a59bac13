"""Camera of a site, from light to a stored photograph: lens, field of view, colour processing and grain."""

from __future__ import annotations

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms.acquisition_sites import Site
from adpfl_bench.phantoms.artefacts import image_grid
from adpfl_bench.phantoms.optics import Colour
from adpfl_bench.phantoms.random_fields import Field, random_field, soft_step


def photograph(generator: np.random.Generator, colour: Colour, site: Site, field_of_view: Field) -> NDArray[np.uint8]:
    """Take a photograph.

    Args:
        generator: Where the shot's own variation comes from.
        colour: Linear reflectance in RGB, shape (height, width, 3).
        site: Whose camera it is.
        field_of_view: 1 where the camera sees skin, 0 in the black border.

    Returns:
        sRGB image of shape (height, width, 3).
    """
    size = (colour.shape[0], colour.shape[1])
    light = _illumination(generator, size, generator.uniform(*site.vignetting))
    gains = (
        np.asarray(site.white_balance) * (1 + 0.03 * generator.standard_normal(3)) * generator.uniform(*site.exposure)
    )
    linear = colour * light[..., None] * gains.astype(np.float32)

    blur = generator.uniform(*site.blur) * size[0] / 1000
    linear = scipy.ndimage.gaussian_filter(linear, sigma=(blur, blur, 0), truncate=3)

    encoded = _srgb(np.clip(linear, 0, 1.2)) ** np.float32(generator.uniform(*site.gamma))
    grey = encoded.mean(axis=-1, keepdims=True)
    encoded = grey + np.float32(generator.uniform(*site.saturation)) * (encoded - grey)
    encoded = encoded * field_of_view[..., None] + 0.03 * (1 - field_of_view[..., None])
    encoded += np.float32(generator.uniform(*site.grain)) * _grain(generator, size, site.grain_size * size[0] / 1000)
    return np.asarray(np.round(np.clip(encoded, 0, 1) * 255), dtype=np.uint8)


def draw_field_of_view(generator: np.random.Generator, size: tuple[int, int], site: Site) -> tuple[Field, float]:
    """Draw the round field of view.

    Returns:
        The share of light that passes at each pixel, and the radius in image heights (infinite if no border shows).
    """
    if generator.random() >= site.black_field:
        return np.ones(size, dtype=np.float32), np.inf
    radius = float(generator.uniform(*site.field_radius))
    x, y = image_grid(size)
    shift = generator.normal(0, 0.015, size=2)
    softness = generator.uniform(0.01, 0.06)
    return soft_step(radius - np.hypot(x - shift[0], y - shift[1]), 0.0, softness), radius


def _illumination(generator: np.random.Generator, size: tuple[int, int], vignetting: float) -> Field:
    """Light over the image: a slope from one side and a fall-off towards the corners."""
    x, y = image_grid(size)
    slope = generator.normal(0, 0.1, size=2)
    return np.asarray((1 + slope[0] * x + slope[1] * y) * np.exp(-vignetting * (x**2 + y**2)), dtype=np.float32)


def _grain(generator: np.random.Generator, size: tuple[int, int], grain_size: float) -> Colour:
    """Noise of unit strength, mostly common to the channels."""
    if grain_size > 0:
        common = random_field(generator, size, 2 * grain_size, 2.0)
    else:
        common = generator.standard_normal(size, dtype=np.float32)
    single = generator.standard_normal((*size, 3), dtype=np.float32)
    return np.asarray(0.8 * common[..., None] + 0.6 * single, dtype=np.float32)


def _srgb(linear: Colour) -> Colour:
    """Encode linear light with the sRGB transfer curve."""
    low = 12.92 * linear
    high = 1.055 * np.maximum(linear, 0.0031308) ** np.float32(1 / 2.4) - 0.055
    return np.asarray(np.where(linear <= 0.0031308, low, high), dtype=np.float32)
