"""Reliability of probabilities, against torchmetrics and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_calibration_error

from adpfl_bench.metrics.functional.reliability import BINS, Reliability


@given(st.integers(0, 10_000), st.integers(1, 400), st.floats(0.1, 5))
def test_error_is_that_of_torchmetrics(seed, size, sharpness):
    generator = np.random.default_rng(seed)
    probabilities = generator.random(size) ** sharpness
    truth = generator.random(size) < probabilities * generator.random()
    found = Reliability.of(probabilities.astype(np.float32), truth)
    expected = binary_calibration_error(
        torch.from_numpy(probabilities).float(), torch.from_numpy(truth).long(), n_bins=BINS, norm="l1"
    )
    assert found.error == pytest.approx(float(expected), abs=1e-5)
    assert 0 <= found.error <= 1


@given(st.integers(0, 10_000), st.integers(0, 50))
def test_parts_add_up_in_any_division(seed, cut):
    generator = np.random.default_rng(seed)
    probabilities, truth = generator.random(50), generator.random(50) < 0.4
    parts = Reliability.of(probabilities[:cut], truth[:cut]) + Reliability.of(probabilities[cut:], truth[cut:])
    whole = Reliability.of(probabilities, truth)
    assert parts.counts.tolist() == whole.counts.tolist()
    assert parts.positives.tolist() == whole.positives.tolist()
    assert parts.sums == pytest.approx(whole.sums)


def test_bins_hold_their_lower_ends_and_the_last_one_1():
    found = Reliability.of(np.array([0.0, 1 / 15, 1.0, 0.999]), np.array([False, True, True, False]))
    assert found.counts.tolist() == [1, 1, *[0] * 12, 2]
    assert found.frequencies[[0, 1, 14]].tolist() == [0.0, 1.0, 0.5]
    assert np.isnan(found.means[2])
    assert found.error == pytest.approx((0 + (1 - 1 / 15) + abs(1.999 - 1)) / 4)
    assert np.isnan(Reliability.of(np.zeros(0), np.zeros(0, dtype=bool)).error)
