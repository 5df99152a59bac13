"""Renyi divergences of one release: other libraries' curves, and quadrature of the definition."""

import math

import numpy as np
import pytest
from dp_accounting import GaussianDpEvent, LaplaceDpEvent, PoissonSampledDpEvent
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st
from opacus.accountants.analysis.rdp import compute_rdp
from scipy.integrate import quad

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.rdp_curves import ORDERS, SAMPLED_ORDERS, grid_rdp, pure_epsilon, rdp, shift

INTEGERS = np.array([2.0, 3.0, 5.0, 8.0, 16.0, 33.0, 64.0, 256.0])
FRACTIONS = np.array([1.02, 1.3, 1.5, 1.9, 2.5, 7.2, 100.7])
RATES = [1e-4, 0.01, 0.1, 0.5, 0.99]


def theirs(event, orders):
    accountant = RdpAccountant(orders.tolist())
    accountant.compose(event)
    return np.array(accountant._rdp)


@pytest.mark.parametrize("z", [0.3, 1.0, 4.0, 30.0])
def test_gaussian_equals_dp_accounting(z):
    orders = np.concatenate([INTEGERS, FRACTIONS])
    ours = rdp(Release("GaussianMechanism", 2 * z, 2.0), orders)
    assert ours == pytest.approx(theirs(GaussianDpEvent(z), orders), rel=1e-9)
    assert (ours == rdp(Release("GaussianMechanism", z, norm="l1"), orders)).all()
    assert (ours == rdp(Release("LaplaceMechanism", z), orders)).all()


@pytest.mark.parametrize("z", [0.3, 1.0, 4.0, 30.0])
def test_laplace_under_l1_clipping_equals_dp_accounting(z):
    orders = np.concatenate([INTEGERS, FRACTIONS])
    ours = rdp(Release("LaplaceMechanism", 3 * z, 3.0, norm="l1"), orders)
    assert ours == pytest.approx(theirs(LaplaceDpEvent(z), orders), rel=1e-9)


@pytest.mark.parametrize("q", RATES)
@pytest.mark.parametrize("z", [0.5, 1.0, 4.0])
def test_sampled_gaussian_equals_dp_accounting_and_opacus(z, q):
    release = Release("GaussianMechanism", z, sampling_rate=q)
    ours = rdp(release, INTEGERS)
    assert ours == pytest.approx(theirs(PoissonSampledDpEvent(q, GaussianDpEvent(z)), INTEGERS), rel=1e-6, abs=1e-12)
    opacus = compute_rdp(q=q, noise_multiplier=z, steps=1, orders=[int(order) for order in INTEGERS])
    assert ours == pytest.approx(opacus, rel=1e-6, abs=1e-12)
    assert (ours == rdp(Release("LaplaceMechanism", z, sampling_rate=q), INTEGERS)).all()


