"""From releases to epsilon: closed forms, dp-accounting's own accountant, and numerical divergences."""

import io
import json
import math

import numpy as np
import pytest
import torch
from dp_accounting import GaussianDpEvent, LaplaceDpEvent, SelfComposedDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.accounting import client_epsilon, federation_epsilon, zcdp_epsilon, zcdp_rho
from adpfl_bench.privacy.ledger import PrivacyLedger, Release

MULTIPLIERS = st.floats(0.05, 50)
SENSITIVITIES = st.floats(0.1, 2)


@given(z=MULTIPLIERS, sensitivity=SENSITIVITIES)
def test_rho_is_the_closed_form(z, sensitivity):
    for mechanism in ("GaussianMechanism", "LaplaceMechanism"):
        release = Release(mechanism, z, sensitivity)
        assert zcdp_rho(release) == pytest.approx((sensitivity / z) ** 2 / 2)


def test_no_noise_is_no_privacy():
    assert zcdp_rho(Release("GaussianMechanism", 0.0, 1.0)) == math.inf
    assert zcdp_epsilon(math.inf, 1e-5) == math.inf


def best_order(rho, delta):
    """Canonne, Kamath and Steinke 2020, Proposition 12, minimised over a fine grid of orders."""
    alpha = 1 + np.geomspace(1e-4, 1e6, 2_000_000)
    return np.min(alpha * rho + np.log1p(-1 / alpha) - np.log(delta * alpha) / (alpha - 1))


@pytest.mark.parametrize("delta", [1e-3, 1e-6])
@pytest.mark.parametrize("rho", [1e-4, 1e-2, 0.5, 3.0, 40.0, 2e4, 5e5])
def test_conversion_meets_the_best_order(rho, delta):
    ours, best = zcdp_epsilon(rho, delta), best_order(rho, delta)
    bun_and_steinke = rho + 2 * math.sqrt(rho * math.log(1 / delta))
    assert ours <= bun_and_steinke * 1.005
    assert ours >= best * (1 - 1e-9)  # never promises more than the proof
    assert ours == pytest.approx(best, rel=1e-4 if rho < 1e5 else 1e-2)


def test_conversion_does_not_fall_below_what_a_gaussian_really_has():
    """The privacy-loss distribution of composed Gaussians gives the exact epsilon, a lower bound for any proof."""
    for z, count in ((1.0, 1), (4.0, 25), (0.5, 3)):
        exact = PLDAccountant().compose(SelfComposedDpEvent(GaussianDpEvent(z), count)).get_epsilon(1e-5)
        ours = client_epsilon({Release("GaussianMechanism", z, 1.0): count}, 1e-5)
        assert exact < ours < 1.25 * exact


@pytest.mark.parametrize(("z", "count"), [(1.0, 1), (1.0, 30), (8.0, 100), (0.4, 5)])
@pytest.mark.parametrize("sensitivity", [1.0, 2.0])
def test_gaussian_equals_dp_accounting(z, count, sensitivity):
    accountant = RdpAccountant().compose(SelfComposedDpEvent(GaussianDpEvent(z / sensitivity), count))
    ours = client_epsilon({Release("GaussianMechanism", z, sensitivity): count}, 1e-5)
    assert ours == pytest.approx(accountant.get_epsilon(1e-5), rel=5e-3)
    assert ours <= accountant.get_epsilon(1e-5) * (1 + 1e-9)  # our orders are denser


def test_laplace_in_one_dimension_has_at_least_its_exact_epsilon():
    for z, count in ((1.0, 1), (4.0, 25), (10.0, 200)):
        exact = PLDAccountant().compose(SelfComposedDpEvent(LaplaceDpEvent(z), count)).get_epsilon(1e-5)
        assert exact < client_epsilon({Release("LaplaceMechanism", z, 1.0): count}, 1e-5)


def laplace_divergence(alpha, t):
    """Renyi divergence of Laplace(t, 1) from Laplace(0, 1), by quadrature of the definition."""
    largest = (alpha - 1) * t  # of the exponent; taken out, so that nothing overflows

    def integrand(x):
        return 0.5 * math.exp((alpha - 1) * abs(x) - alpha * abs(x - t) - largest)

    pieces = [(-math.inf, 0), (0, t), (t, math.inf)]
    total = sum(quad(integrand, *piece, epsabs=0, limit=200)[0] for piece in pieces)
    return (math.log(total) + largest) / (alpha - 1)


def mironov(alpha, t):
    """The same in closed form (Mironov 2017, arXiv 1702.07476, Table II)."""
    first = np.log(alpha / (2 * alpha - 1)) + (alpha - 1) * t
    second = np.log((alpha - 1) / (2 * alpha - 1)) - alpha * t
    return np.logaddexp(first, second) / (alpha - 1)


