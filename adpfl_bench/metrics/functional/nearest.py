"""Exact distances from the points of one boundary to the nearest point of another."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt
from scipy.spatial import KDTree

from adpfl_bench.metrics.functional.masks import BoolArray, FloatArray

DENSE = 0.1
"""Share of boundary points in the array from which the distance transform is the faster of the two ways.

The tree costs time per point, more for scattered points than for those of a smooth surface; the transform costs time
per voxel, whatever is in the array. The surface of an organ lies far below this share, where the tree is several times
as fast; the speckle that an untrained network predicts lies above it, where the tree would be several times as slow.
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
