"""Scores of the BraTS challenges, against their definition written down plainly and surface-distance's package."""

import numpy as np
import pytest

from adpfl_bench.metrics.brats_lesions import BRATS_2023_SCORES, BRATS_2023_WHOLE_HD95, BRATS_2024_SCORES
from adpfl_bench.metrics.region_masks import CaseMasks, RegionMasks
from tests.metrics import lesion_reference, tumour_maps

LARGEST_DIFFERENCE = 1e-4


def scored(metrics, predictions, targets, region, spacing):
    case = CaseMasks({name: (predictions[name], targets[name]) for name in targets})
    masks = RegionMasks(predictions[region], targets[region], spacing, 1.0, region, case)
    return np.array([metric.score(masks) for metric in metrics])


def cases(number):
    for seed in range(number):
        prediction, truth, spacing = tumour_maps.label_maps(seed)
        yield tumour_maps.region_masks(prediction), tumour_maps.region_masks(truth), spacing


def kinds(pairs):
    """What pairs of masks are: with both, one or none empty."""
    return {(bool(prediction.any()), bool(target.any())) for prediction, target in pairs}


def test_scores_of_2023_are_those_of_the_plain_definition_on_204_pairs():
    pairs, values = [], []
    for predictions, targets, spacing in cases(68):
        for region in ("WT", "TC", "ET"):
            found = scored(BRATS_2023_SCORES[:2], predictions, targets, region, spacing)
            expected = lesion_reference.brats2023(predictions[region], targets[region], spacing)
            assert found == pytest.approx(expected[:2], abs=LARGEST_DIFFERENCE)
            pairs.append((predictions[region], targets[region]))
            values.append(found)
    assert len(pairs) >= 200
    assert len(kinds(pairs)) == 4
    assert len({round(dice, 6) for dice, _ in values}) > 40  # they are not all trivial


def test_scores_of_2024_are_those_of_the_plain_definition_on_216_pairs():
    pairs, values = [], []
    for predictions, targets, spacing in cases(36):
        for region in targets:
            found = scored(BRATS_2024_SCORES, predictions, targets, region, spacing)
            expected = lesion_reference.brats2024(predictions, targets, region, spacing)
            assert found == pytest.approx(expected, abs=LARGEST_DIFFERENCE)
            pairs.append((predictions[region], targets[region]))
            values.append(found)
    assert len(pairs) >= 200
    assert len(kinds(pairs)) == 4
    assert len({round(dice, 6) for dice, *_ in values}) > 40


def test_hd95_of_whole_regions_is_that_of_surface_distance_and_374_where_one_is_missed():
    for predictions, targets, spacing in cases(18):
        for region in ("WT", "TC", "ET"):
            (found,) = scored([BRATS_2023_WHOLE_HD95], predictions, targets, region, spacing)
            expected = lesion_reference.hd95(predictions[region], targets[region], spacing)
            if not predictions[region].any() and not targets[region].any():
                expected = 0.0
            assert found == pytest.approx(374.0 if np.isinf(expected) else expected, abs=LARGEST_DIFFERENCE)


def masks_of(*boxes, shape=(40, 20, 20)):
    mask = np.zeros(shape, dtype=bool)
    for box in boxes:
        mask[box] = True
    return mask


def cube(start, side):
    return (slice(start, start + side), slice(2, 2 + side), slice(2, 2 + side))


@pytest.mark.parametrize(("metrics", "penalty"), [(BRATS_2023_SCORES, 374.0), (BRATS_2024_SCORES, 337.0)])
def test_a_missed_and_a_false_lesion_count_0_and_the_penalty(metrics, penalty):
    truth = masks_of(cube(2, 5), cube(30, 5))
    prediction = masks_of(cube(2, 5), cube(16, 5))
    case = {"WT": truth} | {name: np.zeros_like(truth) for name in ("TC", *tumour_maps.TISSUES)}
    found = scored(metrics[:2], case | {"WT": prediction}, case, "WT", (1.0, 1.0, 1.0))
    assert found == pytest.approx([1 / 3, 2 * penalty / 3])


