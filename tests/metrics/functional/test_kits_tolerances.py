"""NSD at the official tolerances of KiTS, against every pair of surface elements."""

import numpy as np
import pytest
from marching_reference import surface_elements
from mask_examples import ellipsoid
from scipy.spatial.distance import cdist

from adpfl_bench.datasets.kits import KITS
from adpfl_bench.metrics.functional import normalized_surface_distance

SHAPE = (24, 22, 12)
TOLERANCES = {
    "kidney_and_masses": 1.0330772532390826,
    "masses": 1.1328796488598762,
    "tumour": 1.1498198361434828,
}


def brute_force(prediction, target, tolerance, spacing):
    (a, area_a), (b, area_b) = (surface_elements(mask, spacing) for mask in (prediction, target))
    distances = cdist(a, b)
    within = area_a[distances.min(axis=1) <= tolerance].sum() + area_b[distances.min(axis=0) <= tolerance].sum()
    return within / (area_a.sum() + area_b.sum())


def organs():
    return ellipsoid(SHAPE, (12, 11, 6), (8, 7, 3)), ellipsoid(SHAPE, (13, 11, 6), (8, 6, 4))


def speckled():
    """The organs with 1 voxel in 20 turned, which brings twice as many neighbourhoods of 2 x 2 x 2 voxels about."""
    noise = np.random.default_rng(0).random((2, *SHAPE)) < 0.05
    return tuple(mask ^ turned for mask, turned in zip(organs(), noise, strict=True))


def test_tolerances_are_the_official_ones():
    assert KITS.tolerances == TOLERANCES


@pytest.mark.parametrize("region", TOLERANCES)
@pytest.mark.parametrize("spacing", [(0.8, 0.8, 3.0), (1.0, 0.7, 0.7)])
@pytest.mark.parametrize("masks", [organs, speckled])
def test_equals_brute_force(masks, region, spacing):
    prediction, target = masks()
    expected = brute_force(prediction, target, TOLERANCES[region], spacing)
    assert 0.3 < expected < 1
    found = normalized_surface_distance(prediction, target, TOLERANCES[region], spacing)
    assert found == pytest.approx(expected, abs=1e-9)
