r"""Wilcoxon's signed-rank test of paired differences, and the effect sizes that go with it.

Ranks are those of the absolute differences, averaged over ties, zeros included and then left out of both sums (Pratt
1959, Remarks on Zeros and Ties in the Wilcoxon Signed Rank Procedures). :math:`W_+` and :math:`W_-` are the sums of the
ranks of positive and of negative differences.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

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

    Args:
        differences: Of shape ``[n]``.

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
