"""From releases to epsilon: closed forms, dp-accounting's own accountants, and monotonicity."""

import math

import pytest
from dp_accounting import GaussianDpEvent, LaplaceDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant
from hypothesis import given, settings
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.accounting import (
    Accounted,
    accountant,
    client_epsilon,
    rdp_epsilon,
)
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.privacy.rdp_curves import shift
from tests.privacy.zcdp import largest_epsilon, zcdp_epsilon

GAUSSIAN, LAPLACE = "GaussianMechanism", "LaplaceMechanism"


@given(z=st.floats(0.05, 50), sensitivity=st.floats(0.1, 2))
def test_a_release_shifts_by_its_sensitivity_in_units_of_its_noise(z, sensitivity):
    for mechanism in (GAUSSIAN, LAPLACE):
        assert shift(Release(mechanism, z, sensitivity)) ** 2 / 2 == pytest.approx((sensitivity / z) ** 2 / 2)


@pytest.mark.parametrize("delta", [1e-3, 1e-6])
@pytest.mark.parametrize("rho", [1e-4, 1e-2, 0.5, 3.0, 40.0, 2e4, 5e5])
def test_conversion_meets_the_best_order(rho, delta):
    z = 1 / math.sqrt(2 * rho)
    ours, best = client_epsilon({Release(LAPLACE, z): 1}, delta), zcdp_epsilon(rho, delta)
    bun_and_steinke = rho + 2 * math.sqrt(rho * math.log(1 / delta))
    assert ours <= bun_and_steinke * 1.005
    assert ours >= best * (1 - 1e-9)  # never promises more than the proof
    assert ours == pytest.approx(best, rel=1e-4 if rho < 1e5 else 1e-2)


@pytest.mark.parametrize(("z", "count"), [(1.0, 1), (1.0, 30), (8.0, 100), (0.4, 5)])
@pytest.mark.parametrize("sensitivity", [1.0, 2.0])
def test_gaussian_is_exact_and_renyi_dp_equals_dp_accounting(z, count, sensitivity):
    event = SelfComposedDpEvent(GaussianDpEvent(z / sensitivity), count)
    exact = PLDAccountant(value_discretization_interval=1e-3).compose(event).get_epsilon(1e-5)
    renyi = RdpAccountant().compose(event).get_epsilon(1e-5)
    releases = {Release(GAUSSIAN, z, sensitivity): count}
    assert client_epsilon(releases, 1e-5) == pytest.approx(exact, rel=1e-3)
    assert rdp_epsilon(releases, 1e-5) == pytest.approx(renyi, rel=5e-3)
    assert exact < rdp_epsilon(releases, 1e-5) <= renyi * (1 + 1e-9)  # our orders are denser


@pytest.mark.parametrize(
    ("z", "q", "count"),
    [(1.0, 0.01, 1000), (4.0, 0.1, 1000), (0.5, 0.1, 100), (0.5, 0.9, 3), (2.0, 0.001, 1000), (50.0, 0.5, 10**5)],
)
def test_sampled_gaussian_equals_dp_accounting(z, q, count):
    event = SelfComposedDpEvent(PoissonSampledDpEvent(q, GaussianDpEvent(z)), count)
    interval = 1e-4 if z > 0.5 else 1e-3
    numerical = PLDAccountant(value_discretization_interval=interval).compose(event).get_epsilon(1e-5)
    releases = {Release(GAUSSIAN, 2 * z, 2.0, q): count}
    assert accountant(releases) == "PLD"
    assert client_epsilon(releases, 1e-5) == pytest.approx(numerical, rel=0.01)
    assert client_epsilon(releases, 1e-5) < rdp_epsilon(releases, 1e-5)


def test_sampled_and_unsampled_gaussians_compose():
    releases = {Release(GAUSSIAN, 1.0, 1.0, 0.01): 500, Release(GAUSSIAN, 20.0): 9, Release(GAUSSIAN, 3.0, 2.0, 0.2): 4}
    numerical = (
        PLDAccountant(value_discretization_interval=1e-3)
        .compose(SelfComposedDpEvent(PoissonSampledDpEvent(0.01, GaussianDpEvent(1.0)), 500))
        .compose(SelfComposedDpEvent(GaussianDpEvent(20.0), 9))
        .compose(SelfComposedDpEvent(PoissonSampledDpEvent(0.2, GaussianDpEvent(1.5)), 4))
    )
    assert client_epsilon(releases, 1e-6) == pytest.approx(numerical.get_epsilon(1e-6), rel=0.01)


