"""The bootstrap of means against enumeration of all resamples and against plain loops."""

from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats
from score_arrays import make_scores

from adpfl_bench.errors import ConfigError
from adpfl_bench.leaderboard.statistics import paired_scores
from adpfl_bench.leaderboard.statistics.bootstrap import MeanBootstrap
from adpfl_bench.leaderboard.statistics.mean_variance import mean_variance
from adpfl_bench.leaderboard.statistics.paired_scores import patient_counts
from tests.effort import THOROUGH

PATIENTS = ["p0", "p0", "p1", "p2", "p2", "p2"]
VALUES = {
    "a": np.array([[0.1, 0.3, 0.5, 0.9, 0.8, 0.85], [0.2, 0.25, 0.6, 0.7, 0.95, 0.6], [0.0, 0.4, 0.45, 0.9, 0.9, 0.7]]),
    "b": np.array([[0.2, 0.2, 0.4, 0.8, 0.7, 0.75], [0.3, 0.35, 0.5, 0.8, 0.85, 0.5]]),
}


def drawn_means(array, patients, seeds):
    """Mean of all cases of the drawn patients in the drawn seeds, by looking each up."""
    cases = [i for patient in patients for i, owner in enumerate(PATIENTS) if owner == f"p{patient}"]
    return np.mean([array[seed, case] for seed in seeds for case in cases])


def enumerate_resamples(of_first, of_second=None):
    """All equally likely resamples of patients and of each method's seeds, and their means or differences."""
    for patients in product(range(3), repeat=3):
        for seeds in product(range(len(of_first)), repeat=len(of_first)):
            mean = drawn_means(of_first, patients, seeds)
            if of_second is None:
                yield mean
            else:
                for other in product(range(len(of_second)), repeat=len(of_second)):
                    yield mean - drawn_means(of_second, patients, other)


def test_resampled_means_have_the_enumerated_distribution():
    bootstrap = MeanBootstrap(make_scores(VALUES, PATIENTS), resamples=200_000)
    for resampled, expected in (
        (bootstrap.means("a"), list(enumerate_resamples(VALUES["a"]))),
        (bootstrap.means("b"), list(enumerate_resamples(VALUES["b"]))),
        (bootstrap.means("a") - bootstrap.means("b"), list(enumerate_resamples(VALUES["a"], VALUES["b"]))),
    ):
        values, counts = np.unique(np.round(expected, 9), return_counts=True)
        found, times = np.unique(np.round(resampled, 9), return_counts=True)
        assert found.tolist() == values.tolist()
        assert stats.chisquare(times, counts / counts.sum() * len(resampled)).pvalue > 1e-4


def test_the_interval_is_scaled_percentiles():
    scores = make_scores(VALUES, PATIENTS)
    bootstrap = MeanBootstrap(scores, resamples=20_000)
    for ours, centre, resampled, signs in (
        (bootstrap.interval("a", 0.9), VALUES["a"].mean(), bootstrap.means("a"), {"a": 1.0}),
        (
            bootstrap.difference("a", "b", 0.9),
            VALUES["a"].mean() - VALUES["b"].mean(),
            bootstrap.means("a") - bootstrap.means("b"),
            {"a": 1.0, "b": -1.0},
        ),
    ):
        variance, degrees = mean_variance(scores, signs)
        stretch = stats.t.ppf(0.95, degrees) / stats.norm.ppf(0.95) * np.sqrt(variance / resampled.var())
        assert abs(stretch - 1) > 0.05
        assert ours == pytest.approx(centre + stretch * (np.quantile(resampled, [0.05, 0.95]) - centre))


def test_differences_are_those_of_every_pair(monkeypatch):
    noise = np.random.default_rng(0)
    values = {"a": VALUES["a"], "b": VALUES["b"], "same": VALUES["b"], "one seed": noise.random((1, 6))}
    bootstrap = MeanBootstrap(make_scores(values, PATIENTS), resamples=200)
    expected = [bootstrap.difference(*pair) for pair in combinations(values, 2)]
    assert bootstrap.differences() == expected
    assert bootstrap.differences(0.5) != expected
    monkeypatch.setattr("adpfl_bench.leaderboard.statistics.bootstrap._AT_ONCE", 450)  # two pairs at a time
    assert bootstrap.differences() == expected
    alone = MeanBootstrap(make_scores({"a": [0.5, 0.6], "b": [0.5, 0.75]}, ["p", "p"]), resamples=100)
    assert alone.differences() == [None]
    with pytest.raises(ConfigError, match="level between 0 and 1"):
        bootstrap.differences(1.0)


