import numpy as np
import pytest
import torch
from hypothesis import given
from mask_examples import mask_pairs, thorough
from torchmetrics.functional.classification import binary_f1_score, binary_jaccard_index

from adpfl_bench.metrics.functional import dice, iou


@thorough
@given(mask_pairs(occupied=True))
def test_scores_count_the_voxels_of_sets(pair):
    prediction, target = (set(zip(*np.nonzero(mask), strict=True)) for mask in pair)
    assert dice(*pair) == pytest.approx(2 * len(prediction & target) / (len(prediction) + len(target)))
    assert iou(*pair) == pytest.approx(len(prediction & target) / len(prediction | target))


@thorough
@given(mask_pairs(occupied=True))
def test_scores_are_those_of_torchmetrics(pair):
    prediction, target = (torch.from_numpy(mask.copy()).flatten() for mask in pair)
    assert dice(*pair) == pytest.approx(float(binary_f1_score(prediction, target)), abs=1e-6)
    assert iou(*pair) == pytest.approx(float(binary_jaccard_index(prediction, target)), abs=1e-6)


@thorough
@given(mask_pairs())
def test_scores_are_symmetric_bounded_and_tied_to_each_other(pair):
    assert dice(*pair) == dice(*pair[::-1])
    assert iou(*pair) == iou(*pair[::-1])
    assert 0 <= iou(*pair) <= dice(*pair) <= 1
    assert dice(*pair) == pytest.approx(2 * iou(*pair) / (1 + iou(*pair)))


@pytest.mark.parametrize("score", [dice, iou])
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5)])
def test_empty_masks(score, shape):
    empty, full = np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool)
    assert score(empty, empty) == 1
    assert score(empty, full) == score(full, empty) == 0
    assert score(full, full) == 1


def test_integers_count_as_masks_without_overflow():
    full = np.ones((20, 20), dtype=np.uint8)
    assert dice(full, full) == iou(full, full) == 1


def test_results_are_plain_numbers():
    mask = np.eye(3, dtype=bool)
    assert type(dice(mask, mask)) is type(iou(mask, ~mask)) is float
