"""Pairs of methods: what is averaged, what is paired, what is corrected."""

import numpy as np
import pytest
from scipy import stats
from score_arrays import make_scores
from statsmodels.stats.multitest import multipletests

from adpfl_bench.leaderboard.statistics.pairwise import pairwise_tests


def test_seeds_and_cases_are_averaged_to_patients_before_the_test():
    rng = np.random.default_rng(1)
    patients = [f"p{i:02d}" for i in rng.permutation(np.repeat(np.arange(20), [1, 2, 3, 4] * 5))]
    values = {
        "a": rng.normal(0.8, 0.1, (3, 50)),
        "b": rng.normal(0.75, 0.1, (2, 50)),
        "c": rng.normal(0.8, 0.1, (1, 50)),
    }
    tests = pairwise_tests(make_scores(values, patients))
    means = {
        name: np.array(
            [array.mean(axis=0)[[p == patient for p in patients]].mean() for patient in sorted(set(patients))]
        )
        for name, array in values.items()
    }
    expected = [stats.wilcoxon(means[x] - means[y]).pvalue for x, y in (("a", "b"), ("a", "c"), ("b", "c"))]
    assert [(test.first, test.second, test.n) for test in tests] == [("a", "b", 20), ("a", "c", 20), ("b", "c", 20)]
    assert [test.p for test in tests] == pytest.approx(expected)
    assert [test.p_holm for test in tests] == pytest.approx(multipletests(expected, method="holm")[1])
    assert [test.seeds for test in tests] == [(3, 2), (3, 1), (2, 1)]
    a, b = (values[name].mean(axis=1).std(ddof=1) for name in "ab")
    assert tests[0].seed_deviations == pytest.approx((a, b))
    assert tests[1].seed_deviations == (pytest.approx(a), None)


def test_copies_of_a_patients_case_add_no_evidence():
    values = {"a": np.array([0.9, 0.8, 0.7]), "b": np.array([0.8, 0.6, 0.4])}
    once = pairwise_tests(make_scores(values))[0]
    copied = pairwise_tests(
        make_scores(
            {name: np.repeat(array, 10) for name, array in values.items()}, ["p"] * 10 + ["q"] * 10 + ["r"] * 10
        )
    )[0]
    assert (once.n, once.p) == (copied.n, copied.p) == (3, 0.25)
    assert once.rank_biserial == copied.rank_biserial == 1.0
    assert once.difference == copied.difference == pytest.approx(0.2)


@pytest.mark.parametrize(("n", "p"), [(1, 1.0), (2, 0.5), (3, 0.25)])
def test_few_patients_cannot_be_significant(n, p):
    test = pairwise_tests(make_scores({"a": np.linspace(0.8, 0.9, n), "b": np.linspace(0.1, 0.3, n)}))[0]
    assert (test.n, test.p, test.p_holm) == (n, p, p)


def test_equal_scores_are_equal_whatever_their_seeds_round_to():
    """0.1 + 0.2 + 0.3 and 0.3 + 0.2 + 0.1 are not the same in floats."""
    scores = make_scores({"a": np.outer([0.1, 0.2, 0.3], np.ones(30)), "b": np.outer([0.3, 0.2, 0.1], np.ones(30))})
    assert (scores.patient_means("a") != scores.patient_means("b")).any()
    test = pairwise_tests(scores)[0]
    assert (test.p, test.p_holm, test.difference, test.rank_biserial) == (1.0, 1.0, 0.0, 0.0)


def test_one_method_has_no_pair():
    assert pairwise_tests(make_scores({"a": [0.5, 0.6]})) == []
