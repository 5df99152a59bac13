"""NSD at the official tolerances of KiTS, against every pair of surface elements."""

import itertools

import numpy as np
import pytest
from mask_examples import ellipsoid
from scipy.spatial.distance import cdist

from adpfl_bench.label_scheme import KITS
from adpfl_bench.metrics.functional import normalized_surface_distance

SHAPE = (24, 22, 12)
TOLERANCES = {
    "kidney_and_masses": 1.0330772532390826,
    "masses": 1.1328796488598762,
    "tumour": 1.1498198361434828,
}


def surface_elements(mask, spacing):
    """Places [N, 3] in mm of the corners where mask and background meet, and the area of the surface there."""
    tables = pytest.importorskip("surface_distance.lookup_tables", reason="install the dev extra")
    areas = tables.create_table_neighbour_code_to_surface_area(spacing)
    padded = np.pad(mask, 1)
    places, weights = [], []
    for corner in itertools.product(*(range(side - 1) for side in padded.shape)):
        cube = padded[tuple(slice(first, first + 2) for first in corner)]
        code = sum(int(voxel) << (7 - bit) for bit, voxel in enumerate(cube.flatten()))
        if 0 < code < 255:
            places.append(np.array(corner) * spacing)
            weights.append(areas[code])
    return np.array(places), np.array(weights)


def brute_force(prediction, target, tolerance, spacing):
    (a, area_a), (b, area_b) = (surface_elements(mask, spacing) for mask in (prediction, target))
    distances = cdist(a, b)
    within = area_a[distances.min(axis=1) <= tolerance].sum() + area_b[distances.min(axis=0) <= tolerance].sum()
    return within / (area_a.sum() + area_b.sum())


def test_tolerances_are_the_official_ones():
    assert KITS.tolerances == TOLERANCES


@pytest.mark.parametrize("region", TOLERANCES)
@pytest.mark.parametrize("spacing", [(0.8, 0.8, 3.0), (1.0, 0.7, 0.7)])
def test_equals_brute_force(region, spacing):
    prediction, target = (
        ellipsoid(SHAPE, (12, 11, 6), (8, 7, 3)),
        ellipsoid(SHAPE, (13, 11, 6), (8, 6, 4)),
    )
    expected = brute_force(prediction, target, TOLERANCES[region], spacing)
    assert 0.3 < expected < 1
    found = normalized_surface_distance(prediction, target, TOLERANCES[region], spacing)
    assert found == pytest.approx(expected, abs=1e-6)
