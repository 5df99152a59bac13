import numpy as np
import pytest
from hypothesis import given
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
