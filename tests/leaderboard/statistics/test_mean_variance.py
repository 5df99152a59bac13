"""The variance of a mean against the two-way table's analysis, against simulation and against a ratio's variance."""

import numpy as np
import pytest
from score_arrays import make_scores

from adpfl_bench.leaderboard.statistics.mean_variance import mean_variance


def sums_of_squares(table):
    """Mean squares of rows, columns and residuals of a two-way table, by loops (Searle et al. 1992, chapter 4)."""
    rows, columns = table.shape
    grand = table.sum() / (rows * columns)
    of_rows = columns * sum((row.sum() / columns - grand) ** 2 for row in table) / (rows - 1)
    of_columns = rows * sum((column.sum() / rows - grand) ** 2 for column in table.T) / (columns - 1)
    residual = sum(
        (table[i, j] - table[i].sum() / columns - table[:, j].sum() / rows + grand) ** 2
        for i in range(rows)
        for j in range(columns)
    ) / ((rows - 1) * (columns - 1))
    return of_rows, of_columns, residual


@pytest.mark.parametrize("seed_effect", [0.0, 0.1])
def test_a_balanced_table_is_analysed_by_its_mean_squares(seed_effect):
    rng = np.random.default_rng(9)
    table = rng.normal(0.8, 0.1, 12) + rng.normal(0, seed_effect, (3, 1)) + rng.normal(0, 0.02, (3, 12))
    rows, columns, residual = (square / table.size for square in sums_of_squares(table))
    variance, degrees = mean_variance(make_scores({"a": table}), {"a": 1.0})
    assert variance == pytest.approx(rows + columns - min(residual, rows))
    assert degrees == pytest.approx((rows + columns) ** 2 / (rows**2 / 2 + columns**2 / 11))


def test_a_difference_adds_seeds_and_pairs_patients():
    rng = np.random.default_rng(10)
    patients = rng.normal(0.7, 0.2, 15)
    first, second = (patients + rng.normal(0, 0.03, (s, 1)) + rng.normal(0, 0.05, (s, 15)) for s in (3, 2))
    (rows, _, residual), (other_rows, _, other_residual) = sums_of_squares(first), sums_of_squares(second)
    of_seeds = (rows / first.size, other_rows / second.size)
    of_patients = (first.mean(axis=0) - second.mean(axis=0)).var(ddof=1) / 15
    of_residuals = residual / first.size + other_residual / second.size
    variance, degrees = mean_variance(make_scores({"a": first, "b": second}), {"a": 1.0, "b": -1.0})
    assert variance == pytest.approx(sum(of_seeds) + of_patients - min(of_residuals, of_patients, sum(of_seeds)))
    freedom = of_seeds[0] ** 2 / 2 + of_seeds[1] ** 2 / 1 + of_patients**2 / 14
    assert degrees == pytest.approx((sum(of_seeds) + of_patients) ** 2 / freedom)


def test_it_is_the_variance_of_means_over_cohorts_drawn_anew():
    """Patients with one to four cases, crossed with runs: estimated and actual variance of the mean over cases."""
    rng, sizes = np.random.default_rng(11), np.tile([1, 2, 3, 4], 10)
    owners = np.repeat(np.arange(40), sizes)
    names = [f"p{owner:02d}" for owner in owners]
    means, estimates = [], []
    for _ in range(1500):
        effects = rng.normal(0, 0.1, 40)[owners] + rng.normal(0, 0.02, (4, 1))
        table = 0.8 + effects + rng.normal(0, 0.1, (4, len(owners)))
        means.append(table.mean())
        estimates.append(mean_variance(make_scores({"a": table}, names), {"a": 1.0}).variance)
    assert np.mean(estimates) == pytest.approx(np.var(means), rel=0.12)


def test_one_run_is_a_ratio_over_patients():
    """Cochran 1977, Sampling Techniques, equation 2.46: the variance of a ratio of sums, as Taylor's series has it."""
    scores, sizes = np.array([0.9, 0.7, 0.8, 0.4, 0.6, 0.5]), np.array([2, 1, 3])
    sums = np.array([0.9 + 0.7, 0.8, 0.4 + 0.6 + 0.5])
    ratio = sums.sum() / sizes.sum()
    expected = ((sums - ratio * sizes) ** 2).sum() / (3 - 1) / 3 / sizes.mean() ** 2
    variance, degrees = mean_variance(make_scores({"a": scores}, ["p", "p", "q", "r", "r", "r"]), {"a": 1.0})
    assert (variance, degrees) == pytest.approx((expected, 2))


def test_nothing_varies():
    assert mean_variance(make_scores({"a": np.full((3, 5), 0.5)}), {"a": 1.0}) == (0.0, 4.0)
