"""Counts of predicted components, against counting them by hand and by flood fill."""

import numpy as np
import pytest
from hypothesis import given

from adpfl_bench.metrics.false_components import COMPONENTS, FALSE_COMPONENTS, FALSE_POSITIVE_VOLUME
from adpfl_bench.metrics.region_masks import RegionMasks
from tests.metrics.functional.mask_examples import mask_pairs_with_spacing, thorough


def flood(mask):
    """Components as sets of voxels, found by walking to every neighbour, corners included."""
    left, found = set(map(tuple, np.argwhere(mask).tolist())), []
    while left:
        front, part = [left.pop()], set()
        while front:
            voxel = front.pop()
            part.add(voxel)
            near = {other for other in left if all(abs(a - b) <= 1 for a, b in zip(voxel, other, strict=True))}
            left -= near
            front += near
        found.append(part)
    return found


@thorough
@given(mask_pairs_with_spacing())
def test_counts_and_volume_are_those_of_a_flood_fill(example):
    prediction, target, spacing = example
    parts, true = flood(prediction), set(map(tuple, np.argwhere(target).tolist()))
    false = [part for part in parts if not part & true]
    voxels = sum(map(len, false))
    in_mm = RegionMasks(prediction, target, spacing, 1.0)
    assert COMPONENTS.score(in_mm) == len(parts)
    assert FALSE_COMPONENTS.score(in_mm) == len(false)
    assert FALSE_POSITIVE_VOLUME.score(in_mm) == pytest.approx(voxels * np.prod(spacing) / 1000)
    of_picture = RegionMasks(prediction, target, None, 1.0)
    assert FALSE_POSITIVE_VOLUME.score(of_picture) == pytest.approx(100 * voxels / target.size)


def test_volumes_are_in_ml_beside_mm_and_else_in_percent_of_the_image():
    assert FALSE_POSITIVE_VOLUME.unit_text("mm") == "ml"
    assert FALSE_POSITIVE_VOLUME.unit_text("% of diagonal") == "% of image"
    assert FALSE_POSITIVE_VOLUME.unit_text("% of diagonal/mm") == "% of image/ml"
    assert FALSE_POSITIVE_VOLUME.unit_text("") == ""
    assert COMPONENTS.unit_text("mm") == ""
