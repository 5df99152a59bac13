"""How often the intervals cover the mean that cohorts are drawn around.

``python tests/leaderboard/statistics/test_interval_coverage.py`` prints what the docstring of the bootstrap states.
"""

import numpy as np
import pytest
from scipy import stats
from score_arrays import make_scores

from adpfl_bench.leaderboard.statistics.bootstrap import MeanBootstrap

PATIENTS, SEEDS, TRUE_MEAN = 60, 3, 0.8
COHORTS, RESAMPLES = 400, 1000


def patient_effects(rng):
    """Skewed towards bad scores, as patients' Dice is."""
    return 0.12 * (1 - rng.exponential(size=PATIENTS))


def draw_runs(rng, patients, seed_effect, mean=TRUE_MEAN, noise=0.05):
    """Scores ``[S, P]`` with crossed effects of seeds and patients."""
    seeds = rng.normal(0, seed_effect, (SEEDS, 1))
    return mean + seeds + patients + rng.normal(0, noise, (SEEDS, len(patients)))


def pigeonhole(values, rng):
    """Owen's bootstrap as it stands: means over S drawn seeds and P drawn patients."""
    seeds, patients = values.shape
    drawn_patients = rng.multinomial(patients, np.full(patients, 1 / patients), RESAMPLES) / patients
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES) / seeds
    return np.einsum("bs,sp,bp->b", drawn_seeds, values, drawn_patients, optimize=True)


def percentile(values, rng):
    return np.quantile(pigeonhole(values, rng), [0.025, 0.975])


def bca(values, rng):
    """Bias-corrected and accelerated, with the acceleration of both factors' influence values."""
    means, mean = pigeonhole(values, rng), values.mean()
    u = np.concatenate([(values.mean(axis=axis) - mean) / values.shape[1 - axis] for axis in (0, 1)])
    acceleration = (u**3).sum() / (6 * (u**2).sum() ** 1.5)
    bias = stats.norm.ppf((means < mean).mean())
    shifted = bias + stats.norm.ppf([0.025, 0.975])
    return np.quantile(means, stats.norm.cdf(bias + shifted / (1 - acceleration * shifted)))


def patients_only(values, rng):
    return percentile(values.mean(axis=0, keepdims=True), rng)


def ours(values, rng):
    scores = make_scores({"a": values})
    return MeanBootstrap(scores, RESAMPLES, seed=int(rng.integers(2**31))).interval("a")


def coverage(interval, seed_effect, cohorts=COHORTS):
    rng = np.random.default_rng(60)
    hits = 0
    for _ in range(cohorts):
        low, high = interval(draw_runs(rng, patient_effects(rng), seed_effect), rng)
        hits += low <= TRUE_MEAN <= high
    return hits / cohorts


@pytest.mark.parametrize("seed_effect", [0.0, 0.01, 0.025])
def test_intervals_cover_the_mean_as_often_as_stated(seed_effect):
    """400 cohorts show a coverage of 95% as 92% to 98% (2.8 standard errors)."""
    assert 0.92 <= coverage(ours, seed_effect) <= 0.98


def test_seeds_must_be_resampled_and_the_correction_helps_where_they_dominate():
    corrected = coverage(ours, 0.05)
    assert corrected > 0.9
    assert coverage(percentile, 0.05) < corrected - 0.04
    assert coverage(patients_only, 0.05) < 0.75


def test_differences_cover_the_true_difference():
    """Two methods, 0.02 apart in the mean, with three runs each on the same patients."""
    rng, hits, width = np.random.default_rng(61), 0, 0.0
    for _ in range(COHORTS):
        patients = patient_effects(rng)
        first, second = draw_runs(rng, patients, 0.01), draw_runs(rng, patients, 0.01, TRUE_MEAN - 0.02)
        bootstrap = MeanBootstrap(make_scores({"a": first, "b": second}), RESAMPLES, seed=int(rng.integers(2**31)))
        low, high = bootstrap.difference("a", "b")
        hits += low <= 0.02 <= high
        width += (high - low) / COHORTS
    assert 0.92 <= hits / COHORTS <= 0.98
    assert width < 0.055  # unpaired, patients alone would make it 4 * 0.12 * sqrt(2 / 60) = 0.09


if __name__ == "__main__":
    for effect in (0.0, 0.02, 0.05):
        rates = {f.__name__: coverage(f, effect, 2000) for f in (patients_only, percentile, bca, ours)}
        print(f"seed effect {effect}: " + ", ".join(f"{name} {rate:.1%}" for name, rate in rates.items()))