def test_methods_that_score_the_same_everywhere_differ_by_nothing():
    constant = make_scores({"a": np.full((2, 4), 0.5), "b": np.full((3, 4), 0.25)})
    (found,) = MeanBootstrap(constant, resamples=100).differences()
    assert (found.low, found.high) == (0.25, 0.25)


def test_with_many_patients_and_one_seed_it_is_students_interval():
    values = np.random.default_rng(3).normal(0.8, 0.1, (1, 400))
    expected = stats.t.interval(0.95, 399, values.mean(), values.std(ddof=1) / 20)
    assert MeanBootstrap(make_scores({"a": values}), resamples=100_000).interval("a") == pytest.approx(
        expected, abs=3e-4
    )


def test_pairing_by_patients_takes_their_difficulty_out_of_the_difference():
    rng = np.random.default_rng(4)
    difficulty = rng.normal(0.7, 0.2, 100)
    scores = make_scores({name: difficulty + rng.normal(0, 0.01, (2, 100)) for name in "ab"})
    bootstrap = MeanBootstrap(scores)
    alone, difference = bootstrap.interval("a"), bootstrap.difference("a", "b")
    assert alone.high - alone.low > 0.06
    assert difference.high - difference.low < 0.015
    assert difference.low < scores.mean("a") - scores.mean("b") < difference.high


def test_a_seed_repeats_its_intervals():
    rng = np.random.default_rng(5)
    scores = make_scores({name: rng.normal(0.7, 0.2, (3, 30)) for name in "abc"})
    bootstrap = MeanBootstrap(scores, resamples=500, seed=8)
    assert MeanBootstrap(scores, resamples=500, seed=8).interval("b") == bootstrap.interval("b")
    assert bootstrap.interval("b") != MeanBootstrap(scores, resamples=500, seed=9).interval("b")
    low, high = bootstrap.difference("a", "c")
    assert bootstrap.difference("c", "a") == pytest.approx((-high, -low))
    wide, narrow = bootstrap.interval("a", 0.99), bootstrap.interval("a", 0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_each_methods_seeds_are_drawn_by_themselves():
    """Patients are all alike here, so that resampled means differ by the drawn seeds alone."""
    scores = make_scores({name: np.outer([0.1, 0.5, 0.9], np.ones(5)) for name in "ab"})
    first, second = (MeanBootstrap(scores, seed=0).means(name) for name in "ab")
    assert first.var() == pytest.approx(np.var([0.1, 0.5, 0.9]) / 3, rel=0.05)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert abs(np.corrcoef(first, MeanBootstrap(scores, seed=1).means("a"))[0, 1]) < 0.05


def test_what_does_not_vary_has_an_interval_of_no_width():
    interval = MeanBootstrap(make_scores({"a": np.full((3, 20), 0.5)})).interval("a")
    assert interval == (0.5, 0.5)


@pytest.mark.parametrize("seeds", [1, 3])
def test_one_patient_has_no_interval(seeds):
    scores = make_scores({"a": np.full((seeds, 4), 0.5), "b": np.full((seeds, 4), 0.6)}, ["p"] * 4)
    assert MeanBootstrap(scores).interval("a") is None
    assert MeanBootstrap(scores).difference("a", "b") is None


@pytest.mark.parametrize("patients", [2, 3])
def test_few_patients_have_a_wide_interval(patients):
    values = np.linspace(0.6, 0.8, patients)[None]
    low, high = MeanBootstrap(make_scores({"a": values})).interval("a")
    standard_error = values.std(ddof=1) / np.sqrt(patients)
    assert low < 0.7 < high
    assert high - low > 2 * 1.96 * standard_error


def test_draws_are_the_same_in_chunks_of_any_size(monkeypatch):
    whole = np.concatenate(list(patient_counts(7, 1000, seed=1)))
    monkeypatch.setattr(paired_scores, "_CHUNK", 7 * 9)
    chunks = list(patient_counts(7, 1000, seed=1))
    assert max(len(chunk) for chunk in chunks) == 9
    assert np.concatenate(chunks).tolist() == whole.tolist()
    assert (whole.sum(axis=1) == 7).all()


def test_chunks_are_bounded():
    sizes = [chunk.size for chunk in patient_counts(1000, 3000, seed=0)]
    assert sum(sizes) == 3000 * 1000
    assert max(sizes) <= 2**20


def test_impossible_requests_are_refused():
    scores = make_scores({"a": [0.1, 0.2], "b": [0.3, 0.2]})
    with pytest.raises(ConfigError, match="at least 100 resamples, but found 10"):
        MeanBootstrap(scores, resamples=10)
    for level in (0, 1, 95):
        with pytest.raises(ConfigError, match=f"between 0 and 1, but found {level}"):
            MeanBootstrap(scores).interval("a", level)
    with pytest.raises(ConfigError, match="two different methods, but found a twice"):
        MeanBootstrap(scores).difference("a", "a")
    with pytest.raises(ConfigError, match="methods a, b, but found c"):
        MeanBootstrap(scores).means("c")


def three_methods(rng, gap, patients=80):
    """Methods l, m and u of three runs on the same patients, with m half of the gap above l."""
    difficulty = rng.normal(0.6, 0.1, patients)
    levels = {"l": 0.0, "m": gap / 2, "u": gap}
    return {
        name: difficulty + level + rng.normal(0, 0.01, (3, 1)) + rng.normal(0, 0.05, (3, patients))
        for name, level in levels.items()
    }


def test_a_share_ends_where_the_weighted_sum_is_no_longer_compatible_with_zero():
    scores = make_scores(three_methods(np.random.default_rng(6), 0.2))
    bootstrap = MeanBootstrap(scores, resamples=2000)
    low, high = bootstrap.share("m", "l", "u")
    m, lower, upper = (scores.mean(name) for name in "mlu")
    assert low < (m - lower) / (upper - lower) < high
    for share, touching in ((low, 1), (high, 0)):
        weights = {"m": 1.0, "l": share - 1, "u": -share}
        resampled = np.sum([weight * bootstrap.means(name) for name, weight in weights.items()], axis=0)
        centre = m - (1 - share) * lower - share * upper
        variance, degrees = mean_variance(scores, weights)
        stretch = stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975) * np.sqrt(variance) / resampled.std()
        ends = centre + stretch * (np.quantile(resampled, [0.025, 0.975]) - centre)
        assert ends[1 - touching] == pytest.approx(0, abs=1e-5)


