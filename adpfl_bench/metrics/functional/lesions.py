"""Lesion-wise scores: components of the truth, which near ones make one lesion, against those of a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from adpfl_bench.metrics.functional.boundary import bounding_box, crop_to_union, grown_box
from adpfl_bench.metrics.functional.connected import Components, connected_components
from adpfl_bench.metrics.functional.masks import BoolArray, FloatArray
from adpfl_bench.metrics.functional.overlap import dice_compute
from adpfl_bench.metrics.functional.surface import area_hausdorff_of_cropped, edge_share_of_cropped

_NEAR = scipy.ndimage.generate_binary_structure(3, 2)
"""A voxel with its 18 neighbours at faces and edges, by which one step of a dilation grows."""


@dataclass(frozen=True, eq=False)
class LesionScores:
    """Scores of the L lesions of a true mask, and what was predicted beside them.

    Attributes:
        volumes: Volume of each true lesion in mm^3, of shape ``[L]``.
        dice: Dice of each with the predicted lesions that it meets, together; 0 of one that meets none.
        hd95: HD95 of surface elements, weighted by area, in mm; infinite of one that meets none.
        edge_shares: By tolerance in mm the share of edge voxels within it; 0 of one that meets none.
        false: Number of predicted lesions that meet no true one.
    """

    volumes: FloatArray
    dice: FloatArray
    hd95: FloatArray
    edge_shares: dict[float, FloatArray]
    false: int

    def mean(self, values: FloatArray, smallest: float, penalty: float, perfect: float) -> float:
        """Return the mean over true lesions that are large enough, and false ones.

        Args:
            values: Of each true lesion.
            smallest: Volume in mm^3 up to which a true lesion does not count.
            penalty: Value of a false lesion, and of a true one whose own is infinite.
            perfect: The mean where no lesion counts.
        """
        counted = np.where(np.isinf(values), penalty, values)[self.volumes > smallest]
        number = len(counted) + self.false
        return float(counted.sum() + self.false * penalty) / number if number else perfect


def lesions_by_dilation(mask: BoolArray, steps: int) -> Components:
    """Label lesions: components of a mask are one lesion if they are one component after a dilation.

    Args:
        mask: Boolean mask, 3-D.
        steps: Number of steps of the dilation, each by a voxel at faces and edges.

    Returns:
        Lesions of the mask as it is, in the order of the dilated ones' first voxels.
    """
    if not mask.any():
        return Components(np.zeros(mask.shape, dtype=np.int32), 0)
    box = grown_box(bounding_box(mask), mask.shape, steps)
    found = connected_components(_dilated(mask[box], steps))
    labels = np.zeros(mask.shape, dtype=np.int32)
    labels[box] = np.where(mask[box], found.labels, 0)
    return Components(labels, found.count)


def without_lesions(lesions: Components, most: float) -> Components:
    """Remove lesions of at most so many voxels; the others keep their order."""
    kept = lesions.sizes > most
    numbers = np.zeros(lesions.count + 1, dtype=np.int32)
    numbers[1:][kept] = np.arange(1, int(kept.sum()) + 1)
    return Components(numbers[lesions.labels], int(kept.sum()))


def merged_by_neighbours(lesions: Components, neighbours: Components) -> Components:
    """Make one lesion of those that touch the same neighbour; one that touches several goes with the first of them.

    Args:
        lesions: Lesions of one tissue.
        neighbours: Lesions of another one, on the same grid. Two touch at faces and edges.
    """
    first: dict[int, int] = {}
    for lesion, neighbour in _touching(lesions, neighbours):
        first.setdefault(lesion, neighbour)
    if len(first) < 2:
        return lesions
    alone = [lesion for lesion in range(1, lesions.count + 1) if lesion not in first]
    groups = [*((0, lesion) for lesion in alone), *((1, neighbour) for neighbour in sorted(set(first.values())))]
    numbers = {group: number for number, group in enumerate(groups, start=1)}
    renumbered = np.zeros(lesions.count + 1, dtype=np.int32)
    for lesion in range(1, lesions.count + 1):
        renumbered[lesion] = numbers[(1, first[lesion]) if lesion in first else (0, lesion)]
    return Components(renumbered[lesions.labels], len(groups))


def score_lesions(
    predicted: Components, true: Components, spacing: tuple[float, ...], steps: int, tolerances: Sequence[float] = ()
) -> LesionScores:
    """Score each true lesion with the predicted ones that meet it.

    A predicted lesion meets a true one if it has a voxel within that one's dilation; it may meet several, and counts
    for each with all of its voxels.

    Args:
        predicted: Predicted lesions, 3-D.
        true: True ones on the same grid.
        spacing: Voxel edge length by axis in mm.
        steps: Number of steps of the dilation.
        tolerances: Tolerances in mm of shares of edge voxels.
    """
    met_by_any = np.zeros(predicted.count + 1, dtype=np.bool_)
    dice, distances, shares = [], [], []
    for number, box in enumerate(true.boxes, start=1):
        near = grown_box(box, true.labels.shape, steps)
        lesion = true.labels[near] == number
        met = np.zeros(predicted.count + 1, dtype=np.bool_)
        met[predicted.labels[near][_dilated(lesion, steps)]] = True
        met[0] = False
        met_by_any |= met
        if not met.any():
            dice.append(0.0)
            distances.append(np.inf)
            shares.append([0.0] * len(tolerances))
            continue
        both = _union([box, *(predicted.boxes[other - 1] for other in np.flatnonzero(met))])
        masks = crop_to_union(met[predicted.labels[both]], true.labels[both] == number)
        shared = np.count_nonzero(masks[0] & masks[1])
        dice.append(dice_compute(int(shared), int(sum(map(np.count_nonzero, masks)))))
        distances.append(area_hausdorff_of_cropped(*masks, spacing))
        shares.append([edge_share_of_cropped(*masks, spacing, tolerance) for tolerance in tolerances])
    by_tolerance = np.array(shares, dtype=np.float64).reshape(true.count, len(tolerances))
    return LesionScores(
        volumes=true.sizes.astype(np.float64) * float(np.prod(spacing)),
        dice=np.array(dice, dtype=np.float64),
        hd95=np.array(distances, dtype=np.float64),
        edge_shares={tolerance: by_tolerance[:, place] for place, tolerance in enumerate(tolerances)},
        false=int(predicted.count - np.count_nonzero(met_by_any)),
    )


def _dilated(mask: BoolArray, steps: int) -> BoolArray:
    dilated: BoolArray = scipy.ndimage.binary_dilation(mask, _NEAR, iterations=steps)
    return dilated


def _union(boxes: Sequence[tuple[slice, ...]]) -> tuple[slice, ...]:
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*boxes, strict=True)
    )


def _touching(lesions: Components, neighbours: Components) -> list[tuple[int, int]]:
    """Pairs of a lesion and a neighbour that have voxels in common, or next to each other, in order."""
    if not (lesions.count and neighbours.count):
        return []
    ours = grown_box(bounding_box(lesions.labels > 0), lesions.labels.shape, 1)
    theirs = grown_box(bounding_box(neighbours.labels > 0), neighbours.labels.shape, 1)
    box = tuple(
        slice(max(a.start, b.start), max(a.start, b.start, min(a.stop, b.stop)))
        for a, b in zip(ours, theirs, strict=True)
    )
    own, other = lesions.labels[box], neighbours.labels[box]
    found: list[npt.NDArray[np.int64]] = []
    for step in product((-1, 0, 1), repeat=3):
        if not _NEAR[tuple(part + 1 for part in step)]:
            continue
        a = own[tuple(slice(max(part, 0), size + min(part, 0)) for part, size in zip(step, own.shape, strict=True))]
        b = other[tuple(slice(max(-part, 0), size + min(-part, 0)) for part, size in zip(step, own.shape, strict=True))]
        both = (a > 0) & (b > 0)
        found.append(np.unique(a[both].astype(np.int64) * (neighbours.count + 1) + b[both]))
    pairs = np.unique(np.concatenate(found))
    return [(int(pair // (neighbours.count + 1)), int(pair % (neighbours.count + 1))) for pair in pairs]
