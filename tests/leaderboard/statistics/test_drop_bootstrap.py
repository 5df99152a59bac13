"""Intervals of drops against Welch's and Student's, and how often they cover the truth."""

import numpy as np
import pytest
from scipy import stats
from score_arrays import make_scores

from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.leaderboard.statistics.drop_bootstrap import DropBootstrap
from tests.effort import THOROUGH


def drops(own, there, **settings):
    return DropBootstrap(make_scores({"m": own}), make_scores({"m": there}), **settings)


def test_one_run_has_welchs_interval():
    draws = np.random.default_rng(0)
    own, there = draws.normal(0.8, 0.05, 60), draws.normal(0.7, 0.15, 9)
    found = drops(own, there).interval("m")
    expected = stats.ttest_ind(own, there, equal_var=False).confidence_interval()
    assert found == pytest.approx((expected.low, expected.high), abs=0.012)
    assert drops(own, there).drop("m") == pytest.approx(own.mean() - there.mean())


def test_runs_share_their_luck_with_the_other_hospital():
    """What training adds to both means leaves no trace in the drop; what it adds to one does."""
    draws = np.random.default_rng(1)
    luck = draws.normal(0, 0.1, (4, 1))
    own, there = draws.normal(0.8, 0.01, 40), draws.normal(0.7, 0.01, 40)
    shared = drops(own + luck, there + luck).interval("m")
    alone = drops(own + 0 * luck, there + 0 * luck).interval("m")
    assert shared == pytest.approx(alone, abs=1e-9)
    apart = drops(own + luck, there + 0 * luck).interval("m")
    student = stats.ttest_1samp(luck[:, 0], 0.0).confidence_interval()
    assert apart.high - apart.low == pytest.approx(student.high - student.low, rel=0.1)


def test_worse_is_positive_in_either_direction():
    for higher_is_better, own, there in ((True, [0.9, 0.8], [0.5, 0.3]), (False, [3.0, 5.0], [9.0, 8.0])):
        scores = [make_scores({"m": np.array(values)}, higher_is_better=higher_is_better) for values in (own, there)]
        found = DropBootstrap(*scores)
        assert found.drop("m") == pytest.approx(abs(np.mean(own) - np.mean(there)))
        interval = found.interval("m")
        assert interval.low < found.drop("m") < interval.high


def test_it_covers_the_truth():
    draws, hits, trials = np.random.default_rng(2), 0, 2000 if THOROUGH else 150
    for seed in range(trials):
        luck = draws.normal(0, 0.02, (3, 1))
        own = 0.8 + luck + draws.normal(0, 0.1, 40) + draws.normal(0, 0.03, (3, 40))
        there = 0.7 + luck + draws.normal(0, 0.01, (3, 1)) + draws.normal(0, 0.15, 12) + draws.normal(0, 0.03, (3, 12))
        low, high = drops(own, there, resamples=400, seed=seed).interval("m")
        hits += low <= 0.1 <= high
    assert 0.88 <= hits / trials <= 0.985


def test_what_cannot_be_said():
    assert drops(np.array([0.5, 0.6]), np.array([0.5])).interval("m") is None
    assert drops(np.array([0.5]), np.array([0.5, 0.6])).interval("m") is None
    assert drops(np.full((2, 3), 0.5), np.full((2, 2), 0.25)).interval("m") == pytest.approx((0.25, 0.25))
    with pytest.raises(DataError, match=r"the same runs of m here and there, but found seeds \[0, 1\] and \[0\]"):
        drops(np.full((2, 3), 0.5), np.full((1, 3), 0.5))
    with pytest.raises(ConfigError, match="confidence level"):
        drops(np.array([0.5, 0.6]), np.array([0.5, 0.6])).interval("m", 1.0)
