import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from marching_reference import areas, triangles
from mask_examples import ellipsoid, mask_pairs, mask_pairs_with_spacing, thorough
from monai.metrics import compute_surface_dice

from adpfl_bench.metrics.functional import normalized_surface_distance
from adpfl_bench.metrics.functional.element_size import element_sizes

pytestmark = pytest.mark.usefixtures("way")

# With voxels of whole quarters of a mm, no two corners are exactly this far apart: its square is (5k + 2)^2 / 400, the
# square of a distance n / 16. So no result hangs on how a distance equal to the tolerance was rounded.
TOLERANCES = st.integers(0, 20).map(lambda k: k / 4 + 0.1)


def monai(prediction, target, tolerance, spacing):
    batches = [torch.from_numpy(mask)[None, None] for mask in (prediction, target)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        value = compute_surface_dice(
            *batches, [tolerance], include_background=True, spacing=spacing, use_subvoxels=True
        )
    return value.item()


def surface_distance(prediction, target, tolerance, spacing):
    package = pytest.importorskip("surface_distance", reason="install the dev extra")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        distances = package.compute_surface_distances(target, prediction, spacing)
    return package.compute_surface_dice_at_tolerance(distances, tolerance)


@pytest.mark.parametrize("reference", [monai, surface_distance])
@thorough
@given(mask_pairs_with_spacing(occupied=True), TOLERANCES)
def test_equals_reference(reference, example, tolerance):
    prediction, target, spacing = example
    expected = reference(prediction, target, tolerance, spacing)
    assert normalized_surface_distance(prediction, target, tolerance, spacing) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("reference", [monai, surface_distance])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.75, 1.0, 5.0)])
@pytest.mark.parametrize("tolerance", [0.6, 1.1, 2.6])
def test_equals_reference_on_organs(reference, spacing, tolerance):
    shape = (60, 50, 40)
    prediction, target = ellipsoid(shape, (30, 25, 20), (20, 15, 10)), ellipsoid(shape, (33, 24, 22), (18, 16, 12))
    expected = reference(prediction, target, tolerance, spacing)
    assert 0.05 < expected < 0.95
    assert normalized_surface_distance(prediction, target, tolerance, spacing) == pytest.approx(expected, abs=1e-4)


def test_contour_lengths_of_squares():
    # The four corners of a square of 3 x 5 pixels are cut; straight contours join the midpoints between them.
    mask = np.zeros((9, 9), dtype=bool)
    mask[2:5, 2:7] = True
    assert boundary_size(mask, (2.0, 0.5)) == pytest.approx(2 * (2 * 2.0 + 4 * 0.5) + 4 * 0.5 * np.hypot(2.0, 0.5))


def test_areas_of_boxes():
    x, y, z = 2.0, 0.5, 3.0
    mask = np.zeros((9, 9, 9), dtype=bool)
    mask[2:5, 2:6, 2:7] = True
    faces = 2 * (3 * 4 * y * z + 2 * 4 * x * z + 2 * 3 * x * y)
    chamfers = 2 * (4 * z * np.hypot(x, y) + 3 * y * np.hypot(x, z) + 2 * x * np.hypot(y, z))
    corners = 8 * np.linalg.norm([y * z, x * z, x * y]) / 8
    assert boundary_size(mask, (x, y, z)) == pytest.approx(faces + chamfers + corners)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 3.0), (3.0, 0.3, 1.1)])
def test_areas_of_every_neighbourhood(spacing):
    cubes = [tuple(bool(code >> bit & 1) for bit in range(8)) for code in range(256)]
    expected = [areas(triangles(cube), spacing).sum() for cube in cubes]
    np.testing.assert_allclose(element_sizes(spacing), expected, atol=1e-12)


@pytest.mark.parametrize("spacing", [(0.5, 2.0), (0.5, 2.0, 3.0)])
def test_a_mask_and_its_complement_share_their_boundary(spacing):
    sizes = element_sizes(spacing)
    np.testing.assert_array_equal(sizes, sizes[::-1])
    assert sizes[0] == 0
    assert (sizes[1:-1] > 0).all()


