"""Threshold rules against NumPy on the same norms."""

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold

NORMS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e6)), min_size=1, max_size=60)
PERCENTILES = st.floats(0, 100, exclude_min=True)


def answer(threshold, client, norm):
    """The threshold for a gradient with this norm."""
    threshold.observe(client, [norm])
    return threshold.current(client)


@given(norms=NORMS, percentile=PERCENTILES, window=st.integers(1, 20))
def test_percentile_equals_numpys_for_each_client_apart(norms, percentile, window):
    threshold, history = PercentileThreshold(percentile, window), {}
    for client, norm in norms:
        history.setdefault(client, []).append(norm)
        assert answer(threshold, client, norm) == np.percentile(history[client][-window:], percentile)


@given(norm=st.floats(0, 1e6), percentile=PERCENTILES)
def test_a_first_gradient_is_not_clipped(norm, percentile):
    assert answer(PercentileThreshold(percentile), "a", norm) == norm


@given(norms=NORMS, percentile=PERCENTILES, window=st.integers(1, 20), cut=st.integers(0, 60))
def test_percentile_goes_on_from_a_checkpoint(norms, percentile, window, cut):
    threshold = PercentileThreshold(percentile, window)
    for client, norm in norms[:cut]:
        answer(threshold, client, norm)
    restored = PercentileThreshold(percentile, window)
    restored.load_state_dict(through_file(threshold.state_dict()))
    for client, norm in norms[cut:]:
        assert answer(restored, client, norm) == answer(threshold, client, norm)
    assert restored.state_dict() == threshold.state_dict()


def through_file(state):
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_percentile_100_is_the_largest_norm_of_the_window():
    threshold = PercentileThreshold(100, window=3)
    assert [answer(threshold, "a", norm) for norm in (2.0, 9.0, 1.0, 1.0, 1.0)] == [2.0, 9.0, 9.0, 9.0, 1.0]


@given(norms=NORMS, value=st.floats(0, exclude_min=True, allow_infinity=False))
def test_fixed_is_constant_and_needs_no_state(norms, value):
    threshold = FixedThreshold(value)
    assert {threshold.current(client) for client, _ in norms} == {value}
    assert not threshold.needs_norms
    assert threshold.state_dict() == {}
    threshold.load_state_dict({})
    assert threshold.current("a") == value


def test_only_a_rule_without_private_data_can_be_accounted():
    assert FixedThreshold(1.0).unaccounted_reason is None
    assert "raw percentile of private gradient norms" in PercentileThreshold().unaccounted_reason


@pytest.mark.parametrize("percentile", [0.0, -1.0, 100.1, math.nan])
def test_percentile_out_of_range(percentile):
    with pytest.raises(ConfigError, match=r"percentile must lie in \(0, 100\], but it is"):
        PercentileThreshold(percentile)


def test_window_out_of_range():
    with pytest.raises(ConfigError, match="window must be at least 1 gradient norm, but it is 0"):
        PercentileThreshold(50, 0)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_fixed_out_of_range(value):
    with pytest.raises(ConfigError, match="must be greater than 0 and finite, but it is"):
        FixedThreshold(value)
