import warnings
from itertools import product
from math import dist, floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_examples import ellipsoid, mask_pairs, mask_pairs_with_spacing, slow, thorough
from monai.metrics import compute_hausdorff_distance

from adpfl_bench.metrics.functional import hausdorff_distance

pytestmark = pytest.mark.usefixtures("way")


def brute_force(prediction, target, spacing, percentile):
    edges = [list(edge_points(mask)) for mask in (prediction, target)]
    directed = []
    for own, other in (edges, edges[::-1]):
        distances = [min(dist(np.multiply(p, spacing), np.multiply(q, spacing)) for q in other) for p in own]
        directed.append(interpolated_percentile(sorted(distances), percentile))
    return max(directed)


def edge_points(mask):
    for point in product(*map(range, mask.shape)):
        neighbours = [
            (*point[:axis], point[axis] + step, *point[axis + 1 :]) for axis in range(mask.ndim) for step in (-1, 1)
        ]
        inside = [all(0 <= i < n for i, n in zip(p, mask.shape, strict=True)) and mask[p] for p in neighbours]
        if mask[point] and not all(inside):
            yield point


def interpolated_percentile(ordered, percentile):
    position = percentile / 100 * (len(ordered) - 1)
    low = floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])


def monai(prediction, target, spacing):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = compute_hausdorff_distance(
            prediction[None, None], target[None, None], include_background=True, percentile=95, spacing=spacing
        )
    return value.item()


@slow
@given(mask_pairs_with_spacing(occupied=True), st.sampled_from([5, 50, 95, 100]))
def test_equals_the_definition(example, percentile):
    assert hausdorff_distance(*example, percentile) == pytest.approx(brute_force(*example, percentile), abs=1e-9)


@thorough
@given(mask_pairs_with_spacing(occupied=True))
def test_equals_monai(example):
    assert hausdorff_distance(*example) == pytest.approx(monai(*example), abs=1e-4)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.9, 5.0)])
def test_equals_monai_on_organs(spacing):
    shape = (60, 50, 40)
    prediction, target = ellipsoid(shape, (30, 25, 20), (20, 15, 10)), ellipsoid(shape, (33, 24, 22), (18, 16, 12))
    assert hausdorff_distance(prediction, target, spacing) == pytest.approx(
        monai(prediction, target, spacing), abs=1e-4
    )


@pytest.mark.parametrize("edge", [0, -1])
def test_equals_monai_at_the_border_of_the_image(edge):
    prediction, target = np.zeros((2, 9, 9, 9), dtype=bool)
    prediction[edge] = True
    target[:, 3:, edge] = True
    assert hausdorff_distance(prediction, target, 1.0) == pytest.approx(monai(prediction, target, 1.0), abs=1e-4)


def test_one_voxel_masks_are_their_distance_apart():
    prediction, target = np.zeros((2, 9, 9, 9), dtype=bool)
    prediction[1, 2, 3] = target[4, 6, 3] = True
    assert hausdorff_distance(prediction, target, 1.0) == 5
    assert hausdorff_distance(prediction, target, (2.0, 0.5, 7.0)) == pytest.approx(np.hypot(6, 2))


def test_the_border_of_the_image_is_surface():
    # Otherwise a mask that fills the image would have no surface at all.
    full, voxel = np.ones((5, 5), dtype=bool), np.zeros((5, 5), dtype=bool)
    voxel[0, 0] = True
    assert hausdorff_distance(full, full, 1.0) == 0
    assert hausdorff_distance(full, voxel, 1.0, percentile=100) == pytest.approx(np.hypot(4, 4))


def test_the_inside_of_a_mask_is_not_surface():
    # Hollowing out a square leaves its edge voxels where they were.
    target = np.zeros((9, 9), dtype=bool)
    target[2:7, 2:7] = True
    prediction = target.copy()
    prediction[3:6, 3:6] = False
    assert hausdorff_distance(prediction, target, 1.0, percentile=100) == 0


@pytest.mark.parametrize("shape", [(30, 40), (20, 30, 60)])
def test_empty_masks(shape):
    empty, found = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    found[1] = True
    assert hausdorff_distance(empty, empty, 1.0) == 0
    diagonal = 2.0 * {2: 50, 3: 70}[len(shape)]
    assert hausdorff_distance(empty, found, 2.0) == hausdorff_distance(found, empty, 2.0) == pytest.approx(diagonal)


@thorough
@given(mask_pairs_with_spacing(occupied=True))
def test_missing_a_structure_is_worse_than_any_way_of_finding_it(example):
    prediction, target, spacing = example
    missed = hausdorff_distance(np.zeros_like(target), target, spacing)
    assert hausdorff_distance(prediction, target, spacing, percentile=100) < missed


@thorough
@given(mask_pairs_with_spacing())
def test_symmetric_and_zero_on_itself(example):
    prediction, target, spacing = example
    assert hausdorff_distance(prediction, target, spacing) == hausdorff_distance(target, prediction, spacing)
    assert hausdorff_distance(target, target, spacing) == 0


@thorough
@given(mask_pairs_with_spacing(), st.floats(0.01, 100))
def test_scales_with_the_spacing(example, factor):
    prediction, target, spacing = example
    scaled = hausdorff_distance(prediction, target, np.multiply(spacing, factor))
    assert scaled == pytest.approx(factor * hausdorff_distance(prediction, target, spacing))


@thorough
@given(mask_pairs(occupied=True), st.integers(0, 4))
def test_does_not_depend_on_where_the_structures_lie_in_the_image(pair, shift):
    spacing = (0.1, 0.3, 0.7)[: pair[0].ndim]
    moved = [np.pad(mask, [(shift, 4 - shift)] * mask.ndim) for mask in pair]
    assert hausdorff_distance(*moved, spacing) == pytest.approx(hausdorff_distance(*pair, spacing))


@thorough
@given(mask_pairs(occupied=True))
def test_grows_with_the_percentile(pair):
    values = [hausdorff_distance(*pair, 1.0, percentile) for percentile in (1, 25, 50, 95, 100)]
    assert values == sorted(values)
