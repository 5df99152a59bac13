import subprocess
import sys
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mask_examples import mask_pairs_with_spacing, thorough

from adpfl_bench.metrics.functional import (
    RegionScore,
    dice,
    hausdorff_distance,
    iou,
    normalized_surface_distance,
    score_region,
)


@thorough
@given(mask_pairs_with_spacing())
def test_gathers_every_score(example):
    prediction, target, spacing = example
    assert score_region(prediction, target, spacing, tolerance=1.1) == RegionScore(
        dice=dice(prediction, target),
        iou=iou(prediction, target),
        hd95=hausdorff_distance(prediction, target, spacing, percentile=95),
        nsd=normalized_surface_distance(prediction, target, 1.1, spacing),
        missed=prediction.any() != target.any(),
    )


@thorough
@given(mask_pairs_with_spacing(occupied=True))
def test_a_missed_structure_scores_no_better_than_a_found_one_and_is_counted(example):
    prediction, target, spacing = example
    found = score_region(prediction, target, spacing, tolerance=1.1)
    missed = score_region(np.zeros_like(target), target, spacing, tolerance=1.1)
    assert missed.dice <= found.dice
    assert missed.iou <= found.iou
    assert missed.hd95 > found.hd95
    assert missed.nsd <= found.nsd
    assert missed.missed
    assert not found.missed


@pytest.mark.usefixtures("way")
@thorough
@given(mask_pairs_with_spacing(), st.data())
def test_flipped_and_permuted_axes_leave_every_score_as_it_is(example, data):
    prediction, target, spacing = example
    order = data.draw(st.permutations(range(target.ndim)))
    flipped = sorted(data.draw(st.sets(st.integers(0, target.ndim - 1))))
    turned = [np.flip(mask.transpose(order), flipped) for mask in (prediction, target)]
    found = score_region(*turned, tuple(spacing[axis] for axis in order), tolerance=1.1)
    assert astuple(found) == pytest.approx(astuple(score_region(prediction, target, spacing, tolerance=1.1)))


def test_missed_counts_inventions_but_not_absence():
    empty, some = np.zeros((4, 4), dtype=bool), np.eye(4, dtype=bool)
    missed = {(p.any(), t.any()): score_region(p, t, 1.0, 1.0).missed for p in (empty, some) for t in (empty, some)}
    assert missed == {(False, False): False, (False, True): True, (True, False): True, (True, True): False}


def test_the_cheap_path_leaves_surfaces_out(monkeypatch):
    mask = np.eye(4, dtype=bool)
    assert score_region(mask, mask, 1.0, tolerance=None) == RegionScore(1.0, 1.0, 0.0, None, False)
    monkeypatch.delattr("adpfl_bench.metrics.functional.region.hausdorff_distance")
    monkeypatch.delattr("adpfl_bench.metrics.functional.region.normalized_surface_distance")
    assert score_region(mask, ~mask, 1.0, 1.0, surface=False) == RegionScore(0.0, 0.0, None, None, False)


@pytest.mark.parametrize("module", ["torch", "monai", "torchmetrics", "skimage"])
def test_functional_metrics_import_without_heavy_packages(module):
    code = f"import sys, adpfl_bench.metrics.functional; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
