import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_examples import mask_pairs_with_spacing, thorough

from adpfl_bench.metrics.functional import nearest


@thorough
@given(mask_pairs_with_spacing(occupied=True))
def test_both_ways_give_the_same_distances(example):
    np.testing.assert_allclose(nearest.tree_distances(*example), nearest.transform_distances(*example), rtol=1e-12)


@pytest.mark.parametrize(("density", "way"), [(0.01, "tree_distances"), (0.5, "transform_distances")])
def test_the_density_of_the_points_decides_which_way_is_taken(density, way, monkeypatch):
    source, destination = np.random.default_rng(0).random((2, 40, 40)) < density
    taken = []
    for name in ("tree_distances", "transform_distances"):
        monkeypatch.setattr(nearest, name, lambda *_, name=name: taken.append(name))
    nearest.nearest_distances(source, destination, (1.0, 1.0))
    assert taken == [way]


@thorough
@given(example=mask_pairs_with_spacing(occupied=True), limit=st.floats(0, 9), most=st.sampled_from([0, 700, 10**6]))
def test_what_is_looked_up_is_within_the_distance(example, limit, most):
    source, destination, spacing = example
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(nearest, "MOST_STEPS", most)
        found = nearest.within_distance(source, destination, spacing, limit)
    distances = nearest.transform_distances(source, destination, spacing)
    clear = np.abs(distances - limit) > 1e-9  # floating point decides a tie, and a score has slack for it
    np.testing.assert_array_equal(found[clear], distances[clear] <= limit)


def test_looking_up_computes_no_distance(monkeypatch):
    monkeypatch.setattr(nearest, "nearest_distances", None)
    line = np.zeros((1, 40), dtype=np.bool_)
    source, destination = line.copy(), line.copy()
    source[0, ::2] = destination[0, 7] = True
    found = nearest.within_distance(source, destination, (1.0, 0.5), 2.0)
    assert np.flatnonzero(source)[found].tolist() == [4, 6, 8, 10]
