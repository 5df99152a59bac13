"""The metrics that cases are scored by: values, empty masks, and what a record says of them."""

import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.metrics.false_components import COMPONENTS, FALSE_COMPONENTS, FALSE_POSITIVE_VOLUME
from adpfl_bench.metrics.functional import dice, hausdorff_distance, iou, normalized_surface_distance
from adpfl_bench.metrics.region_masks import RegionMasks
from adpfl_bench.metrics.registry import DICE, HD95, METRICS, UNSTATED, Metric
from tests.metrics.functional.mask_examples import mask_pairs_with_spacing, thorough

COUNTS = (COMPONENTS, FALSE_COMPONENTS, FALSE_POSITIVE_VOLUME)
"""What says how much was predicted, and not how well: nothing of an empty prediction."""


def scores(prediction, target, spacing=(1.0, 1.0)):
    masks = RegionMasks(prediction, target, spacing, tolerance=1.1)
    return {metric.name: metric.score(masks) for metric in METRICS}


def no_better(metric, first, second):
    return first <= second if metric.higher_is_better else first >= second


@thorough
@given(mask_pairs_with_spacing())
def test_every_metric_is_its_function_of_any_two_masks_empty_ones_included(example):
    prediction, target, spacing = example
    expected = {
        "dice": dice(prediction, target),
        "iou": iou(prediction, target),
        "hd95": hausdorff_distance(prediction, target, spacing, percentile=95),
        "nsd": normalized_surface_distance(prediction, target, 1.1, spacing),
    }
    found = scores(prediction, target, spacing)
    assert {name: found[name] for name in expected} == expected


@thorough
@given(mask_pairs_with_spacing(occupied=True))
def test_a_missed_structure_scores_no_better_than_a_found_one_and_is_counted(example):
    prediction, target, spacing = example
    found, missed = scores(prediction, target, spacing), scores(np.zeros_like(target), target, spacing)
    assert all(no_better(metric, missed[metric.name], found[metric.name]) for metric in METRICS if metric not in COUNTS)
    assert RegionMasks(np.zeros_like(target), target, spacing, 1.1).missed
    assert not RegionMasks(prediction, target, spacing, 1.1).missed


@thorough
@given(mask_pairs_with_spacing(), st.data())
def test_flipped_and_permuted_axes_leave_every_score_as_it_is(example, data):
    prediction, target, spacing = example
    order = data.draw(st.permutations(range(target.ndim)))
    flipped = sorted(data.draw(st.sets(st.integers(0, target.ndim - 1))))
    turned = [np.flip(mask.transpose(order), flipped) for mask in (prediction, target)]
    found = scores(*turned, tuple(spacing[axis] for axis in order))
    assert found == pytest.approx(scores(prediction, target, spacing))


def test_scores_of_a_picture_do_not_depend_on_how_many_pixels_it_was_stored_with():
    generator = np.random.default_rng(0)
    rows, columns = np.ogrid[:48, :64]
    for _ in range(20):
        pair = [
            (rows - generator.uniform(15, 33)) ** 2 + (columns - generator.uniform(20, 44)) ** 2
            < generator.uniform(6, 14) ** 2
            for _ in range(2)
        ]
        small, large = (
            {metric.name: metric.score(RegionMasks(*masks, None, 3.0)) for metric in METRICS}
            for masks in (pair, [np.kron(mask, np.ones((5, 5))) > 0 for mask in pair])
        )
        pixel = 100 / np.hypot(48, 64)  # of the smaller picture, in percent of the diagonal
        assert large["hd95"] == pytest.approx(small["hd95"], abs=pixel)
        assert large["nsd"] == pytest.approx(small["nsd"], abs=0.15)
        assert {name: large[name] for name in ("dice", "false_components")} == {
            name: pytest.approx(small[name]) for name in ("dice", "false_components")
        }
        assert large["false_positive_volume"] == pytest.approx(small["false_positive_volume"])
    missed = RegionMasks(np.zeros((48, 64), dtype=bool), pair[0], None, 3.0)
    assert HD95.score(missed) == pytest.approx(100)
    assert missed.unit == "% of diagonal"


def test_missed_counts_inventions_but_not_absence():
    empty, some = np.zeros((4, 4), dtype=bool), np.eye(4, dtype=bool)
    missed = {
        (p.any(), t.any()): RegionMasks(p, t, (1.0, 1.0), 1.0).missed for p in (empty, some) for t in (empty, some)
    }
    assert missed == {(False, False): False, (False, True): True, (True, False): True, (True, True): False}


def test_what_a_record_says_of_a_metric_is_plain():
    for metric in METRICS:
        described = metric.described()
        assert type(described) is Metric
        assert asdict(described) == {name: vars(metric)[name] for name in asdict(described)}
    assert METRICS[0] is DICE
    assert [metric.name for metric in UNSTATED] == ["dice", "iou", "hd95", "nsd"]


@pytest.mark.parametrize("module", ["torch", "monai", "torchmetrics", "skimage"])
def test_metrics_import_without_heavy_packages(module):
    code = f"import sys, adpfl_bench.metrics.registry; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