def boundary_size(mask, spacing):
    """Count every 2 x 2 (x 2) neighbourhood of a mask and add up the sizes of their elements."""
    sizes = element_sizes(spacing)
    corners = np.ndindex(*np.subtract(mask.shape, 1))
    windows = (mask[tuple(slice(i, i + 2) for i in corner)].ravel() for corner in corners)
    return sum(sizes[sum(1 << bit for bit, inside in enumerate(window) if inside)] for window in windows)


def test_elements_weigh_as_much_as_they_are_long():
    # The target is one row longer: 2 of its corners are 1 mm beyond those of the prediction, at the cut-off ends of a
    # bar of 2 + 1/2 and 3 + 1/2 pixels in length. Pixels are 1 mm long and 10 mm wide.
    prediction, target = np.zeros((2, 8, 5), dtype=bool)
    prediction[2:4, 2] = target[2:5, 2] = True
    cut, side = 0.5 * np.hypot(1, 10), 1.0
    total = (4 * cut + 2 * side) + (4 * cut + 4 * side)
    beyond = 2 * cut
    assert normalized_surface_distance(prediction, target, 0.9, (1.0, 10.0)) == pytest.approx(1 - beyond / total)
    assert normalized_surface_distance(prediction, target, 1.0, (1.0, 10.0)) == 1


@pytest.mark.parametrize("shape", [(6, 7), (5, 6, 7)])
def test_empty_and_full_masks(shape):
    empty, full = np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool)
    assert normalized_surface_distance(empty, empty, 1.0, 1.0) == 1
    assert normalized_surface_distance(empty, full, 100.0, 1.0) == 0
    assert normalized_surface_distance(full, empty, 100.0, 1.0) == 0
    assert normalized_surface_distance(full, full, 0.0, 1.0) == 1


@thorough
@given(mask_pairs_with_spacing(), TOLERANCES)
def test_symmetric_bounded_and_one_on_itself(example, tolerance):
    prediction, target, spacing = example
    score = normalized_surface_distance(prediction, target, tolerance, spacing)
    assert score == pytest.approx(normalized_surface_distance(target, prediction, tolerance, spacing))
    assert 0 <= score <= 1
    assert normalized_surface_distance(target, target, 0.0, spacing) == 1


@thorough
@given(mask_pairs_with_spacing(occupied=True))
def test_grows_with_the_tolerance_up_to_one(example):
    prediction, target, spacing = example
    diagonal = float(np.linalg.norm(np.multiply(target.shape, spacing)))
    scores = [normalized_surface_distance(prediction, target, share * diagonal, spacing) for share in (0, 0.1, 0.3, 1)]
    assert scores == sorted(scores)
    assert scores[-1] == 1


@thorough
@given(mask_pairs_with_spacing(), TOLERANCES, st.floats(0.01, 100))
def test_depends_on_tolerance_and_spacing_in_the_same_unit(example, tolerance, factor):
    prediction, target, spacing = example
    score = normalized_surface_distance(prediction, target, tolerance, spacing)
    in_another_unit = normalized_surface_distance(prediction, target, factor * tolerance, np.multiply(spacing, factor))
    assert in_another_unit == pytest.approx(score)


@thorough
@given(mask_pairs(occupied=True), st.integers(0, 9))
def test_a_distance_equal_to_the_tolerance_is_accepted_wherever_it_lies(pair, shift):
    # In floating point 0.1 * 4 - 0.1 * 3 > 0.1, but 0.1 * 3 - 0.1 * 2 < 0.1.
    moved = [np.pad(mask, [(shift, 9 - shift)] * mask.ndim) for mask in pair]
    score = normalized_surface_distance(*pair, tolerance=1.0, spacing=1.0)
    assert normalized_surface_distance(*moved, tolerance=0.1, spacing=0.1) == pytest.approx(score)
