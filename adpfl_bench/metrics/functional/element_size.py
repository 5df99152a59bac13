"""Element sizes: how much contour or surface each neighbourhood code stands for."""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np

from adpfl_bench.metrics.functional.masks import BoolArray, FloatArray


@lru_cache(maxsize=256)
def element_sizes(spacing: tuple[float, ...]) -> FloatArray:
    """Size of the boundary element of every code of `boundary.neighbour_codes`.

    Args:
        spacing: Voxel edge lengths in mm, two or three of them.

    Returns:
        Contour lengths in mm of shape ``[16]`` for two axes, areas in mm^2 of shape ``[256]`` for three. The first and
        the last are 0: all background and all foreground have no boundary.
    """
    sizes = _contour_lengths(spacing) if len(spacing) == 2 else _surface_areas(spacing)
    sizes.setflags(write=False)  # The cache hands the same array to everybody.
    return sizes


def _contour_lengths(spacing: tuple[float, ...]) -> FloatArray:
    """Marching squares: contours join the midpoints of the edges of the 2 x 2 neighbourhood."""
    cut_corner = 0.5 * math.hypot(*spacing)
    lengths = np.zeros(16)
    for code in range(16):
        (a, b), (c, d) = _neighbourhood(code, 2)
        match int(a) + b + c + d:
            case 1 | 3:
                lengths[code] = cut_corner
            case 2 if a == d:
                lengths[code] = 2 * cut_corner
            case 2:
                lengths[code] = spacing[1] if a == b else spacing[0]
    return lengths


def _surface_areas(spacing: tuple[float, ...]) -> FloatArray:
    x, y, z = spacing
    areas: FloatArray = np.linalg.norm(_triangle_normals() * [y * z, x * z, x * y], axis=-1).sum(axis=-1)
    return areas


@cache
def _triangle_normals() -> FloatArray:
    """Marching cubes: normals, as long as the triangle is large, of the triangles of each code on a unit grid.

    The triangles are those of Lorensen & Cline (1987), "Marching cubes", figure 3: fifteen cases with up to four
    foreground voxels, and the same surface when foreground and background change places. Later tables give some codes
    with more foreground a surface of their own, to avoid holes in a mesh; surface-distance keeps the symmetry, so that
    a mask and its complement have the same surface.

    Returns:
        Normals of shape ``[256, triangles, 3]``, padded with zeros.
    """
    from skimage.measure import marching_cubes  # Only areas need it: numpy and scipy do elsewhere.

    normals = np.zeros((256, 5, 3))
    for code in range(1, 255):
        cube = _neighbourhood(code, 3)
        if cube.sum() > 4:
            cube = ~cube
        vertices, faces, *_ = marching_cubes(cube.astype(np.float32), 0.5, method="lorensen")  # type: ignore[no-untyped-call]
        a, b, c = np.moveaxis(vertices[faces].astype(np.float64), 1, 0)
        normals[code, : len(faces)] = np.cross(b - a, c - a) / 2
    return normals


def _neighbourhood(code: int, dimensions: int) -> BoolArray:
    """Undo `boundary.neighbour_codes`: the 2 x 2 (x 2) foreground mask that a code stands for."""
    bits = np.array([code >> bit & 1 for bit in range(2**dimensions)], dtype=np.bool_)
    return bits.reshape((2,) * dimensions)