@pytest.mark.parametrize("q", [0.01, 0.2, 1.0])
@pytest.mark.parametrize(("z", "count"), [(0.5, 3), (1.0, 20), (8.0, 400)])
def test_laplace_in_one_dimension_has_at_least_its_numerical_epsilon(z, count, q):
    event = LaplaceDpEvent(z) if q == 1 else PoissonSampledDpEvent(q, LaplaceDpEvent(z))
    numerical = PLDAccountant().compose(SelfComposedDpEvent(event, count)).get_epsilon(1e-5)
    l1, l2 = (client_epsilon({Release(LAPLACE, z, 1.0, q, norm): count}, 1e-5) for norm in ("l1", "l2"))
    assert numerical <= l1 * (1 + 1e-3)
    assert l1 <= l2 * (1 + 1e-9)


def test_the_pure_bound_counts_where_it_is_smaller():
    assert client_epsilon({Release(LAPLACE, 2.0, norm="l1"): 1}, 1e-9) == pytest.approx(0.5)
    sampled = {Release(LAPLACE, 2.0, 1.0, 0.1, "l1"): 2}
    assert client_epsilon(sampled, 1e-12) == pytest.approx(2 * math.log1p(0.1 * math.expm1(0.5)))
    many = {Release(LAPLACE, 2.0, norm="l1"): 400}
    assert rdp_epsilon(many, 1e-5) < 200
    mixed = {Release(LAPLACE, 2.0, norm="l1"): 1, Release(GAUSSIAN, 100.0): 1}
    assert client_epsilon(mixed, 1e-9) > 0.5  # no pure bound next to a Gaussian


@pytest.mark.parametrize(
    ("releases", "name"),
    [
        ([], "Gaussian DP"),
        ([Release(GAUSSIAN, 1.0), Release(GAUSSIAN, 2.0, 2.0)], "Gaussian DP"),
        ([Release(GAUSSIAN, 1.0, norm="l1")], "Gaussian DP"),
        ([Release(GAUSSIAN, 1.0), Release(GAUSSIAN, 2.0, 2.0, 0.1)], "PLD"),
        ([Release(GAUSSIAN, 0.005, 1.0, 0.5)], "RDP"),
        ([Release(LAPLACE, 1.0)], "zCDP"),
        ([Release(LAPLACE, 1.0), Release(GAUSSIAN, 1.0)], "zCDP"),
        ([Release(LAPLACE, 1.0, norm="l1")], "PLD"),
        ([Release(LAPLACE, 2.0, 1.0, 0.1, "l1"), Release(GAUSSIAN, 1.0), Release(GAUSSIAN, 1.0, 1.0, 0.3)], "PLD"),
        ([Release(LAPLACE, 1e-4, norm="l1")], "RDP"),
        ([Release(LAPLACE, 1.0), Release(LAPLACE, 1.0, norm="l1")], "RDP"),
        ([Release(LAPLACE, 1.0, 1.0, 0.5)], "RDP"),
        ([Release(LAPLACE, 1.0), Release(GAUSSIAN, 1.0, 1.0, 0.5)], "RDP"),
    ],
)
def test_names_of_accountants(releases, name):
    events = dict.fromkeys(releases, 2)
    assert accountant(events) == name
    if name in ("RDP", "zCDP"):
        assert client_epsilon(events, 1e-5) == rdp_epsilon(events, 1e-5)
    assert accountant({**events, Release(LAPLACE, 5.0, 1.0, 0.5): 0}) == name  # what was never made does not count


def test_more_releases_than_a_distribution_is_computed_for_are_left_to_renyi_dp():
    release = Release(LAPLACE, 100.0, 1.0, 1e-5, "l1")
    assert (accountant({release: 10**6}), accountant({release: 10**6 + 1})) == ("PLD", "RDP")
    assert client_epsilon({release: 10**6 + 1}, 1e-5) == rdp_epsilon({release: 10**6 + 1}, 1e-5)


def test_a_delta_near_rounding_is_left_to_renyi_dp():
    events = {Release(GAUSSIAN, 1.0, 1.0, 0.1): 10}
    assert (accountant(events, 1e-9), accountant(events, 1e-11)) == ("PLD", "RDP")
    assert client_epsilon(events, 1e-11) == rdp_epsilon(events, 1e-11)


