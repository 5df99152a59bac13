"""Tests of every pair of methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.leaderboard.statistics.paired_scores import PairedScores
from adpfl_bench.leaderboard.statistics.signed_rank import hodges_lehmann, rank_biserial, signed_rank_p


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

    Args:
        scores: The methods' scores.

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

    Args:
        p_values: The m p-values.

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
