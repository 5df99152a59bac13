"""Blobs: bumpy ellipsoids, each within the one that it belongs to, for structures of any name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.phantoms.like.phantom_description import Structure
from adpfl_bench.phantoms.volumes.space import Space, Volume, depth_in_ellipsoid, smooth_field

Vector = NDArray[np.float64]

_PRESENT = 0.85
"""Share of the cases that a structure is in, but for the first one."""

_BUMPS = 0.12  # of the depth at the centre
_BODY = 0.46  # half axes of the body, of the image's extent


@dataclass(frozen=True)
class Blob:
    """An ellipsoid: its centre and half axes in mm."""

    centre: Vector
    radii: Vector


@dataclass(frozen=True)
class Anatomy:
    """Where the structures of a case are.

    Attributes:
        body: Inside of the body, [X, Y, Z].
        places: Number of the structure at each voxel from 1 on, as the last one painted; 0 elsewhere.
    """

    body: NDArray[np.bool_]
    places: NDArray[np.uint8]


def draw_anatomy(
    generator: np.random.Generator, space: Space, structures: Sequence[Structure], is_empty: bool
) -> Anatomy:
    """Draw structures: those that lie nowhere else share the body, and others lie in theirs.

    Args:
        generator: Where chance comes from.
        space: The grid; a picture is one of a single slice.
        structures: What to draw, at most 255, in the order of painting.
        is_empty: Whether to draw none.
    """
    extent = np.array([side * edge for side, edge in zip(space.shape, space.spacing, strict=True)])
    flat = np.array([side == 1 for side in space.shape])
    rough = smooth_field(generator, space, wavelength=float(extent[~flat].min()) / 3 if not flat.all() else 1.0)
    whole = Blob(np.zeros(3), extent * _BODY * generator.uniform(0.9, 1.0, 3))
    body = _inside(space, whole, rough, flat)
    places = np.zeros(space.shape, dtype=np.uint8)
    tops = sum(structure.within is None for structure in structures)
    blobs: list[Blob | None] = []
    for number, structure in enumerate(structures):
        outer = whole if structure.within is None else blobs[structure.within]
        drawn = generator.random(7)  # the same number of draws, whatever comes of them
        if is_empty or outer is None or (number > 0 and drawn[0] > _PRESENT):
            blobs.append(None)
            continue
        share = 0.55 if structure.within is not None else 0.75 / max(1, tops) ** (1 / max(1, int((~flat).sum())))
        radii = outer.radii * share * (0.75 + 0.5 * drawn[1:4])
        room = np.maximum(outer.radii - radii, 0) * 0.6
        blob = Blob(outer.centre + room * (2 * drawn[4:7] - 1) * ~flat, radii)
        blobs.append(blob)
        inside = _inside(space, blob, rough, flat)
        inside &= body if structure.within is None else np.isin(places, _at(structures, structure.within))
        places[inside] = number + 1
        places[_middle(space, blob)] = number + 1  # one voxel at least, however small the image
    return Anatomy(body | (places > 0), places)


def _at(structures: Sequence[Structure], outer: int) -> list[int]:
    """Numbers of what is painted where a structure is: its own, and those of all within it."""
    found = {outer}
    for number, structure in enumerate(structures):
        if structure.within in found:
            found.add(number)
    return [number + 1 for number in found]


def _inside(space: Space, blob: Blob, rough: Volume, flat: NDArray[np.bool_]) -> NDArray[np.bool_]:
    x, y, z = (float("inf") if is_flat else float(radius) for radius, is_flat in zip(blob.radii, flat, strict=True))
    middle = (float(blob.centre[0]), float(blob.centre[1]), float(blob.centre[2]))
    depth = depth_in_ellipsoid(space, middle, (x, y, z))
    return np.asarray(depth + np.float32(_BUMPS) * rough > 0)


def _middle(space: Space, blob: Blob) -> tuple[int, ...]:
    return tuple(
        int(np.clip(round(centre / edge + (side - 1) / 2), 0, side - 1))
        for centre, edge, side in zip(blob.centre.tolist(), space.spacing, space.shape, strict=True)
    )
