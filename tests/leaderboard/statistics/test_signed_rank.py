"""Wilcoxon's signed-rank test against enumeration of all signs and against scipy; effect sizes against definitions."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from adpfl_bench.leaderboard.statistics.hodges_lehmann import hodges_lehmann
from adpfl_bench.leaderboard.statistics.pairwise import rank_biserial, signed_rank_p

SMALL = st.lists(st.integers(-4, 4), min_size=1, max_size=8)  # small integers: many ties and zeros


def pratt_ranks(differences):
    """Average ranks of absolute differences, by counting."""
    sizes = [abs(d) for d in differences]
    return [sum(s < size for s in sizes) + (sum(s == size for s in sizes) + 1) / 2 for size in sizes]


def enumerated_p(differences):
    """P-value from all assignments of signs to the differences that are not zero."""
    ranks = [rank for rank, d in zip(pratt_ranks(differences), differences, strict=True) if d != 0]
    observed = sum(rank for rank, d in zip(pratt_ranks(differences), differences, strict=True) if d > 0)
    sums = [
        sum(r for r, plus in zip(ranks, signs, strict=True) if plus) for signs in product((0, 1), repeat=len(ranks))
    ]
    greater = np.mean([s >= observed for s in sums])
    less = np.mean([s <= observed for s in sums])
    return min(1.0, 2 * min(greater, less))


@given(differences=SMALL)
def test_few_differences_are_enumerated_ties_and_zeros_included(differences):
    ours = signed_rank_p(np.array(differences, dtype=float))
    assert ours == pytest.approx(enumerated_p(differences), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 25, 50])
def test_without_ties_it_is_scipys_exact_test(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("digits", [1, 8])
def test_many_differences_go_through_scipys_normal_approximation(digits):
    differences = np.round(np.random.default_rng(digits).normal(0.05, 0.5, 240), digits)
    assert (digits == 1) == bool((differences == 0).any())
    expected = stats.wilcoxon(differences, zero_method="pratt", method="approx").pvalue
    assert signed_rank_p(differences) == pytest.approx(expected, rel=1e-9)


def test_the_approximation_goes_on_where_the_exact_test_ends():
    differences = np.random.default_rng(5).normal(0.25, 1, 51)
    exact = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank_p(differences) == pytest.approx(exact, rel=0.05)
    assert signed_rank_p(differences) != exact


def test_few_differences_among_many_zeros_are_exact():
    differences = np.array([0.0] * 200 + [1.0, 2.0, 3.0, 4.0])
    assert signed_rank_p(differences) == pytest.approx(2 / 2**4)


@pytest.mark.parametrize("n", [1, 2, 3, 100])
def test_methods_that_agree_everywhere_do_not_differ(n):
    assert signed_rank_p(np.zeros(n)) == 1.0
    assert rank_biserial(np.zeros(n)) == 0.0
    assert hodges_lehmann(np.zeros(n)) == 0.0


@given(differences=SMALL)
def test_effect_sizes_are_their_definitions(differences):
    array = np.array(differences, dtype=float)
    ranks, n = pratt_ranks(differences), len(differences)
    favourable = sum(rank for rank, d in zip(ranks, differences, strict=True) if d > 0) / (n * (n + 1) / 2)
    unfavourable = sum(rank for rank, d in zip(ranks, differences, strict=True) if d < 0) / (n * (n + 1) / 2)
    assert rank_biserial(array) == pytest.approx(favourable - unfavourable, abs=1e-12)
    walsh = [(differences[i] + differences[j]) / 2 for i in range(n) for j in range(i, n)]
    assert hodges_lehmann(array) == pytest.approx(np.median(walsh), abs=1e-12)


def test_kerbys_example():
    """Kerby 2014: a rank sum of 45 of which 40 is favourable is r = 40/45 - 5/45."""
    differences = np.array([1.0, 2.0, 3.0, 4.0, -5.0, 6.0, 7.0, 8.0, 9.0])
    assert rank_biserial(differences) == pytest.approx(35 / 45)
