"""Epsilon of a person with several units: closed forms, the exact mixture by quadrature, and bounds."""

import math

import numpy as np
import pytest
from scipy.stats import binom, norm

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.accounting import client_epsilon, group_epsilon
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.ledger import Release

GAUSSIAN, LAPLACE = "GaussianMechanism", "LaplaceMechanism"
DELTA = 1e-5


def test_one_unit_is_a_group_of_one():
    for release in (Release(GAUSSIAN, 1.0, 2.0), Release(GAUSSIAN, 2.0, 1.0, 0.1), Release(LAPLACE, 1.0, norm="l1")):
        for unit in ("batch", "record", "patient", "client"):
            assert group_epsilon({release: 7}, DELTA, 1, unit) == client_epsilon({release: 7}, DELTA)


@pytest.mark.parametrize("size", [2, 3, 50])
def test_without_sampling_a_group_shifts_by_its_size(size):
    assert group_epsilon({Release(GAUSSIAN, 4.0): 9}, DELTA, size) == pytest.approx(
        gaussian_epsilon(size * 3 / 4, DELTA), rel=1e-9
    )
    pure = group_epsilon({Release(LAPLACE, 40.0, norm="l1"): 1}, DELTA, size)
    assert pure == pytest.approx(size / 40 + 2 * math.log1p(-DELTA), rel=1e-3)
    l2 = group_epsilon({Release(LAPLACE, 40.0): 5}, DELTA, size)
    assert l2 == client_epsilon({Release(LAPLACE, 40.0, float(size)): 5}, DELTA)


def test_a_batch_stays_in_its_ball_but_more_of_them_have_one_of_the_group():
    batch = {Release(GAUSSIAN, 4.0, 2.0): 9}
    found = group_epsilon(batch, DELTA, 4, "batch")
    assert found == pytest.approx(gaussian_epsilon(math.sqrt(4 * 9) * 2 / 4, DELTA), rel=1e-9)
    assert found < group_epsilon(batch, DELTA, 4, "record")
    sampled = group_epsilon({Release(GAUSSIAN, 4.0, 2.0, 0.1): 9}, DELTA, 4, "batch")
    assert sampled == client_epsilon({Release(GAUSSIAN, 4.0, 2.0, -math.expm1(4 * math.log1p(-0.1))): 9}, DELTA)


def mixture_epsilon(t, q, size):
    """Exact, of one release: the smallest epsilon at which neither divergence exceeds delta, on a fine grid."""
    x = np.linspace(-12, size * t + 12, 400_001)
    base = norm.pdf(x)
    mixed = sum(binom.pmf(j, size, q) * norm.pdf(x - j * t) for j in range(size + 1))
    low, high = 0.0, 60.0
    for _ in range(50):
        gamma = math.exp((low + high) / 2)
        divergences = (np.maximum(mixed - gamma * base, 0), np.maximum(base - gamma * mixed, 0))
        worst = max(np.sum(each) * (x[1] - x[0]) for each in divergences)
        low, high = ((low + high) / 2, high) if worst > DELTA else (low, (low + high) / 2)
    return high


@pytest.mark.parametrize(("z", "q", "size"), [(1.0, 0.01, 2), (1.0, 0.3, 3), (0.7, 0.05, 5), (5.0, 0.5, 10)])
def test_a_sampled_group_is_the_binomial_mixture(z, q, size):
    exact = mixture_epsilon(1 / z, q, size)
    found = group_epsilon({Release(GAUSSIAN, z, 1.0, q): 1}, DELTA, size)
    assert exact * (1 - 1e-4) <= found <= exact * 1.01
    several = group_epsilon({Release(GAUSSIAN, z, 1.0, q): 30}, DELTA, size)
    simple = client_epsilon({Release(GAUSSIAN, z, size, 1 - (1 - q) ** size): 30}, DELTA)
    assert found < several <= simple


def test_units_that_pull_in_different_directions_are_no_worse():
    """Two units at right angles, drawn by themselves, by a grid over the plane."""
    t, q = 1.2, 0.2
    axis = np.linspace(-8, 9, 1701)
    step = (axis[1] - axis[0]) ** 2
    base = np.outer(norm.pdf(axis), norm.pdf(axis))
    each = (1 - q) * norm.pdf(axis) + q * norm.pdf(axis - t)
    mixed = np.outer(each, each)
    bound = group_epsilon({Release(GAUSSIAN, 1 / t, 1.0, q): 1}, 1e-3, 2)
    gamma = math.exp(bound)
    assert np.sum(np.maximum(mixed - gamma * base, 0)) * step < 1e-3
    assert np.sum(np.maximum(base - gamma * mixed, 0)) * step < 1e-3
    alike = sum(binom.pmf(j, 2, q) * norm.pdf(axis - j * t) for j in range(3))
    one = np.sum(np.maximum(alike - gamma * norm.pdf(axis), 0)) * (axis[1] - axis[0])
    assert one == pytest.approx(1e-3, rel=0.02)  # along one line they use it up


@pytest.mark.parametrize(
    "release",
    [
        Release(GAUSSIAN, 2.0, 1.0, 0.05),
        Release(LAPLACE, 5.0, 1.0, 0.05, "l1"),
        Release(LAPLACE, 5.0, 1.0, 0.05),
        Release(LAPLACE, 9.0, norm="l1"),
    ],
)
def test_larger_groups_cost_more_and_almost_certain_draws_what_unsampled_ones_do(release):
    costs = [group_epsilon({release: 40}, DELTA, size) for size in (1, 2, 3, 4)]
    assert costs == sorted(costs)
    assert costs[1] > costs[0] * 1.5
    certain = Release(release.mechanism, release.noise_multiplier, 1.0, 1 - 1e-12, release.norm)
    always = Release(release.mechanism, release.noise_multiplier, 1.0, 1.0, release.norm)
    assert group_epsilon({certain: 4}, DELTA, 3) == pytest.approx(group_epsilon({always: 4}, DELTA, 3), rel=0.01)


def test_mixed_ledgers_and_nothing_released():
    mixed = {Release(GAUSSIAN, 2.0, 1.0, 0.05): 40, Release(GAUSSIAN, 20.0): 3}
    assert group_epsilon(mixed, DELTA, 2) > group_epsilon({Release(GAUSSIAN, 2.0, 1.0, 0.05): 40}, DELTA, 2)
    with_laplace = {**mixed, Release(LAPLACE, 30.0, norm="l1"): 3}
    assert group_epsilon(with_laplace, DELTA, 2) > group_epsilon(mixed, DELTA, 2)
    assert group_epsilon({}, DELTA, 5) == 0.0
    assert group_epsilon({Release(GAUSSIAN, 0.0): 1}, DELTA, 5) == math.inf


def test_errors():
    events = {Release(GAUSSIAN, 1.0): 1}
    with pytest.raises(ConfigError, match="at least 1 unit, but the size of a group is 0"):
        group_epsilon(events, DELTA, 0)
    for unit in ("none", "client"):
        with pytest.raises(ConfigError, match=f"No person has 2 units in one client where the privacy unit is {unit}"):
            group_epsilon(events, DELTA, 2, unit)
    with pytest.raises(ConfigError, match="delta must lie between 0 and 1"):
        group_epsilon(events, 0.0, 2)
