"""Rankings against loops over patients, and scipy's Kendall tau."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from score_arrays import make_scores

from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.leaderboard.statistics.paired_scores import patient_counts
from adpfl_bench.leaderboard.statistics.ranking import _kendall_tau, rank_methods


def ranks_within(values, higher_is_better):
    """Average ranks by counting: one more than those better, half of those equal."""
    better = (lambda x, y: x > y) if higher_is_better else (lambda x, y: x < y)
    return [1 + sum(better(other, v) for other in values) + (values.count(v) - 1) / 2 for v in values]


def final_ranks(mean_ranks):
    return [1 + sum(other < mean for other in mean_ranks) for mean in mean_ranks]


@given(
    dice=st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=6),
    data=st.data(),
)
def test_ranks_are_given_within_patients_and_then_averaged(dice, data):
    hd95 = data.draw(
        st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=len(dice), max_size=len(dice))
    )
    sets = [
        make_scores(dict(zip("abc", np.array(dice).T, strict=True))),
        make_scores(dict(zip("abc", np.array(hd95).T, strict=True)), higher_is_better=False),
    ]
    ranking = rank_methods(sets, resamples=100)
    within = [ranks_within(row, True) for row in dice] + [ranks_within(row, False) for row in hd95]
    mean_ranks = dict(zip("abc", np.mean(within, axis=0), strict=True))
    final = dict(zip("abc", final_ranks(np.mean(within, axis=0).round(9).tolist()), strict=True))
    assert list(ranking.methods) == sorted("abc", key=lambda method: final[method])
    assert ranking.mean_ranks == pytest.approx([mean_ranks[method] for method in ranking.methods])
    assert ranking.ranks.tolist() == [final[method] for method in ranking.methods]
    assert ranking.n == len(dice)


def test_resamples_are_ranked_like_the_patients():
    rng = np.random.default_rng(2)
    values = {method: rng.normal(mean, 0.1, 12) for method, mean in (("a", 0.7), ("b", 0.75), ("c", 0.72), ("d", 0.5))}
    ranking = rank_methods(make_scores(values), resamples=300, seed=6)
    within = [ranks_within([values[m][p] for m in ranking.methods], True) for p in range(12)]
    taus, times = [], np.zeros((4, 4))
    for counts in np.concatenate(list(patient_counts(12, 300, seed=6))).astype(int):
        drawn = [within[p] for p in range(12) for _ in range(counts[p])]
        ranks = final_ranks(np.mean(drawn, axis=0).round(9).tolist())
        for position, rank in enumerate(ranks):
            times[position, rank - 1] += 1
        taus.append(stats.kendalltau(ranking.ranks, ranks).statistic)
    assert ranking.proportions == pytest.approx(times / 300)
    assert ranking.kendall_taus == pytest.approx(taus)
    assert ranking.stability == pytest.approx(np.mean(taus))
    assert 0 < ranking.stability < 1
    assert rank_methods(make_scores(values), resamples=300, seed=6).proportions.tolist() == ranking.proportions.tolist()
    assert rank_methods(make_scores(values), resamples=300, seed=7).proportions.tolist() != ranking.proportions.tolist()


@given(
    ours=st.lists(st.integers(1, 3), min_size=4, max_size=4), theirs=st.lists(st.integers(1, 3), min_size=4, max_size=4)
)
def test_tau_is_scipys_tau_b(ours, theirs):
    expected = stats.kendalltau(ours, theirs).statistic
    if np.isnan(expected):
        expected = float(len(set(ours)) == len(set(theirs)) == 1)
    assert _kendall_tau(np.array([ours]), np.array([theirs])) == pytest.approx([expected], abs=1e-12)


def test_a_clear_order_is_firm():
    level = np.random.default_rng(0).uniform(0.3, 0.6, 30)
    ranking = rank_methods(make_scores({"low": level, "high": level + 0.2, "middle": level + 0.1}))
    assert ranking.methods == ("high", "middle", "low")
    assert ranking.proportions.tolist() == np.eye(3).tolist()
    assert ranking.stability == 1.0


def test_a_coin_toss_is_not():
    """Two methods that each win on half of the patients: tau is +1, -1 or, where a resample ties, 0."""
    ranking = rank_methods(make_scores({"a": [1, 0] * 20, "b": [0, 1] * 20}))
    assert ranking.ranks.tolist() == [1, 1]
    tie = stats.binom.pmf(20, 40, 0.5)
    assert ranking.proportions == pytest.approx(np.array([[0.5 + tie / 2, 0.5 - tie / 2]] * 2), abs=0.02)
    uneven = rank_methods(make_scores({"a": [1, 0] * 20 + [1], "b": [0, 1] * 20 + [0]}))
    assert uneven.ranks.tolist() == [1, 2]
    assert abs(uneven.stability) < 0.25


def test_one_dominated_patient_counts_as_one_patient():
    """Ranks within patients, unlike means, do not let one failure decide."""
    scores = make_scores({"steady": [0.70] * 9, "failing": [0.71] * 8 + [0.0]})
    assert scores.mean("failing") < scores.mean("steady")
    assert rank_methods(scores).methods == ("failing", "steady")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_equal_methods_share_the_first_rank(n):
    """Also where their seeds' scores, summed in another order, round to another float."""
    values = {"b": np.outer([0.1, 0.2, 0.3], np.ones(n)), "a": np.outer([0.3, 0.2, 0.1], np.ones(n))}
    ranking = rank_methods(make_scores(values))
    assert ranking.methods == ("b", "a")
    assert ranking.ranks.tolist() == [1, 1]
    assert ranking.mean_ranks.tolist() == [1.5, 1.5]
    assert ranking.proportions.tolist() == [[1, 0], [1, 0]]
    assert ranking.stability == 1.0


def test_one_method_is_first():
    ranking = rank_methods(make_scores({"a": [0.5, 0.6]}))
    assert (ranking.methods, ranking.ranks.tolist(), ranking.proportions.tolist()) == (("a",), [1], [[1.0]])
    assert ranking.stability == 1.0


def test_sets_name_the_same_methods_in_any_order():
    values = {"a": [0.9, 0.8], "b": [0.1, 0.2]}
    turned = {"b": [3.0, 4.0], "a": [1.0, 2.0]}
    ranking = rank_methods([make_scores(values), make_scores(turned, higher_is_better=False)])
    assert (ranking.methods, ranking.mean_ranks.tolist()) == (("a", "b"), [1.0, 2.0])


def test_sets_that_do_not_match_are_refused():
    one = make_scores({"a": [0.1, 0.2]})
    with pytest.raises(DataError, match="at least one set of scores"):
        rank_methods([])
    with pytest.raises(DataError, match="a on 2 patients and a, b on 2"):
        rank_methods([one, make_scores({"a": [0.1, 0.2], "b": [0.1, 0.2]})])
    with pytest.raises(DataError, match="a on 2 patients and a on 1"):
        rank_methods([one, make_scores({"a": [0.1, 0.2]}, ["p", "p"])])
    with pytest.raises(ConfigError, match="at least 100 resamples"):
        rank_methods(one, resamples=1)
