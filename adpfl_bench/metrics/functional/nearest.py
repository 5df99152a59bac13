"""Exact distances from the points of one boundary to the nearest point of another, and which are within a limit."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree

from adpfl_bench.metrics.functional.masks import BoolArray, FloatArray

DENSE = 0.1
"""Share of boundary points in the array from which the distance transform is the faster of the two ways.

The tree costs time per point, more for scattered points than for those of a smooth surface; the transform costs time
per voxel, whatever is in the array. The surface of an organ lies far below this share, where the tree is several times
as fast; the speckle that an untrained network predicts lies above it, where the tree would be several times as slow.
"""

MOST_STEPS = 700
"""Number of steps within a limit from which distances to the nearest points are found sooner than look-ups are made.

A limit of five voxels has 515 steps in three axes. Each costs a look-up of the points that are still open, and most
points of two similar surfaces are closed by the first few.
"""


def nearest_distances(source: BoolArray, destination: BoolArray, spacing: tuple[float, ...]) -> FloatArray:
    """Euclidean distance from each point of one set to the nearest point of the other.

    Args:
        source: Marks the points to start from, 2-D or 3-D.
        destination: Marks the points to reach, same shape; at least one.
        spacing: Distance in mm between neighbouring points, one number per axis.

    Returns:
        Distances in mm, one per marked point of ``source`` in C order.
    """
    points = np.count_nonzero(source) + np.count_nonzero(destination)
    way = transform_distances if points > DENSE * source.size else tree_distances
    return way(source, destination, spacing)


def tree_distances(source: BoolArray, destination: BoolArray, spacing: tuple[float, ...]) -> FloatArray:
    """`nearest_distances` by a k-d tree over the points of ``destination``."""
    distances = np.zeros(np.count_nonzero(source))
    apart = ~destination[source]
    if apart.any():
        tree = KDTree(np.argwhere(destination) * np.asarray(spacing), leafsize=32, balanced_tree=False)
        distances[apart], _ = tree.query(np.argwhere(source)[apart] * np.asarray(spacing))
    return distances


def transform_distances(source: BoolArray, destination: BoolArray, spacing: tuple[float, ...]) -> FloatArray:
    """`nearest_distances` by a Euclidean distance transform of the whole array."""
    distances: FloatArray = distance_transform_edt(~destination, sampling=spacing)[source]
    return distances


def within_distance(
    source: BoolArray, destination: BoolArray, spacing: tuple[float, ...], limit: float
) -> npt.NDArray[np.bool_]:
    """Whether the nearest point of one set is within a limit, for each point of the other.

    The points around each are looked up, the nearest first, and no distance is computed. Where a limit spans many
    voxels it asks `nearest_distances`.

    Args:
        source: Marks the points to start from, 2-D or 3-D.
        destination: Marks the points to reach, same shape; at least one.
        spacing: Distance in mm between neighbouring points, one number per axis.
        limit: Largest distance in mm that is within.

    Returns:
        One truth value per marked point of ``source`` in C order.
    """
    # A step longer than the array reaches nothing.
    reach = [min(int(limit / edge), size - 1) for edge, size in zip(spacing, source.shape, strict=True)]
    if np.prod([2.0 * steps + 1 for steps in reach]) > 2 * MOST_STEPS:
        return nearest_distances(source, destination, spacing) <= limit
    steps = _steps(spacing, tuple(reach), limit)
    margin = [(size, size) for size in reach]
    there = np.pad(destination, margin)
    shifts = steps @ (np.array(there.strides) // there.itemsize)
    flat, start = there.ravel(), np.flatnonzero(np.pad(source, margin))
    within = flat[start]
    still_open = np.flatnonzero(~within)
    # Closed points are sorted out now and then: it costs as much as a few look-ups.
    for first, last in pairwise([1, *range(3, len(shifts), 6), len(shifts)]):
        places = start[still_open]
        hit = np.zeros(len(places), dtype=np.bool_)
        for shift in shifts[first:last]:
            hit |= flat[places + shift]
        within[still_open[hit]] = True
        still_open = still_open[~hit]
        if not len(still_open):
            break
    return within


@lru_cache(maxsize=64)
def _steps(spacing: tuple[float, ...], reach: tuple[int, ...], limit: float) -> npt.NDArray[np.int64]:
    """Steps on the grid of at most ``limit`` mm, of shape ``[steps, axes]``, the shortest first."""
    grid = np.stack(np.meshgrid(*(np.arange(-size, size + 1) for size in reach), indexing="ij"), axis=-1)
    steps = grid.reshape(-1, len(reach))
    lengths = np.linalg.norm(steps * np.asarray(spacing), axis=1)
    order = np.argsort(lengths, kind="stable")
    chosen: npt.NDArray[np.int64] = steps[order[lengths[order] <= limit]]
    chosen.setflags(write=False)  # The cache hands the same array to everybody.
    return chosen
