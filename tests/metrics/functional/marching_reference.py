"""Areas of marching cubes from first principles, with neither a table nor another package.

A cube of 2 x 2 x 2 voxels is cut where a voxel of the foreground has a face neighbour in the background, halfway. The
cuts on each face are joined, so that the foreground is set apart where both ways would do, and close into loops around
the cube. Each loop is spanned by triangles between its points; of all ways to do so, Lorensen and Cline's surface is
the one with the largest area on cubic voxels. More than four voxels of foreground have the surface of the background.
"""

from functools import cache
from itertools import product

import numpy as np

CORNERS = tuple(product((0, 1), repeat=3))


@cache
def triangles(voxels):
    """Triangles [N, 3, 3] within a cube of unit voxels; `voxels` are its eight booleans in C order."""
    inside = {corner for corner, voxel in zip(CORNERS, voxels, strict=True) if voxel}
    if len(inside) > 4:
        inside = set(CORNERS) - inside
    ways = [max(spans(loop), key=lambda span: areas(span).sum()) for loop in loops(inside)]
    return np.array([triangle for way in ways for triangle in way]).reshape(-1, 3, 3)


def areas(found, spacing=(1.0, 1.0, 1.0)):
    a, b, c = np.moveaxis(np.array(found) * spacing, 1, 0)
    return np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 2


def loops(inside):
    links = {}
    for axis, side in product(range(3), (0, 1)):
        ring = [np.insert(point, axis, side) for point in ((0, 0), (0, 1), (1, 1), (1, 0))]
        voxels = [tuple(map(int, point)) in inside for point in ring]
        # Walking around the face, a run of foreground lies between two cuts.
        for first in (i for i in range(4) if voxels[i] and not voxels[i - 1]):
            last = next(i for i in range(first, first + 4) if not voxels[(i + 1) % 4])
            ends = [(ring[i % 4] + ring[j % 4]) / 2 for i, j in ((first - 1, first), (last, last + 1))]
            one, other = (tuple(end) for end in ends)
            links.setdefault(one, []).append(other)
            links.setdefault(other, []).append(one)
    while links:
        loop = [min(links)]
        while onward := [point for point in links[loop[-1]] if point not in loop]:
            loop.append(onward[0])
        yield loop
        links = {point: ends for point, ends in links.items() if point not in loop}


def spans(loop):
    """Every way to cut a polygon into triangles between its points."""
    if len(loop) < 3:
        return [[]]
    return [
        [*left, (loop[0], loop[tip], loop[-1]), *right]
        for tip in range(1, len(loop) - 1)
        for left in spans(loop[: tip + 1])
        for right in spans(loop[tip:])
    ]


def surface_elements(mask, spacing):
    """Places [N, 3] in mm of the corners where mask and background meet, and the area of the surface there."""
    padded = np.pad(mask, 1)
    places, weights = [], []
    for corner in product(*(range(side - 1) for side in padded.shape)):
        cube = padded[tuple(slice(first, first + 2) for first in corner)]
        if 0 < cube.sum() < 8:
            places.append(np.multiply(corner, spacing))
            weights.append(areas(triangles(tuple(cube.ravel().tolist())), spacing).sum())
    return np.array(places), np.array(weights)
