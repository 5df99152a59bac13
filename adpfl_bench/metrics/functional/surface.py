"""Hausdorff distance and normalised surface distance: how far apart the boundaries of two masks are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from adpfl_bench.metrics.functional.boundary import crop_to_union, edge_voxels, neighbour_codes
from adpfl_bench.metrics.functional.element_size import element_sizes
from adpfl_bench.metrics.functional.masks import BoolArray, Spacing, check_masks, check_spacing
from adpfl_bench.metrics.functional.nearest import nearest_distances, within_distance

ROUNDING = 1e-9
"""Relative slack within which a distance still equals the tolerance.

A tolerance is often a whole number of voxels, and 0.4 - 0.3 > 0.1 in floating point: without the slack, the score
would depend on where in the image a structure lies.
"""


def hausdorff_distance(
    prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic], spacing: Spacing, percentile: float = 95.0
) -> float:
    """Percentile Hausdorff distance between the edge voxels of two masks; HD95 by default.

    The larger of the two directed percentiles of the distances from the edge voxels of one mask to the nearest edge
    voxel of the other (Huttenlocher et al. 1993, "Comparing images using the Hausdorff distance", ranked distances),
    interpolated linearly. Equals ``monai.metrics.compute_hausdorff_distance`` wherever neither mask is empty.

    A mask that misses its counterpart altogether scores the diagonal of the image, which no distance between two
    voxels reaches: leaving a structure out is never better than finding it in the wrong place.

    Args:
        prediction: Boolean (or 0/1 integer) mask of one region, 2-D or 3-D.
        target: Mask of the same shape.
        spacing: Voxel edge length in mm, one number or one per axis; 1.0 gives the distance in pixels.
        percentile: In (0, 100]; 100 is the Hausdorff distance proper.

    Returns:
        The distance in mm; 0 if both masks are empty, the diagonal of the image if exactly one is.

    Raises:
        ValueError: If the masks differ in shape, are not 2-D or 3-D or hold other values than 0 and 1, or if the
            spacing or the percentile is out of range.

    Example:
        >>> import numpy as np
        >>> prediction, target = np.zeros((2, 8, 8), dtype=bool)
        >>> prediction[2, 2] = target[2, 5] = True
        >>> hausdorff_distance(prediction, target, spacing=(1.0, 0.5))
        1.5
    """
    prediction, target = check_masks(prediction, target)
    scale = check_spacing(spacing, target.ndim)
    if not 0 < percentile <= 100:
        raise ValueError(
            f"The percentile must lie in (0, 100], but found {percentile}: use 95 for HD95, or 100 for the maximum."
        )
    if not (prediction.any() and target.any()):
        return _diagonal(target.shape, scale) if prediction.any() or target.any() else 0.0
    return hausdorff_of_cropped(*crop_to_union(prediction, target), scale, percentile)


def normalized_surface_distance(
    prediction: npt.NDArray[np.generic], target: npt.NDArray[np.generic], tolerance: float, spacing: Spacing
) -> float:
    """Normalised surface distance (NSD, surface Dice): the share of both boundaries that lies within a tolerance.

    Boundary elements sit on the voxel corners where foreground meets background and weigh as much as the piece of
    contour (2-D, mm) or surface (3-D, mm^2) that marching squares or cubes puts there; the score is the weight within
    the tolerance of the other boundary over the weight of both: the surface DSC of Nikolov et al. (2018, arXiv
    1809.04430), as in the surface-distance package and the KiTS ranking.

    Args:
        prediction: Boolean (or 0/1 integer) mask of one region, 2-D or 3-D.
        target: Mask of the same shape.
        tolerance: Largest acceptable distance in mm; a distance equal to it is accepted.
        spacing: Voxel edge length in mm, one number or one per axis; 1.0 measures in pixels.

    Returns:
        A number in [0, 1]; 1 if both masks are empty, 0 if exactly one is.

    Raises:
        ValueError: If the masks differ in shape, are not 2-D or 3-D or hold other values than 0 and 1, or if the
            spacing or the tolerance is out of range.

    Example:
        >>> import numpy as np
        >>> prediction, target = np.zeros((2, 8, 8), dtype=bool)
        >>> prediction[2, 2] = target[2, 3] = True
        >>> normalized_surface_distance(prediction, target, tolerance=0.5, spacing=1.0)
        0.5
        >>> normalized_surface_distance(prediction, target, tolerance=1.0, spacing=1.0)
        1.0
    """
    prediction, target = check_masks(prediction, target)
    scale = check_spacing(spacing, target.ndim)
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(
            f"The tolerance must be a finite distance of at least 0 mm, but found {tolerance}: use the disagreement "
            "between human raters that the dataset's authors report."
        )
    if not (prediction.any() and target.any()):
        return 0.0 if prediction.any() or target.any() else 1.0
    return surface_share_of_cropped(*crop_to_union(prediction, target), scale, tolerance)


def _diagonal(shape: tuple[int, ...], spacing: tuple[float, ...]) -> float:
    return float(np.linalg.norm(np.multiply(shape, spacing)))


def hausdorff_of_cropped(
    prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], percentile: float = 95.0
) -> float:
    """`hausdorff_distance` of two masks that have voxels, cropped to their union."""
    ours, theirs = edge_voxels(prediction), edge_voxels(target)
    directed = nearest_distances(ours, theirs, spacing), nearest_distances(theirs, ours, spacing)
    return float(max(np.percentile(distances, percentile) for distances in directed))


def area_hausdorff_of_cropped(
    prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], percentile: float = 95.0
) -> float:
    """Percentile Hausdorff distance between surface elements, weighted by their area, of two masks that have voxels.

    The larger of the two directed distances within which that percentage of a surface's area lies: the robust
    Hausdorff distance of the surface-distance package (arXiv 1809.04430), by which BraTS ranks. Nothing is
    interpolated.

    Args:
        prediction: Boolean mask, 2-D or 3-D, cropped to the union of both.
        target: Mask of the same shape.
        spacing: Voxel edge length by axis in mm.
        percentile: In (0, 100].

    Returns:
        The distance in mm.
    """
    sizes = element_sizes(spacing)
    codes = [neighbour_codes(mask) for mask in (prediction, target)]
    borders = [(code > 0) & (code < len(sizes) - 1) for code in codes]
    found = []
    for code, own, other in zip(codes, borders, borders[::-1], strict=True):
        distances, areas = nearest_distances(own, other, spacing), sizes[code[own]]
        order = np.lexsort((areas, distances))
        share = np.cumsum(areas[order]) / areas.sum()
        # No slack: where sums of equal areas just reach the share, the package rounds as here.
        place = int(np.searchsorted(share, percentile / 100))
        found.append(float(distances[order[min(place, len(order) - 1)]]))
    return max(found)


def edge_share_of_cropped(
    prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], tolerance: float
) -> float:
    """Mean of the shares of both masks' edge voxels that lie within a tolerance of the other's edge voxels.

    This is the surface Dice of nnU-Net's first version, which BraTS 2024 took; it weights no voxel by its area, and
    each mask counts the same however large its surface is.

    Args:
        prediction: Boolean mask that has voxels, 2-D or 3-D, cropped to the union of both.
        target: Mask of the same shape.
        spacing: Voxel edge length by axis in mm.
        tolerance: Largest distance in mm that is accepted.

    Returns:
        A number in [0, 1].
    """
    edges = edge_voxels(prediction), edge_voxels(target)
    pairs = (edges, edges[::-1])
    return float(np.mean([within_distance(own, other, spacing, tolerance).mean() for own, other in pairs]))


def surface_share_of_cropped(
    prediction: BoolArray, target: BoolArray, spacing: tuple[float, ...], tolerance: float
) -> float:
    """`normalized_surface_distance` of two masks that have voxels, cropped to their union."""
    sizes = element_sizes(spacing)
    codes = [neighbour_codes(mask) for mask in (prediction, target)]
    borders = [(code > 0) & (code < len(sizes) - 1) for code in codes]
    limit = tolerance * (1 + ROUNDING)
    within = np.concatenate([within_distance(own, other, spacing, limit) for own, other in (borders, borders[::-1])])
    weights = np.concatenate([sizes[code[border]] for code, border in zip(codes, borders, strict=True)])
    return float(weights[within].sum() / weights.sum())
