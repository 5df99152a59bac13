"""The box that both masks are cropped to."""

import numpy as np
import pytest
from hypothesis import given
from mask_examples import mask_pairs, thorough

from adpfl_bench.metrics.functional.boundary import crop_to_union


@thorough
@given(mask_pairs())
def test_the_box_is_the_smallest_around_both(pair):
    prediction, target = pair
    if not (prediction.any() or target.any()):
        return
    where = np.argwhere(prediction | target)
    box = tuple(map(slice, where.min(axis=0), where.max(axis=0) + 1))
    for one, other in ((prediction, np.asfortranarray(target)), (np.moveaxis(prediction, 0, 0), target)):
        for cropped, mask in zip(crop_to_union(one, other), pair, strict=True):
            np.testing.assert_array_equal(cropped, mask[box])


@pytest.mark.parametrize("order", ["C", "F"])
def test_one_mask_may_be_empty(order):
    mask = np.zeros((5, 6, 7), dtype=np.bool_, order=order)
    mask[1:3, 2, 4:7] = True
    for pair in ((mask, np.zeros_like(mask)), (np.zeros_like(mask), mask)):
        assert [cropped.shape for cropped in crop_to_union(*pair)] == [(2, 1, 3)] * 2
