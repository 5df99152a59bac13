"""From a budget to noise or rounds: the budget is used up and never exceeded."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.calibration import affordable_rounds, solve_noise_multiplier
from adpfl_bench.privacy.ledger import Release
from tests.effort import THOROUGH

KINDS = [
    ("GaussianMechanism", 1.0, "l2"),
    ("GaussianMechanism", 0.05, "l2"),
    ("LaplaceMechanism", 1.0, "l2"),
    ("LaplaceMechanism", 1.0, "l1"),
    ("LaplaceMechanism", 0.05, "l1"),
    ("LaplaceMechanism", 0.05, "l2"),
]


def plan(kind, counts, sensitivity=2.0):
    mechanism, q, norm = kind
    return lambda z: [{Release(mechanism, z, sensitivity, q, norm): count} for count in counts]


def largest(events, delta):
    return max(client_epsilon(client, delta) for client in events)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.5, 8.0])
def test_the_target_is_met_from_below(kind, epsilon):
    planned = plan(kind, (30, 200, 120))
    z = solve_noise_multiplier(planned, epsilon, 1e-5)
    assert 0.99 * epsilon <= largest(planned(z), 1e-5) <= epsilon
    assert largest(planned(z / 1.002), 1e-5) > epsilon


def test_one_gaussian_release_in_closed_form():
    """At epsilon 1 and delta 10^-5 the analytic mechanism (Balle and Wang 2018) needs a deviation of 3.7306."""
    z = solve_noise_multiplier(lambda z: [{Release("GaussianMechanism", z): 1}], 1.0, 1e-5)
    assert 3.7306 <= z <= 3.7306 * 1.0011


@settings(max_examples=7 if THOROUGH else 4, deadline=None)
@given(
    clients=st.lists(
        st.tuples(st.sampled_from([0.01, 0.2, 1.0]), st.integers(1, 300), st.sampled_from([1.0, 2.0])),
        min_size=1,
        max_size=3,
    ),
    epsilon=st.floats(0.3, 20),
)
def test_every_client_is_within_the_target(clients, epsilon):
    def planned(z):
        return [{Release("GaussianMechanism", z, s, q): count} for q, count, s in clients]

    z = solve_noise_multiplier(planned, epsilon, 1e-6)
    assert 0.98 * epsilon <= largest(planned(z), 1e-6) <= epsilon


def test_releases_whose_noise_is_fixed_take_their_share():
    fixed = {Release("GaussianMechanism", 10.0): 30}

    def planned(z):
        return [{**fixed, Release("LaplaceMechanism", z): 30}]

    z = solve_noise_multiplier(planned, 5.0, 1e-5)
    assert client_epsilon(planned(z)[0], 1e-5) <= 5.0
    assert z > solve_noise_multiplier(lambda z: [{Release("LaplaceMechanism", z): 30}], 5.0, 1e-5)
    with pytest.raises(ConfigError, match=r"No noise multiplier up to 10000 keeps epsilon within 0\.5 at delta 1e-05"):
        solve_noise_multiplier(planned, 0.5, 1e-5)


def test_noise_that_renyi_dp_alone_would_call_insufficient():
    """A tight budget next to fixed noise: only the exact accountant proves it."""
    fixed = {Release("GaussianMechanism", 1.0): 1}
    z = solve_noise_multiplier(lambda z: [{**fixed, Release("GaussianMechanism", z): 1}], 4.4, 1e-5)
    assert client_epsilon({**fixed, Release("GaussianMechanism", z): 1}, 1e-5) <= 4.4


def test_a_generous_budget_needs_next_to_no_noise():
    planned = plan(KINDS[0], (1,))
    z = solve_noise_multiplier(planned, 1e6, 1e-5)
    assert 0.99e6 <= largest(planned(z), 1e-5) <= 1e6
    assert solve_noise_multiplier(planned, 1e14, 1e-5) == 1e-6


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.nan])
def test_a_budget_is_positive(epsilon):
    with pytest.raises(ConfigError, match=r"must be above 0, but it is"):
        solve_noise_multiplier(plan(KINDS[0], (1,)), epsilon, 1e-5)
    with pytest.raises(ConfigError, match=r"must be above 0, but it is"):
        affordable_rounds(lambda rounds: [], epsilon, 1e-5)


@pytest.mark.parametrize("nothing", [[], [{}], [{Release("GaussianMechanism", 1.0): 0}]])
def test_a_plan_releases_something(nothing):
    with pytest.raises(ConfigError, match="no client releases anything"):
        solve_noise_multiplier(lambda z: nothing, 1.0, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_affordable_rounds(kind):
    mechanism, q, norm = kind

    def planned(rounds):
        return [{Release(mechanism, 8.0, 1.0, q, norm): each * rounds} for each in (3, 1)]

    rounds = affordable_rounds(planned, 2.0, 1e-5)
    assert 0 < rounds < 1_000_000
    assert largest(planned(rounds), 1e-5) <= 2.0 < largest(planned(rounds + 1), 1e-5)
    assert affordable_rounds(planned, 2.0, 1e-5, limit=3) == 3


def test_a_budget_that_does_not_last_a_round():
    assert affordable_rounds(lambda rounds: [{Release("GaussianMechanism", 0.1): rounds}], 1.0, 1e-5) == 0
    assert affordable_rounds(lambda rounds: [], 1.0, 1e-5, limit=50) == 50
