"""The lesion-wise scores of BraTS, written down as the challenges' texts and scorers state them, in the plainest way.

Every step is over whole arrays and one lesion at a time; distances come from the surface-distance package.
"""

import numpy as np
import surface_distance
from scipy import ndimage

NEAR = ndimage.generate_binary_structure(3, 2)
ALL = np.ones((3, 3, 3))


def hd95(prediction, target, spacing):
    if not prediction.any() or not target.any():
        return np.inf
    return surface_distance.compute_robust_hausdorff(
        surface_distance.compute_surface_distances(target, prediction, spacing), 95
    )


def edges(mask):
    return mask & ~ndimage.binary_erosion(mask, ndimage.generate_binary_structure(3, 1))


def edge_share(prediction, target, spacing, tolerance):
    shares = []
    for one, other in ((prediction, target), (target, prediction)):
        distances = ndimage.distance_transform_edt(~edges(other), sampling=spacing)[edges(one)]
        shares.append((distances <= tolerance).mean())
    return sum(shares) / 2


def dilate(mask, steps):
    return ndimage.binary_dilation(mask, NEAR, iterations=steps)


def joined(mask, steps):
    """Lesions: what is one component after a dilation has one number."""
    labels, _ = ndimage.label(dilate(mask, steps), ALL)
    return np.where(mask, labels, 0)


def numbers(labels):
    return [number for number in np.unique(labels) if number]


def score(predicted, true, spacing, steps, smallest, penalty):
    """Lesion-wise Dice, HD95 and shares of edges at 0.5 and 1 mm, of label maps of lesions."""
    found, met = [], set()
    for lesion in numbers(true):
        own = true == lesion
        near = numbers(predicted[dilate(own, steps)])
        met.update(near)
        if own.sum() * np.prod(spacing) <= smallest:
            continue
        prediction = np.isin(predicted, near)
        if near:
            dice = 2 * (prediction & own).sum() / (prediction.sum() + own.sum())
            shares = [edge_share(prediction, own, spacing, tolerance) for tolerance in (0.5, 1.0)]
            found.append((dice, hd95(prediction, own, spacing), *shares))
        else:
            found.append((0, penalty, 0, 0))
    found += [(0, penalty, 0, 0) for lesion in numbers(predicted) if lesion not in met]
    return np.mean(found, axis=0) if found else np.array([1.0, 0.0, 1.0, 1.0])


def brats2023(prediction, target, spacing):
    predicted, _ = ndimage.label(prediction, ALL)
    return score(predicted, joined(target, 3), spacing, 3, 50, 374)


def brats2024(predictions, targets, region, spacing):
    """Scores of a region of a case, whose tissues' masks are given by name."""
    sides = [_with_neighbours(predictions, region, True), _with_neighbours(targets, region, False)]
    return score(*sides, spacing, _steps(region), _smallest(region), 337)


def _steps(region):
    return 5 if region in ("NETC", "RC") else 3


def _smallest(region):
    return 10 if region == "ET" else 20


def _with_neighbours(masks, region, is_prediction):
    lesions = _tissue(masks, region, is_prediction)
    order = {"NETC": ["ET", "RC"], "ET": ["NETC", "RC"], "RC": ["ET", "NETC"], "SNFH": ["ET", "RC", "NETC"]}
    for other in order.get(region, []):
        lesions = _joined_by(lesions, _tissue(masks, other, is_prediction))
    return lesions


def _tissue(masks, region, is_prediction):
    lesions = joined(masks[region], _steps(region))
    if is_prediction:
        for lesion in numbers(lesions):
            if (lesions == lesion).sum() <= _smallest(region):
                lesions[lesions == lesion] = 0
    return lesions


def _joined_by(lesions, neighbours):
    """Give lesions the number of the first neighbour that they touch; a lesion that touches none keeps to itself."""
    result = lesions.copy()
    highest = lesions.max()
    for lesion in numbers(lesions):
        grown = ndimage.binary_dilation(lesions == lesion, NEAR)
        touched = numbers(neighbours[grown])
        if touched:
            result[lesions == lesion] = highest + min(touched)
    return result