@settings(max_examples=25, deadline=None)
@given(
    mechanism=st.sampled_from([GAUSSIAN, LAPLACE]),
    norm=st.sampled_from(["l1", "l2"]),
    z=st.floats(0.3, 20),
    q=st.sampled_from([0.003, 0.05, 0.5, 1.0]),
    count=st.integers(1, 2000),
    delta=st.floats(1e-8, 1e-2),
)
def test_less_noise_more_sampling_more_releases_and_smaller_delta_never_cost_less(mechanism, norm, z, q, count, delta):
    epsilon = client_epsilon({Release(mechanism, z, 1.0, q, norm): count}, delta)
    pld = accountant({Release(mechanism, z, 1.0, q, norm): count}) == "PLD"
    grid = 1.005 if pld else 1 + 1e-9  # its grid depends on z and q
    assert client_epsilon({Release(mechanism, z * 0.9, 1.0, q, norm): count}, delta) * grid >= epsilon
    assert client_epsilon({Release(mechanism, z, 1.0, min(1.0, q * 1.2), norm): count}, delta) * grid >= epsilon
    assert client_epsilon({Release(mechanism, z, 1.0, q, norm): count + 1}, delta) >= epsilon * (1 - 1e-6)
    assert client_epsilon({Release(mechanism, z, 1.0, q, norm): count}, delta * 0.8) >= epsilon * (1 - 1e-6)


@settings(max_examples=50)
@given(
    entries=st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([0.5, 1.0, 4.0]), st.integers(0, 3)), max_size=12
    )
)
def test_epsilon_never_decreases_and_is_the_largest_of_the_clients(entries):
    ledger, before, rho = PrivacyLedger(), 0.0, {}
    for client, z, count in entries:
        ledger.add(client, Release(LAPLACE, z, 2.0), count)
        rho[client] = rho.get(client, 0.0) + count * 2 / z**2
        now = largest_epsilon(ledger, 1e-4)
        assert now >= before
        worst = max(rho.values())
        assert now == pytest.approx(zcdp_epsilon(worst, 1e-4), rel=1e-4)
        before = now


def test_nothing_released_costs_nothing_and_no_noise_is_no_privacy():
    assert largest_epsilon(PrivacyLedger(), 1e-5) == 0.0
    assert client_epsilon({}, 1e-5) == 0.0
    assert client_epsilon({Release(GAUSSIAN, 0.0): 0, Release(LAPLACE, 0.0, 1.0, 0.0): 5}, 1e-5) == 0.0
    assert shift(Release(GAUSSIAN, 0.0)) == math.inf
    for release in (Release(GAUSSIAN, 0.0), Release(GAUSSIAN, 0.0, 1.0, 0.1), Release(LAPLACE, 0.0, norm="l1")):
        assert client_epsilon({release: 1, Release(LAPLACE, 1.0): 1}, 1e-5) == math.inf
        assert client_epsilon({release: 1}, 1e-5) == rdp_epsilon({release: 1}, 1e-5) == math.inf


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("mechanism", [GAUSSIAN, LAPLACE])
@pytest.mark.parametrize("z", [1e-300, 1e-31, 1e-29, 1e-8, 1e-6, 1e-4, 1e-3, 1e20, 1e300])
def test_epsilon_is_a_number_or_infinite_however_small_the_noise_and_many_the_releases(z, mechanism, norm):
    for q in (1.0, 1 - 1e-12, 0.5, 1e-8, 1e-200):
        before = 0.0
        for count in (1, 10**9, 10**18):
            epsilon = client_epsilon({Release(mechanism, z, 1.0, q, norm): count}, 1e-5)
            assert epsilon >= before  # NaN would not be
            assert epsilon <= client_epsilon({Release(mechanism, z, 1.0, q, norm): count}, 1e-300)
            before = epsilon
        assert (before == math.inf) == (z < 1e-30)
    assert client_epsilon({Release(GAUSSIAN, 1e-31): 1, Release(LAPLACE, 1.0): 1}, 1e-5) == math.inf


def test_errors():
    for delta in (0.0, 1.0, -1e-5, math.nan):
        with pytest.raises(ConfigError, match="delta must lie between 0 and 1"):
            client_epsilon({Release(GAUSSIAN, 1.0): 1}, delta)
    with pytest.raises(ConfigError, match="No bound is known here for the noise of Uniform"):
        client_epsilon({Release("Uniform", 1.0): 1}, 1e-5)


def test_a_record_may_leave_the_accountant_out():
    assert Accounted(None, 1e-5, "why") == Accounted(None, 1e-5, "why", accountant=None, not_covered=())
