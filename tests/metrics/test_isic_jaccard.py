"""The ISIC challenges' Jaccard: as written down by the challenges, on pairs of masks, empty ones included."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.metrics.isic_jaccard import ISIC_2018_JACCARD
from adpfl_bench.metrics.region_masks import RegionMasks
from adpfl_bench.metrics.registry import IOU
from tests.metrics.functional.mask_examples import mask_pairs, thorough


def jaccard(prediction, target):
    """That of 2016 and 2017; perfect where there is nothing, and nothing is found."""
    hits, extra, left_out = (int(m.sum()) for m in (prediction & target, prediction & ~target, target & ~prediction))
    return hits / (hits + extra + left_out) if hits + extra + left_out else 1.0


@thorough
@given(mask_pairs(), st.integers(0, 40))
def test_jaccard_counts_from_a_threshold_on_in_2018_and_as_it_is_before(pair, removed):
    for prediction, target in (pair, (pair[1] & (np.arange(pair[1].size).reshape(pair[1].shape) >= removed), pair[1])):
        masks = RegionMasks(prediction, target, None, 1.0)
        plain = jaccard(prediction, target)
        assert IOU.score(masks) == plain
        assert ISIC_2018_JACCARD.score(masks) == (plain if plain >= 0.65 else 0.0)


def test_the_threshold_itself_counts():
    target = np.ones((4, 5), dtype=bool)
    for voxels, expected in ((13, 0.65), (12, 0.0)):
        prediction = np.arange(20).reshape(4, 5) < voxels
        assert ISIC_2018_JACCARD.score(RegionMasks(prediction, target, None, 1.0)) == expected
