"""The bound on mu of one run: the published recursion, distributions that must not be refuted, and coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.audit.one_run import audit, epsilon_lower_bound, mu_lower_bound, refutes_gaussian_dp
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon


def as_published(m, guesses, correct, mu, threshold):
    """With arrays, as in the paper's appendix, for two values of a coin."""
    r, h = np.zeros(correct + 1), np.zeros(correct + 1)
    r[correct], h[correct] = threshold * correct / m, threshold * (guesses - correct) / m
    for i in range(correct - 1, -1, -1):
        inverse = stats.norm.cdf(stats.norm.ppf(min(r[i + 1], 1.0)) - mu)
        h[i] = max(h[i + 1], inverse)
        r[i] = r[i + 1] + i / (guesses - i) * (h[i] - h[i + 1])
    return r[0] + h[0] > guesses / m


@given(
    numbers=st.integers(1, 40).flatmap(lambda m: st.tuples(st.just(m), st.integers(1, m))),
    share=st.floats(0, 1),
    mu=st.floats(0, 5),
    error=st.sampled_from([0.001, 0.05, 0.3]),
)
def test_the_recursion_is_the_published_one(numbers, share, mu, error):
    m, guesses = numbers
    correct = round(share * guesses)
    assert refutes_gaussian_dp(m, guesses, correct, mu, error) == as_published(m, guesses, correct, mu, error)


@settings(max_examples=60)
@given(
    masses=st.lists(st.floats(-12, 0), min_size=2, max_size=9),
    idle=st.integers(0, 5),
)
def test_no_distribution_of_right_guesses_that_f_dp_allows_is_refuted(masses, idle):
    """The smallest mu at which all of its inequalities hold, and its own tails: the recursion must not exclude them."""
    p = np.exp(masses) / np.sum(np.exp(masses))
    guesses = len(p) - 1
    m = guesses + idle
    counts = np.arange(guesses + 1)
    tails = np.array([p[i:].sum() for i in counts])
    right = np.array([(counts * p)[i:].sum() / m for i in counts])
    wrong = np.array([((guesses - counts) * p)[i:].sum() / m for i in counts])
    mu = max(stats.norm.ppf(right[i + 1]) - stats.norm.ppf(wrong[i]) for i in range(guesses))
    for correct in range(1, guesses + 1):
        assert not refutes_gaussian_dp(m, guesses, correct, max(mu, 0) + 1e-9, tails[correct] * (1 - 1e-9))


@pytest.mark.parametrize("mu", [0.0, 0.2, 1.0, 2.5])
@pytest.mark.parametrize("m", [1, 5, 60, 400])
def test_coverage_of_independent_gaussians_by_enumeration(m, mu):
    """Each coin seen through N(+-mu/2, 1): the number of right guesses is binomial."""
    chance = stats.norm.cdf(mu / 2)
    refuting = [v for v in range(m + 1) if refutes_gaussian_dp(m, m, v, mu, 0.05)]
    assert stats.binom.pmf(refuting, m, chance).sum() <= 0.05
    assert refuting == list(range(min(refuting, default=m + 1), m + 1))
    if mu == 0 and m >= 60:
        assert refuting  # all right by chance is not believed


def test_an_honest_run_is_seldom_contradicted_with_abstentions_and_shared_errors():
    generator = np.random.default_rng(0)
    m, mu = 60, 1.0
    found = []
    for _ in range(150):
        coins = generator.random(m) < 0.5
        evidence = mu * (coins - 0.5) + generator.standard_normal(m)
        found.append(audit(evidence, coins, 1e-5, gaussian=True).mu)
    assert np.mean(np.array(found) > mu) <= 0.05
    assert max(found) > 0  # the bound is not idle


@pytest.mark.parametrize("mu", [0.5, 1.0, 2.0, 4.0])
def test_for_gaussian_noise_it_says_more_than_the_bound_on_epsilon(mu):
    m = 1000
    correct = round(m * stats.norm.cdf(mu / 2))
    ours = gaussian_epsilon(mu_lower_bound(m, m, correct, 0.05), 1e-5)
    assert 1.5 * epsilon_lower_bound(m, m, correct, 1e-5, 0.05) < ours < gaussian_epsilon(mu, 1e-5)


def test_the_bound_is_the_largest_mu_that_is_refuted():
    mu = mu_lower_bound(300, 200, 170, 0.05)
    assert refutes_gaussian_dp(300, 200, 170, mu - 1e-5, 0.05)
    assert not refutes_gaussian_dp(300, 200, 170, mu + 1e-5, 0.05)
    assert mu_lower_bound(300, 200, 180, 0.05) > mu
    assert mu_lower_bound(300, 200, 170, 0.01) < mu
    assert mu_lower_bound(1000, 200, 170, 0.05) < mu  # those guessed about may have been chosen among more
    assert mu_lower_bound(300, 200, 100, 0.05) == 0.0
    assert mu_lower_bound(300, 200, 0, 0.05) == 0.0


def test_the_best_of_several_numbers_of_guesses_shares_the_error():
    evidence = np.linspace(-3, 3, 200)
    coins = np.where(np.abs(evidence) > 1.4, evidence > 0, np.arange(200) % 2 == 0)
    found = audit(evidence, coins, 1e-5, gaussian=True)
    assert found.tried == (40, 100, 200)
    assert found.mu == mu_lower_bound(200, 100, 100, 0.05 / 3)
    alone = audit(evidence, coins, 1e-5, guesses=100, gaussian=True)
    assert alone.mu == pytest.approx(mu_lower_bound(200, 100, 100, 0.05))
    assert audit(evidence, coins, 1e-5).mu is None


def test_errors():
    for numbers in ((10, 11, 5), (10, 5, 6), (10, 5, -1)):
        with pytest.raises(ConfigError, match="right guesses <= guesses <= canaries"):
            mu_lower_bound(*numbers, 0.05)