def test_a_share_does_not_depend_on_the_scores_scale_and_turns_round_with_its_ends():
    values = three_methods(np.random.default_rng(7), 0.2)
    plain = MeanBootstrap(make_scores(values), resamples=1000)
    scaled = MeanBootstrap(make_scores({name: 3 * array + 1 for name, array in values.items()}), resamples=1000)
    assert scaled.share("m", "l", "u") == pytest.approx(plain.share("m", "l", "u"), abs=1e-5)
    low, high = plain.share("m", "l", "u")
    assert plain.share("m", "u", "l") == pytest.approx((1 - high, 1 - low), abs=1e-5)


def test_of_a_gap_that_may_be_nothing_there_is_no_share():
    bootstrap = MeanBootstrap(make_scores(three_methods(np.random.default_rng(8), 0.001)), resamples=1000)
    assert bootstrap.share("m", "l", "u") is None


def test_a_share_of_one_patient_has_no_interval():
    scores = make_scores({name: np.full((3, 4), 0.5 + i / 10) for i, name in enumerate("lmu")}, ["p"] * 4)
    assert MeanBootstrap(scores, resamples=100).share("m", "l", "u") is None


def test_what_does_not_vary_has_a_share_of_no_width():
    scores = make_scores({name: np.full((3, 9), 0.5 + i / 10) for i, name in enumerate("lmu")})
    assert MeanBootstrap(scores, resamples=100).share("m", "l", "u") == pytest.approx((0.5, 0.5), abs=1e-5)


def test_a_share_needs_three_methods():
    bootstrap = MeanBootstrap(make_scores(three_methods(np.random.default_rng(9), 0.2)), resamples=100)
    with pytest.raises(ConfigError, match="three different methods, but found m, l and l"):
        bootstrap.share("m", "l", "l")


def test_shares_cover_the_true_share():
    rng, hits, cohorts = np.random.default_rng(10), 0, 200 if THOROUGH else 100
    for _ in range(cohorts):
        bootstrap = MeanBootstrap(make_scores(three_methods(rng, 0.06, 40)), 500, seed=int(rng.integers(2**31)))
        interval = bootstrap.share("m", "l", "u")
        hits += interval is None or interval.low <= 0.5 <= interval.high
    assert 0.915 <= hits / cohorts <= 0.99