@pytest.mark.parametrize("alpha", [1.01, 1.5, 2.0, 4.0, 16.0, 128.0])
@pytest.mark.parametrize("t", [1e-2, 0.1, 0.5, 1.0, 3.0, 20.0])
def test_one_laplace_coordinate_is_within_the_gaussian_curve(alpha, t):
    divergence = laplace_divergence(alpha, t)
    assert divergence == pytest.approx(mironov(alpha, t), rel=1e-5, abs=1e-12)
    assert 0 < divergence <= alpha * t**2 / 2 * (1 + 1e-9)


def test_the_bound_holds_on_a_fine_grid():
    alpha = 1 + np.geomspace(1e-3, 1e4, 400)[:, None]
    t = np.geomspace(1e-3, 1e3, 400)[None]
    divergence = mironov(alpha, t)
    assert (divergence <= alpha * t**2 / 2 * (1 + 1e-6) + 1e-9).all()


@given(
    direction=st.lists(st.floats(-1, 1), min_size=1, max_size=50).filter(lambda d: np.linalg.norm(d) > 1e-3),
    alpha=st.floats(1.01, 200),
    norm=st.floats(0.01, 20),
)
def test_many_laplace_coordinates_are_within_the_gaussian_curve(direction, alpha, norm):
    """Divergences of independent coordinates add, whatever the direction of a shift with this L2 norm."""
    shifts = np.abs(np.array(direction) / np.linalg.norm(direction) * norm)
    total = sum(mironov(alpha, shift) for shift in shifts if shift > 0)
    assert total <= alpha * norm**2 / 2 * (1 + 1e-6) + 1e-6


def test_the_bound_is_nearly_met_in_high_dimension():
    """So no smaller bound would be right: the shift spreads over many coordinates."""
    alpha, norm, dimension = 2.0, 1.0, 10**6
    total = dimension * mironov(alpha, norm / math.sqrt(dimension))
    assert total == pytest.approx(alpha * norm**2 / 2, rel=1e-3)


@given(
    entries=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([0.5, 1.0, 4.0]), st.integers(0, 3)), max_size=12
    )
)
def test_epsilon_never_decreases_and_is_the_largest_of_the_clients(entries):
    ledger, before, rho = PrivacyLedger(), 0.0, {}
    for client, z, count in entries:
        ledger.add(client, Release("LaplaceMechanism", z, 2.0), count)
        rho[client] = rho.get(client, 0.0) + count * 2 / z**2
        now = federation_epsilon(ledger, 1e-4)
        assert now >= before
        worst = max(rho.values())
        assert now == pytest.approx(zcdp_epsilon(worst, 1e-4) if worst else 0.0)
        before = now


def test_nothing_released_costs_nothing():
    assert federation_epsilon(PrivacyLedger(), 1e-5) == 0.0
    assert client_epsilon({}, 1e-5) == 0.0


def test_ledger_counts_by_client_and_release():
    ledger = PrivacyLedger()
    strong, weak = Release("GaussianMechanism", 4.0, 1.0), Release("GaussianMechanism", 1.0, 1.0)
    ledger.add("b", strong)
    ledger.add("b", strong, 2)
    ledger.add("a", weak)
    assert ledger.clients() == ("a", "b")
    assert ledger.events("b") == {strong: 3}
    assert ledger.events("c") == {}
    ledger.events("b")[strong] = 0
    assert ledger.events("b") == {strong: 3}
    assert federation_epsilon(ledger, 1e-5) == client_epsilon({weak: 1}, 1e-5)
    with pytest.raises(ConfigError, match="only grows, but -1 releases of client a"):
        ledger.add("a", weak, -1)


def test_ledger_round_trip():
    ledger = PrivacyLedger()
    ledger.add("a", Release("LaplaceMechanism", 0.25, 2.0), 7)
    ledger.add("a", Release("GaussianMechanism", 1.5, 1.0))
    ledger.add("b", Release("GaussianMechanism", 1.5, 1.0), 2)
    file = io.BytesIO()
    torch.save(ledger.state_dict(), file)
    file.seek(0)
    for state in (torch.load(file, weights_only=True), json.loads(json.dumps(ledger.state_dict()))):
        restored = PrivacyLedger()
        restored.load_state_dict(state)
        assert restored.state_dict() == ledger.state_dict()
        assert all(restored.events(client) == ledger.events(client) for client in "ab")
        restored.add("b", Release("GaussianMechanism", 1.5, 1.0))
        assert restored.events("b") == {Release("GaussianMechanism", 1.5, 1.0): 3}
