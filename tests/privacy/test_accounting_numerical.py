"""Bounds against truth: exact Gaussians with many digits, and privacy-loss distributions of Laplace noise by FFT."""

import math

import mpmath
import numpy as np
import pytest

from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.ledger import Release

DELTA = 1e-5


def exact_delta(epsilon, mu):
    """Balle and Wang 2018, Theorem 8, with as many digits as its cancellation needs."""
    with mpmath.workdps(60):
        epsilon, mu = mpmath.mpf(epsilon), mpmath.mpf(mu)
        upper = mpmath.erfc((epsilon / mu - mu / 2) / mpmath.sqrt(2)) / 2
        lower = mpmath.erfc((epsilon / mu + mu / 2) / mpmath.sqrt(2)) / 2
        return upper - mpmath.exp(epsilon) * lower


@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-9, 1e-30])
@pytest.mark.parametrize("mu", [1e-6, 1e-3, 0.1, 1.0, 7.0, 50.0, 1e3, 1.4e3])
def test_gaussian_epsilon_is_exact_and_never_rounded_below(mu, delta):
    epsilon = gaussian_epsilon(mu, delta)
    assert exact_delta(epsilon, mu) <= delta
    if epsilon > 0:
        assert exact_delta(epsilon * (1 - 1e-6), mu) > delta
    else:
        assert exact_delta(0, mu) <= delta


@pytest.mark.parametrize("mu", [1e-20, 1e-12, 1e-8])
def test_a_tiny_mu_is_rounded_up(mu):
    for delta in (1e-30, 1e-300):
        assert gaussian_epsilon(mu, delta) == gaussian_epsilon(1e-7, delta) < 1e-5
    assert gaussian_epsilon(mu, 1e-5) == 0.0


@pytest.mark.parametrize(("z", "count"), [(1.0, 1), (1.0, 40), (8.0, 100), (0.03, 1), (0.5, 2000)])
@pytest.mark.parametrize("delta", [1e-3, 1e-9])
def test_sampling_almost_everyone_is_not_sampling(z, count, delta):
    """The distribution's epsilon is never below the exact one, also where epsilon is in the thousands."""
    sampled = client_epsilon({Release("GaussianMechanism", z, 1.0, 1 - 1e-12): count}, delta)
    exact = client_epsilon({Release("GaussianMechanism", z): count}, delta)
    assert exact * (1 - 1e-9) <= sampled <= exact * 1.002


def spread(losses, probabilities, step, offset, size):
    """Put probabilities on a grid of losses, shared between both neighbours so that the mean stays."""
    position = losses / step + offset
    below = np.floor(position).astype(int)
    part = position - below
    return np.bincount(below, probabilities * (1 - part), size) + np.bincount(below + 1, probabilities * part, size)


def one_coordinate(t, step):
    """Log likelihood ratios of Laplace(t, 1) to Laplace(0, 1) under the latter, and their probabilities."""
    edges = np.linspace(0, t, 2 * math.ceil(t / step) + 1)
    inside = (np.exp(-edges[:-1]) - np.exp(-edges[1:])) / 2
    losses = np.concatenate([[-t, t], edges[:-1] + edges[1:] - t])
    return losses, np.concatenate([[0.5, math.exp(-t) / 2], inside])


def convolved(parts, step):
    """The distribution of the sum of independent losses, as (losses, probabilities) on a grid."""
    reach = sum(count * np.abs(losses).max() for losses, _, count in parts)
    half = math.ceil(reach / step) + 1 + sum(count for *_, count in parts)
    size = 2 ** math.ceil(math.log2(2 * half + 1))
    spectrum = np.ones(size // 2 + 1, dtype=complex)
    for losses, probabilities, count in parts:
        own = math.ceil(np.abs(losses).max() / step) + 1
        grid = np.zeros(size)
        placed = spread(losses, probabilities, step, own, 2 * own + 1)
        grid[np.arange(-own, own + 1) % size] = placed
        spectrum *= np.fft.rfft(grid) ** count
    total = np.fft.irfft(spectrum, size)
    return np.arange(-half, half + 1) * step, np.maximum(total[np.arange(-half, half + 1) % size], 0)


def epsilon_of(losses, probabilities):
    """Smallest epsilon with ``sum (1 - e^(epsilon - loss))+ probability <= delta``."""
    low, high = 0.0, losses[-1]
    for _ in range(60):
        middle = (low + high) / 2
        if np.sum(probabilities * -np.expm1(np.minimum(middle - losses, 0))) > DELTA:
            low = middle
        else:
            high = middle
    return high


def numerical_epsilon(shifts, count, q=1.0, step=5e-4):
    """Of ``count`` Laplace releases shifted by ``shifts`` in units of the scale, the larger of both directions."""
    ratios, base = convolved([(*one_coordinate(t, step), 1) for t in shifts if t > step], step)
    kept = base > 0
    ratios, base = ratios[kept], base[kept]
    mixture = np.logaddexp(math.log1p(-q) if q < 1 else -math.inf, math.log(q) + ratios)
    directions = [(mixture, base * np.exp(mixture)), (-mixture, base)]
    return max(epsilon_of(*convolved([(*direction, count)], step)) for direction in directions)


def test_the_convolution_is_right_in_closed_form():
    """One release in one dimension: delta = 1 - e^((epsilon - t) / 2); many tiny ones: a Gaussian."""
    assert numerical_epsilon([1.0], 1) == pytest.approx(1 + 2 * math.log1p(-DELTA), abs=1e-3)
    assert numerical_epsilon([0.02] * 50, 50) == pytest.approx(gaussian_epsilon(1.0, DELTA), rel=0.01)


def direction(dimension, seed):
    vector = np.random.default_rng(seed).standard_normal(dimension) ** 3  # some nearly along an axis
    return np.abs(vector)


@pytest.mark.parametrize("q", [0.02, 0.3, 1.0])
@pytest.mark.parametrize(("t", "count"), [(0.1, 300), (0.5, 20), (2.0, 3)])
@pytest.mark.parametrize("dimension", [1, 2, 10])
@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_bounds_are_never_below_the_numerical_epsilon(norm, dimension, t, count, q):
    bound = client_epsilon({Release("LaplaceMechanism", 1 / t, 1.0, q, norm): count}, DELTA)
    directions = [np.ones(dimension), direction(dimension, 0)] if dimension > 1 else [np.ones(1)]
    order = {"l1": 1, "l2": 2}[norm]
    truths = [numerical_epsilon(t * v / np.linalg.norm(v, order), count, q) for v in directions]
    assert max(truths) <= bound + 1e-3
    if norm == "l1" and dimension == 1:
        assert bound <= truths[0] * 1.005 + 1e-3  # exact but for its grid
    if norm == "l2" and dimension == 10 and t < 1:
        assert bound < 2 * max(truths)  # near its worst direction the bound is not far away
