import numpy as np
import pytest

from adpfl_bench.metrics.functional import dice, hausdorff_distance, iou, normalized_surface_distance

MASK = np.eye(4, dtype=bool)
SCORES = {
    "dice": dice,
    "iou": iou,
    "hausdorff_distance": lambda prediction, target: hausdorff_distance(prediction, target, 1.0),
    "normalized_surface_distance": lambda prediction, target: normalized_surface_distance(prediction, target, 1.0, 1.0),
}
WRONG_MASKS = {
    "shape": (MASK[:3], r"found \(3, 4\) and \(4, 4\)"),
    "broadcastable shape": (MASK[:1], r"found \(1, 4\) and \(4, 4\)"),
    "axes": (MASK[None, None], r"found shape \(1, 1, 4, 4\)"),
    "no voxels": (MASK[:0], r"found shape \(0, 4\)"),
    "probabilities": (MASK.astype(np.float32), "found float32: threshold it"),
    "labels": (3 * MASK.astype(np.uint8), "found values from 0 to 3"),
    "negative labels": (-MASK.astype(np.int16), "found values from -1 to 0"),
    "list": (MASK.tolist(), "found list"),
}


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize(("mask", "message"), WRONG_MASKS.values(), ids=WRONG_MASKS)
def test_wrong_masks_are_refused(score, mask, message):
    with pytest.raises(ValueError, match=message):
        score(mask, MASK)
    if "and" not in message:
        with pytest.raises(ValueError, match=f"target mask .*{message}"):
            score(MASK, mask)


@pytest.mark.parametrize("score", SCORES.values(), ids=SCORES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_integer_masks_score_as_boolean_ones(score, dtype):
    other = np.roll(MASK, 1, axis=0)
    assert score(MASK.astype(dtype), other.astype(dtype)) == score(MASK, other)


@pytest.mark.parametrize(
    "spacing", [(1.0,), (1.0, 1.0, 1.0), [[1.0, 1.0]], 0.0, (1.0, -1.0), float("nan"), (1, np.inf)]
)
@pytest.mark.parametrize("empty", [False, True])
def test_wrong_spacing_is_refused(spacing, empty):
    mask = MASK & (not empty)
    with pytest.raises(ValueError, match="spacing must be"):
        hausdorff_distance(mask, mask, spacing)
    with pytest.raises(ValueError, match="spacing must be"):
        normalized_surface_distance(mask, mask, 1.0, spacing)


@pytest.mark.parametrize("percentile", [0, -5, 100.1, float("nan")])
def test_wrong_percentile_is_refused(percentile):
    with pytest.raises(ValueError, match=rf"\(0, 100\], but found {percentile}"):
        hausdorff_distance(MASK, MASK, 1.0, percentile)


@pytest.mark.parametrize("tolerance", [-0.1, float("inf"), float("nan")])
def test_wrong_tolerance_is_refused(tolerance):
    with pytest.raises(ValueError, match=f"found {tolerance}"):
        normalized_surface_distance(MASK, MASK, tolerance, 1.0)


@pytest.mark.parametrize("spacing", [2.0, 2, (2.0, 2.0), [2, 2], np.array([2, 2], dtype=np.float32)])
def test_spacing_is_taken_in_any_form(spacing):
    assert hausdorff_distance(MASK, ~MASK, spacing) == 2 * hausdorff_distance(MASK, ~MASK, 1.0)
