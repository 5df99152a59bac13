"""One dermoscopy phantom: a photograph of a lesion with its mask."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from adpfl_bench.phantoms import artefacts
from adpfl_bench.phantoms.acquisition_sites import Site
from adpfl_bench.phantoms.camera import draw_field_of_view, photograph
from adpfl_bench.phantoms.lesion import Lesion
from adpfl_bench.phantoms.optics import Colour, Tissue, blend
from adpfl_bench.phantoms.random_fields import Field, random_field
from adpfl_bench.phantoms.skin import draw_skin

_AREA = (0.02, 0.6)
"""Smallest and largest share of the image that a lesion may fill."""


@dataclass(frozen=True)
class Photograph:
    """A phantom image.

    Attributes:
        image: sRGB, shape (height, width, 3).
        mask: Where the lesion is, shape (height, width); one connected region without holes.
        jpeg_quality: Quality at which the site stores its images.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    jpeg_quality: int


def take_photograph(generator: np.random.Generator, lesion: Lesion, site: Site, size: tuple[int, int]) -> Photograph:
    """Photograph a lesion once.

    Two calls with the same lesion and different generators are two photographs of it: same outline and structures,
    another angle, distance, light and hair.
    """
    field_of_view, radius = draw_field_of_view(generator, size, site)
    u, v = _lesion_coordinates(generator, lesion, size, radius)
    depth = lesion.outline.depth(u, v)

    tissue = draw_skin(generator, size, lesion.skin_melanin, lesion.skin_blood, site.sun_damage)
    _add_lesion(tissue, lesion, u, v, depth)
    colour = _add_artefacts(generator, tissue.colour(), site)
    return Photograph(
        image=photograph(generator, colour, site, field_of_view),
        mask=_annotate(generator, depth, field_of_view),
        jpeg_quality=round(generator.uniform(*site.jpeg_quality)),
    )


def _lesion_coordinates(
    generator: np.random.Generator, lesion: Lesion, size: tuple[int, int], field_radius: float
) -> tuple[Field, Field]:
    """Place the lesion: distance, angle and position decide which lesion coordinates each pixel sees."""
    zoom = generator.uniform(0.85, 1.18)
    aspect = size[1] / size[0]
    area = float(np.clip(lesion.area * zoom**2, *_AREA))
    scale = math.sqrt(area * aspect / lesion.outline.area)
    reach = scale * lesion.outline.reach
    # Small lesions may lie anywhere in view; large ones are centred, and cut by the edge if they do not fit.
    room = np.clip((min(aspect / 2, field_radius) - reach, min(0.5, field_radius) - reach), 0.02, None)
    centre = (
        np.clip(generator.normal(0, 0.1, size=2), -1, 1) if generator.random() < 0.6 else generator.uniform(-1, 1, 2)
    )
    x, y = artefacts.image_grid(size)
    x, y = x - centre[0] * room[0] * 0.9, y - centre[1] * room[1] * 0.9

    turn = generator.uniform(-math.pi, math.pi)
    tilt = generator.uniform(0.92, 1.08)
    u = (x * math.cos(turn) + y * math.sin(turn)) / (scale * tilt)
    v = (y * math.cos(turn) - x * math.sin(turn)) * tilt / scale
    return u.astype(np.float32), v.astype(np.float32)


def _add_lesion(tissue: Tissue, lesion: Lesion, u: Field, v: Field, depth: Field) -> None:
    """Put the lesion into the skin, touching only the rectangle of the image where it shows."""
    rows, columns = np.nonzero(depth > -1)
    window = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    part = Tissue(tissue.melanin[window], tissue.blood[window], tissue.veil[window], tissue.keratin[window])
    lesion.add_to(part, u[window], v[window], depth[window])


def _add_artefacts(generator: np.random.Generator, colour: Colour, site: Site) -> Colour:
    """Lay over the skin what the site's photographs usually show, from the skin outwards."""
    size = (colour.shape[0], colour.shape[1])
    if generator.random() < site.ink:
        colour = blend(colour, artefacts.ink(generator, size), (0.13, 0.08, 0.35))
    if generator.random() < site.hair:
        count = 1 + int(generator.poisson(generator.gamma(1.5, site.hair_count / 1.5)))
        shaved = generator.random() < 0.2
        fair = generator.random() < 0.2
        tint = (0.62, 0.5, 0.33) if fair else tuple(np.array((0.07, 0.045, 0.035)) * generator.uniform(0.3, 3.0))
        strands = artefacts.hairs(generator, size, 4 * count if shaved else count, shaved)
        colour = blend(colour, generator.uniform(0.55, 0.9) * strands, tint)
    if generator.random() < site.fluid:
        bright, dark = artefacts.bubbles(generator, size, int(generator.poisson(6)))
        colour = blend(blend(colour, dark, (0.15, 0.1, 0.08)), bright, (0.95, 0.93, 0.9))
        colour = blend(colour, artefacts.glare(generator, size), (1.0, 1.0, 1.0))
    if generator.random() < site.scale:
        colour = blend(colour, 0.75 * artefacts.printed_scale(generator, size), (0.05, 0.05, 0.06))
    if generator.random() < site.ruler:
        paper, ticks = artefacts.ruler(generator, size)
        colour = blend(blend(colour, paper, (0.8, 0.8, 0.78)), ticks, (0.03, 0.03, 0.03))
    return colour


def _annotate(generator: np.random.Generator, depth: Field, field_of_view: Field) -> NDArray[np.bool_]:
    """Outline the lesion as one annotator would: more or less generous, with an unsteady hand, one region, no holes."""
    height = depth.shape[0]
    generosity = generator.normal(0, 0.05)
    hand = 0.04 * random_field(generator, (height, depth.shape[1]), 0.12 * height)
    inside = (depth + generosity + hand > 0) & (field_of_view > 0.5)
    smooth = scipy.ndimage.gaussian_filter(inside.astype(np.float32), 0.008 * height) > 0.5
    regions, count = scipy.ndimage.label(smooth)
    if count > 1:
        smooth = regions == 1 + np.argmax(np.bincount(regions.ravel())[1:])
    return np.asarray(scipy.ndimage.binary_fill_holes(smooth), dtype=np.bool_)
