"""The skin around a lesion."""

from __future__ import annotations

import math

import numpy as np

from adpfl_bench.phantoms.optics import Tissue
from adpfl_bench.phantoms.random_fields import Field, random_field, soft_step


def draw_skin(
    generator: np.random.Generator, size: tuple[int, int], melanin: float, blood: float, sun_damage: float
) -> Tissue:
    """Draw a patch of skin: mottling, fine lines, pores, freckles and small vessels.

    Args:
        generator: Where every choice comes from.
        size: Height and width in pixels.
        melanin: Mean optical density of melanin.
        blood: Mean optical density of blood.
        sun_damage: In [0, 1]: more freckles, lentigines and dilated vessels.
    """
    height = size[0]
    mottle = random_field(generator, size, 0.25 * height, 3.0)
    flush = random_field(generator, size, 0.35 * height, 3.5)
    direction = generator.uniform(0, math.pi)
    lines = random_field(generator, size, max(0.012 * height, 1.5), 2.0, stretch=5.0, angle=direction)
    pores = random_field(generator, size, max(0.015 * height, 1.5), 2.5)

    brown = melanin * (1 + 0.12 * mottle + 0.06 * lines + 0.06 * pores) + 0.012 * lines
    red = blood * (1 + generator.uniform(0.08, 0.28) * flush + 0.07 * pores)
    brown += _freckles(generator, size, sun_damage)
    if generator.random() < 0.25 + 0.5 * sun_damage:
        red += generator.uniform(0.15, 0.5) * _vessels(generator, size)
    zero = np.zeros(size, dtype=np.float32)
    return Tissue(
        melanin=np.maximum(brown, 0.01).astype(np.float32),
        blood=np.maximum(red, 0.01).astype(np.float32),
        veil=zero.copy(),
        keratin=zero,
    )


def _freckles(generator: np.random.Generator, size: tuple[int, int], sun_damage: float) -> Field:
    """Melanin of freckles and lentigines: faint patches that look like lesions but are not annotated."""
    patches = random_field(generator, size, generator.uniform(0.05, 0.14) * size[0], 3.5)
    edges = random_field(generator, size, max(0.015 * size[0], 1.5), 1.8)
    rarity = generator.uniform(1.2, 2.6) - 0.7 * sun_damage
    strength = generator.uniform(0.05, 0.2 + 0.35 * sun_damage)
    return np.asarray(strength * soft_step(patches + 0.2 * edges, rarity, 2.0), dtype=np.float32)


def _vessels(generator: np.random.Generator, size: tuple[int, int]) -> Field:
    """Blood of telangiectasias: the thin lines where a random landscape crosses zero, in some places only."""
    landscape = random_field(generator, size, 0.18 * size[0], 3.0)
    places = random_field(generator, size, 0.3 * size[0], 4.0)
    thickness = max(0.018, 1.5 / size[0])
    return np.asarray(np.exp(-((landscape / (3 * thickness)) ** 2)) * soft_step(places, 0.7, 0.6), dtype=np.float32)