@pytest.mark.parametrize("q", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("z", [1.0, 4.0])
def test_sampled_gaussian_between_integers_is_at_least_the_divergence(z, q):
    """Exactly, the divergence is what Opacus sums as a series at fractional orders."""
    ours = rdp(Release("GaussianMechanism", z, sampling_rate=q), FRACTIONS)
    exact = np.array(compute_rdp(q=q, noise_multiplier=z, steps=1, orders=FRACTIONS.tolist()))
    assert (ours >= exact * (1 - 1e-9)).all()
    assert (ours[3:] <= exact[3:] * 1.2).all()  # a chord is close; below 1.5 it is up to twice as much


def sampled_laplace_divergence(alpha, t, q, reverse):
    """Between Laplace(0, 1) and its mixture with Laplace(t, 1), from the definition."""

    def integrand(x):
        p = 0.5 * math.exp(-abs(x))
        mixture = (1 - q) * p + q * 0.5 * math.exp(-abs(x - t))
        return p**alpha * mixture ** (1 - alpha) if reverse else mixture**alpha * p ** (1 - alpha)

    total = sum(quad(integrand, *piece, epsabs=0, epsrel=1e-11)[0] for piece in [(-40, 0), (0, t), (t, t + 40)])
    return math.log(total) / (alpha - 1)


@pytest.mark.parametrize("q", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("t", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("alpha", [1.2, 2.0, 3.0, 5.5, 12.0])
def test_sampled_laplace_in_one_dimension(alpha, t, q):
    forward, reverse = (sampled_laplace_divergence(alpha, t, q, which) for which in (False, True))
    assert forward >= reverse * (1 - 1e-8) - 1e-12
    l1, l2 = (rdp(Release("LaplaceMechanism", 1 / t, 1.0, q, norm), np.array([alpha]))[0] for norm in ("l1", "l2"))
    assert l1 <= l2 * (1 + 1e-12)
    assert l1 >= forward * (1 - 1e-7)
    if alpha.is_integer():
        assert l1 == pytest.approx(forward, rel=1e-7)


def ratio_nodes(t):
    """Likelihood ratios of Laplace(t, 1) to Laplace(0, 1) and their probabilities, as a quadrature rule."""
    if t == 0:
        return np.array([1.0]), np.array([1.0])
    nodes, weights = np.polynomial.legendre.leggauss(80)
    x = t * (nodes + 1) / 2
    ratios = np.concatenate([[np.exp(-t), np.exp(t)], np.exp(2 * x - t)])
    return ratios, np.concatenate([[0.5, np.exp(-t) / 2], weights * t / 4 * np.exp(-x)])


@settings(max_examples=30, deadline=None)
@given(angle=st.floats(0, math.pi / 2), t=st.floats(0.05, 3), q=st.floats(0.001, 1), alpha=st.floats(1.1, 20))
def test_sampled_laplace_in_two_dimensions(angle, t, q, alpha):
    for norm, order in (("l2", 2), ("l1", 1)):
        direction = np.array([math.cos(angle), math.sin(angle)])
        first, second = (ratio_nodes(x) for x in t * direction / np.linalg.norm(direction, order))
        mixture = 1 - q + q * np.outer(first[0], second[0])
        weights = np.outer(first[1], second[1])
        bound = rdp(Release("LaplaceMechanism", 1 / t, 1.0, q, norm), np.array([alpha]))[0]
        for exponent in (alpha, 1 - alpha):
            exact = math.log(np.sum(weights * mixture**exponent)) / (alpha - 1)
            assert bound >= exact * (1 - 1e-7) - 1e-9


@given(
    direction=st.lists(st.floats(-1, 1), min_size=1, max_size=50).filter(lambda d: np.linalg.norm(d) > 1e-3),
    alpha=st.floats(1.01, 200),
    t=st.floats(0.01, 20),
)
def test_many_laplace_coordinates_are_within_both_curves(direction, alpha, t):
    """Divergences of independent coordinates add, whatever the direction of a shift of this norm."""
    for norm, order in (("l2", 2), ("l1", 1)):
        shifts = np.abs(np.array(direction)) / np.linalg.norm(direction, order) * t
        coordinates = (Release("LaplaceMechanism", 1.0, x, norm="l1") for x in shifts if x > 0)
        total = sum(rdp(coordinate, np.array([alpha]))[0] for coordinate in coordinates)
        assert total <= rdp(Release("LaplaceMechanism", 1 / t, norm=norm), np.array([alpha]))[0] * (1 + 1e-6)


def test_the_l2_curve_is_nearly_met_in_high_dimension():
    """So no smaller bound would be right: the shift spreads over many coordinates."""
    dimension = 10**6
    one = rdp(Release("LaplaceMechanism", math.sqrt(dimension), norm="l1"), np.array([2.0]))[0]
    assert dimension * one == pytest.approx(rdp(Release("LaplaceMechanism", 1.0), np.array([2.0]))[0], rel=2e-3)


def test_the_inequality_behind_the_reverse_direction():
    ratio = np.exp(np.linspace(1e-3, 8, 60))[:, None, None]
    q = np.array([1e-4, 0.01, 0.2, 0.5, 0.9, 1.0])[None, :, None]
    beta = np.array([0.5, 0.51, 0.8, 1.5, 4.0, 20.0])[None, None, :]
    a, b = 1 - q + q * ratio, 1 - q + q / ratio
    left = np.sqrt(a) * np.sinh(beta * np.log(a))
    right = ratio * np.sqrt(b) * np.sinh(beta * np.log(1 / b))
    assert (left >= right * (1 - 1e-9)).all()
    assert left[..., 0] == pytest.approx(right[..., 0], rel=1e-9)  # equality at beta = 1/2
    low = np.sqrt(a) * np.sinh(0.3 * np.log(a)) - ratio * np.sqrt(b) * np.sinh(0.3 * np.log(1 / b))
    assert (low < 0).any()  # it needs beta >= 1/2, so the comparison above can fail


@settings(max_examples=30, deadline=None)
@given(
    z=st.floats(1e-3, 1e3),
    q=st.floats(1e-8, 1),
    mechanism=st.sampled_from(["GaussianMechanism", "LaplaceMechanism"]),
    norm=st.sampled_from(["l1", "l2"]),
)
def test_curves_are_finite_increasing_and_within_the_unsampled_one(z, q, mechanism, norm):
    sampled = grid_rdp(Release(mechanism, z, 1.0, q, norm), True)
    plain = grid_rdp(Release(mechanism, z, 1.0, 1.0, norm), True)
    assert np.isfinite(sampled).all()
    assert (sampled >= 0).all()
    assert (sampled <= plain * (1 + 1e-9)).all()
    assert (grid_rdp(Release(mechanism, z * 1.1, 1.0, q, norm), True) <= sampled * (1 + 1e-9) + 1e-15).all()
    assert (grid_rdp(Release(mechanism, z, 1.0, q / 2, norm), True) <= sampled * (1 + 1e-9)).all()


def test_tiny_divergences_do_not_cancel():
    """To leading order it is ``alpha q^2 (e^(t^2) - 1) / 2``, here 10^-18, far below the rounding of 1."""
    q, z = 1e-6, 1e3
    ours = rdp(Release("GaussianMechanism", z, 1.0, q), np.array([2.0, 16.0]))
    assert ours == pytest.approx(np.array([2.0, 16.0]) * q**2 * math.expm1(z**-2) / 2, rel=1e-4)


@pytest.mark.parametrize("t", [1e-9, 0.1, 1.0, 29.0, 31.0, 600.0, 5000.0])
@pytest.mark.parametrize("q", [1e-3, 0.5, 1.0])
def test_pure_epsilon(t, q):
    ours = pure_epsilon(Release("LaplaceMechanism", 1 / t, 1.0, q, "l1"))
    if t < 700:
        assert ours == pytest.approx(math.log1p(q * math.expm1(t)), rel=1e-9)
    else:
        assert ours == pytest.approx(t + math.log(q), rel=1e-9)
    assert pure_epsilon(Release("LaplaceMechanism", 1 / t, 1.0, q, "l2")) == math.inf
    assert pure_epsilon(Release("GaussianMechanism", 1 / t, 1.0, q, "l1")) == math.inf


def test_no_noise_nothing_to_hide_and_unknown_noise():
    assert np.isinf(rdp(Release("GaussianMechanism", 0.0), ORDERS)).all()
    assert np.isinf(rdp(Release("LaplaceMechanism", 0.0, 1.0, 0.1), SAMPLED_ORDERS)).all()
    assert pure_epsilon(Release("LaplaceMechanism", 0.0, norm="l1")) == math.inf
    for nothing in (Release("GaussianMechanism", 0.0, 0.0), Release("LaplaceMechanism", 1.0, 1.0, 0.0, "l1")):
        assert not rdp(nothing, ORDERS).any()
        assert pure_epsilon(nothing) == 0.0
    with pytest.raises(ConfigError, match="No bound is known here for the noise of Uniform"):
        shift(Release("Uniform", 1.0))
