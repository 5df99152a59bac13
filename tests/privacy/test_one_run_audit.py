"""The bound of an audit, by the paper's numbers, by exact enumeration and by simulation; and the attack on sums."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.audit.attack import CanaryAttack, batch_factor, linearised
from adpfl_bench.privacy.audit.one_run import audit, ceiling, epsilon_lower_bound, p_value


def test_the_number_of_the_paper():
    assert epsilon_lower_bound(1000, 100, 75, 1e-4, 0.05) == pytest.approx(0.673, abs=5e-4)


@pytest.mark.parametrize(("canaries", "highest"), [(100, 3.49), (500, 5.10)])
def test_ceilings(canaries, highest):
    assert ceiling(canaries, 1e-5, 0.95, canaries) == pytest.approx(highest, abs=5e-3)
    assert highest - 0.6 < ceiling(canaries, 1e-5, 0.95) < highest  # where three numbers of guesses share the error


def as_published(m, r, v, epsilon, delta):
    """Line by line as in the paper's Appendix D."""
    q = 1 / (1 + math.exp(-epsilon))
    beta = stats.binom.sf(v - 1, r, q)
    alpha, total = 0.0, 0.0
    for i in range(1, v + 1):
        total = total + stats.binom.pmf(v - i, r, q)
        if total > i * alpha:
            alpha = total / i
    return min(beta + alpha * delta * 2 * m, 1)


@given(
    st.integers(1, 60).flatmap(lambda m: st.tuples(st.just(m), st.integers(1, m))),
    st.floats(0, 1),
    st.floats(0, 6),
    st.sampled_from([0.0, 1e-6, 1e-3, 0.1]),
)
def test_p_value_is_that_of_the_published_code(numbers, share, epsilon, delta):
    m, r = numbers
    v = round(share * r)
    assert p_value(m, r, v, epsilon, delta) == pytest.approx(as_published(m, r, v, epsilon, delta), abs=1e-12)


def test_the_bound_is_where_the_p_value_is_the_error():
    bound = epsilon_lower_bound(300, 200, 170, 1e-4, 0.05)
    assert p_value(300, 200, 170, bound, 1e-4) == pytest.approx(0.05, rel=1e-6)


def test_the_bound_falls_with_delta_canaries_and_confidence():
    bound = epsilon_lower_bound(500, 200, 180, 1e-4, 0.05)
    assert epsilon_lower_bound(500, 200, 180, 0.0, 0.05) > bound
    assert epsilon_lower_bound(500, 200, 180, 1e-3, 0.05) < bound
    assert epsilon_lower_bound(2000, 200, 180, 1e-4, 0.05) < bound
    assert epsilon_lower_bound(500, 200, 180, 1e-4, 0.01) < bound
    assert epsilon_lower_bound(500, 200, 185, 1e-4, 0.05) > bound
    assert epsilon_lower_bound(500, 200, 100, 1e-4, 0.05) == 0


@pytest.mark.parametrize("numbers", [(10, 11, 5), (10, 5, 6), (10, 5, -1)])
def test_numbers_that_contradict_each_other_are_refused(numbers):
    with pytest.raises(ConfigError, match="right guesses <= guesses <= canaries"):
        p_value(*numbers, 1.0, 1e-5)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError, match=r"audit\.guesses must lie between 1 and audit\.canaries = 10, but it is 11"):
        ceiling(10, 1e-5, 0.95, 11)
    with pytest.raises(ConfigError, match=r"audit\.canaries must be at least 1"):
        ceiling(0, 1e-5, 0.95)


@pytest.mark.parametrize("delta", [0.0, 1e-3])
@pytest.mark.parametrize("guesses", [None, 150, 60])
def test_the_bound_exceeds_the_truth_as_seldom_as_it_says(guesses, delta):
    """Randomised response of each coin, with an answer given away with probability delta, is (epsilon, delta)-DP."""
    generator, epsilon, repetitions, bounds = np.random.default_rng(3), 1.0, 300, []
    for _ in range(repetitions):
        coins = generator.random(150) < 0.5
        given_away = generator.random(150) < delta
        truthful = given_away | (generator.random(150) < 1 / (1 + math.exp(-epsilon)))
        answers = np.where(truthful == coins, 1.0, -1.0) * (1 + given_away)
        bounds.append(audit(answers, coins, delta, 0.95, guesses, by_rank=False).epsilon)
    wrong = sum(bound > epsilon for bound in bounds)
    assert wrong <= stats.binom.isf(1e-3, repetitions, 0.05)
    # It is the honest use of the guesses that keeps it low: with the next better count it would be wrong more often.
    assert 0.3 < np.mean(bounds) < epsilon


def test_without_the_term_in_delta_the_bound_would_be_wrong():
    """A mechanism that gives every coin away with probability delta, and otherwise says nothing, is (0, delta)-DP."""
    generator, m, delta, bounds = np.random.default_rng(4), 100, 0.1, {True: [], False: []}
    for _ in range(300):
        coins = generator.random(m) < 0.5
        answers = coins if generator.random() < delta else generator.random(m) < 0.5
        evidence = np.where(answers, 1.0, -1.0)
        for counted in bounds:
            bounds[counted].append(audit(evidence, coins, delta if counted else 0.0, 0.95, m).epsilon)
    wrong = {counted: np.mean(np.array(found) > 0) for counted, found in bounds.items()}
    assert wrong[False] > 0.08
    assert wrong[True] == 0


