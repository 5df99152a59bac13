r"""Tests of every pair of methods, and the effect sizes that go with them.

Ranks are those of the absolute differences, averaged over ties, zeros included and then left out of both sums (Pratt
1959, Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures). :math:`W_+` and :math:`W_-` are the sums of the
ranks of positive and of negative differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from adpfl_bench.leaderboard.statistics.paired_scores import FloatArray, PairedScores


@dataclass(frozen=True)
class PairwiseTest:
    """Two methods on the same patients.

    Attributes:
        first: Name of one method.
        second: Name of the other; differences are first minus second.
        n: Number of patients.
        p: P-value of the signed-rank test.
        p_holm: The same, corrected for all pairs.
        difference: Hodges and Lehmann's median difference, in the score's unit.
        rank_biserial: Matched-pairs rank-biserial correlation, in [-1, 1]; 1 if the first scores higher everywhere.
        seeds: Number of seeds of the first and of the second method.
        seed_deviations: Standard deviation over seeds of the mean score of the first and of the second method, which
            the test does not cover; ``None`` for one seed.
    """

    first: str
    second: str
    n: int
    p: float
    p_holm: float
    difference: float
    rank_biserial: float
    seeds: tuple[int, int]
    seed_deviations: tuple[float | None, float | None]


def pairwise_tests(scores: PairedScores) -> list[PairwiseTest]:
    """Test for every pair of methods whether one scores higher than the other on the same patients.

    Each case's score is averaged over the method's seeds and each patient's over its cases, since neither repeated
    runs nor images of one patient are independent observations. The paired differences of the P patients go through
    Wilcoxon's signed-rank test (`signed_rank_p`: Pratt's zeros; p = 1 where two methods agree on every patient), and
    the p-values through Holm's correction over all pairs (`holm`).

    The test asks whether *these trained models* differ on other patients of the same population. It does not cover that
    training again would give other models: if seeds differ by as much as methods do, two runs of one method are
    "significantly" different. Report ``seed_deviations`` beside p, and `MeanBootstrap.difference`, which covers both.

    Returns:
        One test per pair, in the order of ``scores.methods``; none for a single method.
    """
    means = {method: scores.patient_means(method) for method in scores.methods}
    pairs = list(combinations(scores.methods, 2))
    differences = [scores.settle_ties(means[first] - means[second]) for first, second in pairs]
    p_values = [signed_rank_p(of_pair) for of_pair in differences]
    deviations = {method: scores.seed_deviation(method) for method in scores.methods}
    return [
        PairwiseTest(
            first=first,
            second=second,
            n=len(scores.patients),
            p=p,
            p_holm=float(p_holm),
            difference=hodges_lehmann(of_pair),
            rank_biserial=rank_biserial(of_pair),
            seeds=(len(scores.seeds(first)), len(scores.seeds(second))),
            seed_deviations=(deviations[first], deviations[second]),
        )
        for (first, second), of_pair, p, p_holm in zip(pairs, differences, p_values, holm(p_values), strict=True)
    ]


def holm(p_values: Sequence[float]) -> NDArray[np.float64]:
    r"""Holm's step-down correction: adjusted p-values that bound the chance of any false rejection.

    With the m values in ascending order, :math:`\tilde p_{(i)} = \max_{j \le i} \min(1, (m - j + 1) p_{(j)})`.
    Rejecting where :math:`\tilde p \le \alpha` keeps the family-wise error rate below :math:`\alpha` under any
    dependence of the tests (Holm 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scand. J. Statist. 6).

    Returns:
        Adjusted p-values in the order given, of shape ``[m]``.

    Example:
        >>> holm([0.01, 0.04, 0.03]).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


_LARGEST_EXACT = 50


def signed_rank_p(differences: FloatArray) -> float:
    r"""P-value of Wilcoxon's signed-rank test that differences are distributed symmetrically about zero.

    Up to 50 differences other than zero it is exact: given the absolute differences, each sign is positive with
    probability 1/2, and the distribution of :math:`W_+` over the :math:`2^k` signs follows by convolution, ties and
    zeros included. Without either, this is the tabulated distribution (Wilcoxon 1945, Individual Comparisons by Ranking
    Methods, Biometrics Bulletin 1). Above, it is the normal approximation with that distribution's mean and variance,
    half the sum of the ranks and a quarter of the sum of their squares. The two-sided value is twice the smaller
    one-sided one, at most 1. If all differences are zero, nothing speaks against the hypothesis, and p = 1.

    Args:
        differences: Of shape ``[n]``; equal absolute values must be equal floats.

    Example:
        >>> signed_rank_p(np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
        0.0625
    """
    ranks = _pratt_ranks(differences)
    signed = ranks[differences != 0]
    if not len(signed):
        return 1.0
    observed = float(ranks[differences > 0].sum())
    greater, less = _exact_tails(observed, signed) if len(signed) <= _LARGEST_EXACT else _normal_tails(observed, signed)
    return min(1.0, 2 * min(greater, less))


def rank_biserial(differences: FloatArray) -> float:
    r"""Matched-pairs rank-biserial correlation, in [-1, 1].

    :math:`r = (W_+ - W_-) / \frac{n(n+1)}{2}`: the share of the rank sum that speaks for positive differences minus the
    share that speaks for negative ones (Kerby 2014, The Simple Difference Formula, Comprehensive Psychology 3). The
    ranks of zeros are in the total and speak for neither.

    Args:
        differences: Of shape ``[n]``; equal absolute values must be equal floats.

    Example:
        >>> rank_biserial(np.array([0.1, 0.2, 0.3, -0.4]))
        0.2
    """
    ranks = _pratt_ranks(differences)
    return float((np.sign(differences) * ranks).sum() / ranks.sum())


def hodges_lehmann(differences: FloatArray) -> float:
    r"""Hodges and Lehmann's estimate of the centre of symmetric differences.

    The median of the Walsh averages :math:`(d_i + d_j) / 2, i \le j` (Hodges and Lehmann 1963, Estimates of Location
    Based on Rank Tests, Ann. Math. Statist. 34). Takes some :math:`12 n^2` bytes.

    Example:
        >>> hodges_lehmann(np.array([0.0, 1.0, 5.0]))
        1.75
    """
    sums = [differences[start:] + first for start, first in enumerate(differences)]
    return float(np.median(np.concatenate(sums))) / 2


def _exact_tails(observed: float, ranks: FloatArray) -> tuple[float, float]:
    """How likely a rank sum of at least, and of at most, the observed one is."""
    doubled = np.rint(2 * ranks).astype(int)  # average ranks are multiples of 1/2
    probability = np.zeros(doubled.sum() + 1)
    probability[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(probability)
        shifted[rank:] = probability[:-rank]
        probability = (probability + shifted) / 2
    position = round(2 * observed)
    return float(probability[position:].sum()), float(probability[: position + 1].sum())


def _normal_tails(observed: float, ranks: FloatArray) -> tuple[float, float]:
    deviate = (observed - ranks.sum() / 2) / np.sqrt((ranks**2).sum() / 4)
    return float(stats.norm.sf(deviate)), float(stats.norm.cdf(deviate))


def _pratt_ranks(differences: FloatArray) -> FloatArray:
    return np.asarray(stats.rankdata(np.abs(differences)), dtype=np.float64)
