r"""Tests of every pair of methods, and the effect sizes that go with them.

Ranks are those of the absolute differences, averaged over ties, zeros included and then left out of both sums (Pratt
1959, Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures). :math:`W_+` and :math:`W_-` are the sums of the
ranks of positive and of negative differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from adpfl_bench.leaderboard.statistics.hodges_lehmann import hodges_lehmann_rows
from adpfl_bench.leaderboard.statistics.paired_scores import FloatArray, PairedScores

_AT_ONCE = 2**21
"""Differences that are held at once, 16 MB."""


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
    methods, patients = scores.methods, len(scores.patients)
    means = np.stack([scores.patient_means(method) for method in methods])
    first, second = np.triu_indices(len(methods), k=1)
    size = max(1, _AT_ONCE // patients)
    found = []
    for start in range(0, len(first), size):
        of_pairs = scores.settle_ties(means[first[start : start + size]] - means[second[start : start + size]])
        ranks = _pratt_ranks(of_pairs)
        found.append([_p_values(of_pairs, ranks), hodges_lehmann_rows(of_pairs), _biserial(of_pairs, ranks)])
    p_values, medians, biserial = np.concatenate(found, axis=1) if found else np.zeros((3, 0))
    deviations = [scores.seed_deviation(method) for method in methods]
    seeds = [len(scores.seeds(method)) for method in methods]
    return [
        PairwiseTest(
            first=methods[one],
            second=methods[other],
            n=patients,
            p=p,
            p_holm=p_holm,
            difference=difference,
            rank_biserial=correlation,
            seeds=(seeds[one], seeds[other]),
            seed_deviations=(deviations[one], deviations[other]),
        )
        for one, other, p, p_holm, difference, correlation in zip(
            *(column.tolist() for column in (first, second, p_values, holm(p_values), medians, biserial)), strict=True
        )
    ]


def holm(p_values: Sequence[float] | FloatArray) -> NDArray[np.float64]:
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
    return float(_p_values(differences[None], _pratt_ranks(differences[None]))[0])


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
    return float(_biserial(differences[None], _pratt_ranks(differences[None]))[0])


def _pratt_ranks(differences: FloatArray) -> FloatArray:
    """Ranks within each row of ``[R, n]``."""
    return np.asarray(stats.rankdata(np.abs(differences), axis=1), dtype=np.float64)


def _biserial(differences: FloatArray, ranks: FloatArray) -> FloatArray:
    found: FloatArray = (np.sign(differences) * ranks).sum(axis=1) / ranks.sum(axis=1)
    return found


def _p_values(differences: FloatArray, ranks: FloatArray) -> FloatArray:
    """P-values of the rows; ranks and their squares are multiples of 1/4, so that sums of them are exact."""
    signed = np.where(differences != 0, ranks, 0.0)
    observed = np.where(differences > 0, ranks, 0.0).sum(axis=1)
    untied = np.count_nonzero(differences, axis=1)
    p_values = np.ones(len(differences))
    large = untied > _LARGEST_EXACT
    deviates = (observed[large] - signed[large].sum(axis=1) / 2) / np.sqrt((signed[large] ** 2).sum(axis=1) / 4)
    p_values[large] = 2 * np.minimum(stats.norm.sf(deviates), stats.norm.cdf(deviates))
    distributions: dict[bytes, FloatArray] = {}
    for row in np.flatnonzero(~large & (untied > 0)):
        doubled = np.sort(np.rint(2 * signed[row]).astype(int))  # average ranks are multiples of 1/2
        known = distributions.get(doubled.tobytes())
        if known is None:
            known = distributions[doubled.tobytes()] = _rank_sum_distribution(doubled[doubled > 0])
        position = round(2 * float(observed[row]))
        p_values[row] = 2 * min(known[position:].sum(), known[: position + 1].sum())
    return np.minimum(p_values, 1.0)


def _rank_sum_distribution(doubled: NDArray[np.int64]) -> FloatArray:
    """Probability of each sum of (doubled) ranks, each of which is in it or not by a fair coin.

    Probabilities are multiples of a power of 1/2, and exact.
    """
    probability = np.zeros(doubled.sum() + 1)
    probability[0] = 1.0
    for rank in doubled.tolist():
        shifted = np.zeros_like(probability)
        shifted[rank:] = probability[:-rank]
        probability = (probability + shifted) / 2
    return probability
