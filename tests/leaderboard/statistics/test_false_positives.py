"""The same method under several names: how often the tests call it different."""

from itertools import combinations

import numpy as np
from scipy import stats
from score_arrays import make_scores

from adpfl_bench.leaderboard.statistics.pairwise import holm, pairwise_tests, signed_rank_p


def cohort(rng, methods, patients=24, seeds=3, noise=0.05, run_effect=0.0):
    """Runs of one method under several names: patients' difficulty is shared, noise and run effects are not."""
    difficulty = rng.beta(8, 2, patients)
    return {
        f"copy{m}": difficulty
        + rng.normal(0, noise, (seeds, patients))
        + rng.normal(0, run_effect, (seeds, 1)) * np.ones(patients)
        for m in range(methods)
    }


def within_binomial(hits, trials, rate, confidence=0.999):
    low, high = stats.binom.interval(confidence, trials, rate)
    return low <= hits <= high


def test_two_names_of_one_method_differ_at_the_stated_rate():
    rng, trials = np.random.default_rng(2024), 1500
    p_values = np.array([pairwise_tests(make_scores(cohort(rng, 2)))[0].p for _ in range(trials)])
    for level in (0.01, 0.05, 0.2):
        # A discrete test's true size: the largest attainable p-value up to the level, 2 P(W <= w) of the exact law.
        attainable = np.array([signed_rank_p(d) for d in attainable_differences(24)])
        size = attainable[attainable <= level].max()
        assert 0.9 * level < size <= level
        assert within_binomial(np.count_nonzero(p_values <= level), trials, size)


def attainable_differences(n):
    """Differences 1..n with signs for every rank sum from 0 to its mean."""
    for target in range(n * (n + 1) // 4 + 1):
        signs, left = -np.ones(n), target
        for rank in range(n, 0, -1):
            if rank <= left:
                signs[rank - 1], left = 1.0, left - rank
        yield signs * np.arange(1, n + 1)


def test_holm_keeps_the_family_wise_rate_of_five_equal_methods():
    """The chance of any false finding among ten pairs stays at 5% with Holm and is far above it without."""
    rng, trials = np.random.default_rng(7), 500
    families = [pairwise_tests(make_scores(cohort(rng, 5))) for _ in range(trials)]
    corrected = sum(any(test.p_holm <= 0.05 for test in family) for family in families)
    uncorrected = sum(any(test.p <= 0.05 for test in family) for family in families)
    assert corrected <= stats.binom.ppf(0.999, trials, 0.05)
    assert corrected >= stats.binom.ppf(0.001, trials, 0.02)  # it is not a test that never rejects
    assert uncorrected > stats.binom.ppf(0.999, trials, 0.15)
    assert all(
        np.allclose([test.p_holm for test in family], holm([test.p for test in family])) for family in families[:20]
    )
    assert all(len(family) == len(list(combinations(range(5), 2))) for family in families)


def test_the_test_does_not_cover_training_again():
    """What the docstring warns of: run effects as large as the noise make two names of one method differ often."""
    rng, trials = np.random.default_rng(11), 300
    hits = sum(
        pairwise_tests(make_scores(cohort(rng, 2, noise=0.05, run_effect=0.05)))[0].p <= 0.05 for _ in range(trials)
    )
    assert hits > 0.3 * trials