def test_guesses_by_rank_do_not_mind_a_shift():
    generator = np.random.default_rng(0)
    coins = generator.random(200) < 0.5
    evidence = 4 * coins + generator.standard_normal(200) + 3  # all positive
    assert audit(evidence, coins, 1e-5, guesses=100).correct == 100
    assert audit(evidence, coins, 1e-5, guesses=100, by_rank=False).correct < 100


def test_the_best_of_several_numbers_of_guesses_shares_the_error():
    coins = np.arange(100) % 2 == 0
    found = audit(np.where(coins, 1.0, -1.0), coins, 1e-5)
    assert (found.guesses, found.correct, found.tried) == (100, 100, (20, 50, 100))
    assert found.epsilon == epsilon_lower_bound(100, 100, 100, 1e-5, 0.05 / 3)


def directions(k, width, seed=0):
    rows = torch.randn(k, width, generator=torch.Generator().manual_seed(seed))
    return rows / rows.norm(dim=1, keepdim=True)


def test_evidence_of_orthogonal_canaries_is_their_exact_log_likelihood_ratio():
    rows, coins = torch.eye(4, 64), torch.tensor([1.0, 0.0, 1.0, 0.0])
    attack, expected, noise = CanaryAttack(4), torch.zeros(4), torch.Generator().manual_seed(1)
    for _ in range(5):
        residual = coins @ rows + 2.0 * torch.randn(64, generator=noise)
        attack.see([0, 1, 2, 3], rows, residual, 2.0)
        expected += (rows @ residual - 0.5) / 4
    np.testing.assert_allclose(attack.evidence, expected.numpy(), rtol=1e-6)


def test_evidence_of_sampled_canaries_is_their_exact_log_likelihood_ratio():
    rows, q = torch.eye(3, 16), 0.3
    attack, expected = CanaryAttack(3), np.zeros(3)
    for seed in range(6):
        residual = torch.randn(16, generator=torch.Generator().manual_seed(seed))
        attack.see([0, 1, 2], rows, residual, 1.0, q)
        expected += np.log(1 - q + q * np.exp((rows @ residual - 0.5).double().numpy()))
    np.testing.assert_allclose(attack.evidence, expected, rtol=1e-5)


def test_canaries_in_common_steps_are_told_apart_by_all_of_them_together():
    """In each step the two are the same; the steps differ in how strongly each takes part."""
    attack, direction = CanaryAttack(2), torch.ones(9) / 3
    for weights in ((1.0, 0.5), (0.5, 1.0)):
        rows = torch.tensor(weights)[:, None] * direction
        attack.see([0, 1], rows, rows[0].clone(), 1e-3)
    assert attack.evidence[0] > 100
    assert attack.evidence[1] < -100


def test_nothing_is_known_of_a_canary_that_was_in_no_step():
    attack = CanaryAttack(2)
    attack.see([1], torch.eye(1, 4), torch.eye(1, 4)[0], 0.1)
    assert attack.evidence[0] == 0
    assert attack.evidence[1] > 1


def test_signs_tell_more_of_a_faint_signal_under_laplace_noise():
    """Twice the Fisher information: the ratio's mean distance from 0 doubles."""
    laplace = torch.distributions.Laplace(0.0, 1.0)
    distances = {"values": 0.0, "signs": 0.0}
    torch.manual_seed(0)
    for seed in range(200):
        rows, coin = 2 * directions(1, 4096, seed), seed % 2
        residual = coin * rows[0] + laplace.sample((4096,))
        observations = {"values": (residual, math.sqrt(2)), "signs": linearised(residual, rows[0] / 2, 1.0, True)}
        for name, (observation, deviation) in observations.items():
            attack = CanaryAttack(1)
            attack.see([0], rows, observation, deviation)
            distances[name] += (2 * coin - 1) * attack.evidence[0] / 200
    assert distances["values"] == pytest.approx(1.0, abs=0.25)  # 2^2 / (2 * 2)
    assert distances["signs"] == pytest.approx(2.0, abs=0.35)


def test_of_a_faint_signal_each_place_is_moved_from_its_mean_towards_what_was_seen():
    residual, expected = torch.tensor([2.0, -3.0, 0.2]), torch.tensor([0.1, 0.1, 0.1])
    observation, deviation = linearised(residual, expected, 4.0, laplace=True)
    torch.testing.assert_close(observation, torch.tensor([4.1, -3.9, 4.1]))
    assert deviation == 4.0


def test_gaussian_noise_and_strong_signals_are_taken_as_they_are():
    residual, expected = torch.randn(10), torch.full((10,), 3.0)
    assert linearised(residual, expected, 1.0, laplace=False) == (residual, 1.0)
    assert linearised(residual, expected, 1.0, laplace=True) == (residual, math.sqrt(2))


@pytest.mark.parametrize("others", [1.0, 0.0])
def test_the_factor_of_a_clipped_mean_is_found(others):
    """It depends on the coins, which are not known."""
    rows, known = 0.5 * directions(6, 500), others * directions(1, 500, 9)[0]
    coins = torch.tensor([1.0, 0, 1, 1, 1, 1])
    mean = known + coins @ rows
    clipped = mean * 0.3 / mean.norm()
    factor = float(0.3 / mean.norm())
    assert batch_factor(known, rows, clipped, 0.0, 0.3, "l2") == pytest.approx(factor, rel=1e-3)
    likely = float(0.3 / (known + rows[:3].sum(0)).norm())  # with half of them in
    assert batch_factor(known, rows, clipped, 100.0, 0.3, "l2") == pytest.approx(likely, rel=0.2)