def test_a_small_true_lesion_does_not_count_and_makes_no_prediction_false():
    truth = masks_of(cube(2, 3))  # 27 voxels, of 51 that are needed
    for prediction in (truth, np.zeros_like(truth)):
        case = {"WT": truth}
        assert scored(BRATS_2023_SCORES[:2], {"WT": prediction}, case, "WT", (1.0,) * 3) == pytest.approx([1, 0])
    assert scored(BRATS_2023_SCORES[:2], case, case, "WT", (1.0, 1.0, 2.0)) == pytest.approx([1, 0])  # 54 mm^3
    assert scored(BRATS_2023_SCORES[:2], {"WT": prediction}, case, "WT", (1.0, 1.0, 2.0)) == pytest.approx([0, 374])


def test_speckle_far_from_a_lesion_costs_it_its_score_where_whole_masks_hardly_show_it():
    truth = masks_of(cube(2, 12))
    prediction = truth.copy()
    prediction[20::4, ::4, ::4] = True  # 125 false voxels
    (found,) = scored(BRATS_2023_SCORES[:1], {"WT": prediction}, {"WT": truth}, "WT", (1.0,) * 3)
    assert 2 * truth.sum() / (truth.sum() + prediction.sum()) > 0.95
    assert found == pytest.approx(1 / 126)


def test_files_without_a_size_of_voxels_have_no_lesions_in_mm():
    with pytest.raises(ValueError, match="BraTS 2023 scores lesions in mm"):
        scored(BRATS_2023_SCORES[:1], {"WT": masks_of(cube(2, 5))}, {"WT": masks_of(cube(2, 5))}, "WT", None)


@pytest.mark.parametrize("metrics", [BRATS_2023_SCORES, BRATS_2024_SCORES])
def test_scores_are_in_their_ranges_and_perfect_where_the_truth_is_predicted(metrics):
    for predictions, targets, spacing in cases(12):
        longest = max(374.0, np.linalg.norm(np.multiply(targets["WT"].shape, spacing)))
        for region in ("WT", "ET", "SNFH"):
            for metric, found in zip(metrics, scored(metrics, predictions, targets, region, spacing), strict=True):
                assert 0 <= found <= (1 if metric.unit == "share" else longest)
        # In 2024 predictions lose small lesions before neighbours join them, and the truth does not.
        for region in ("WT", "ET") if metrics is BRATS_2023_SCORES else ():
            perfect = [metric.both_empty for metric in metrics]
            assert scored(metrics, targets, targets, region, spacing) == pytest.approx(perfect)


def test_scores_do_not_depend_on_the_order_of_axes():
    for predictions, targets, spacing in cases(12):
        turned = [
            {name: np.flip(mask.transpose(2, 0, 1), (0, 2)) for name, mask in masks.items()}
            for masks in (predictions, targets)
        ]
        there = (spacing[2], spacing[0], spacing[1])
        for metrics in (BRATS_2023_SCORES, BRATS_2024_SCORES):  # where no neighbour's number decides
            found = scored(metrics, *turned, "WT", there)
            assert found == pytest.approx(scored(metrics, predictions, targets, "WT", spacing))


def test_a_lesion_that_touches_two_neighbours_goes_with_the_first_of_them():
    shape = (40, 30, 9)
    empty = np.zeros(shape, dtype=bool)
    first, second = (slice(2, 6), slice(2, 6), slice(2, 6)), (slice(30, 34), slice(2, 28), slice(2, 6))
    between, beside = (slice(6, 30), slice(2, 6), slice(2, 6)), (slice(34, 38), slice(24, 28), slice(2, 6))
    truth = {name: empty for name in ("WT", "TC", "NETC", "RC")}
    truth |= {"ET": masks_of(first, second, shape=shape), "SNFH": masks_of(between, beside, shape=shape)}
    prediction = truth | {"SNFH": masks_of(between, shape=shape)}
    # Were the one between joined to the other by the second neighbour, one lesion would be found in part.
    found = scored(BRATS_2024_SCORES[:2], prediction, truth, "SNFH", (1.0,) * 3)
    assert found == pytest.approx([1 / 2, 337 / 2])
    assert found == pytest.approx(lesion_reference.brats2024(prediction, truth, "SNFH", (1.0,) * 3)[:2])
