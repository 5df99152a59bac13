r"""Hodges and Lehmann's estimate of the centre of symmetric differences.

It is the median of the Walsh averages :math:`(d_i + d_j) / 2, i \le j` (Hodges and Lehmann 1963, Estimates of Location
Based on Rank Tests, Ann. Math. Statist. 34). Ten thousand patients have fifty million of them. Of sorted differences
those sums that lie between two numbers are a range of j for every i, so that they are counted, and the few around the
median picked out, in :math:`O(n \log n)` (Johnson and Mizoguchi 1978, Selecting the Kth Element in X + Y, SIAM J.
Comput. 7). The result has the bits of the median of all sums.
"""

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.leaderboard.statistics.paired_scores import FloatArray

_ALL_SUMS = 400
"""Up to so many differences all sums are made, of which there are 80,000."""

_SAMPLE = 250
"""Quantiles whose sums bracket the median."""

_AT_ONCE = 2**21
"""Numbers that are held at once, 16 MB."""


def hodges_lehmann(differences: FloatArray) -> float:
    """Estimate the centre of differences, of shape ``[n]``.

    Example:
        >>> hodges_lehmann(np.array([0.0, 1.0, 5.0]))
        1.75
    """
    return float(hodges_lehmann_rows(differences[None])[0])


def hodges_lehmann_rows(differences: FloatArray) -> FloatArray:
    """Estimate the centre of each row, from shape ``[R, n]`` to ``[R]``."""
    rows, n = differences.shape
    if n > _ALL_SUMS:
        return np.array([_selected_median(row) for row in differences]) / 2
    size = max(1, _AT_ONCE // (n * (n + 1) // 2))
    return np.concatenate([_medians(differences[start : start + size]) for start in range(0, rows, size)]) / 2


def _medians(differences: FloatArray) -> FloatArray:
    """Medians of the sums of all pairs of each row, each number with itself too."""
    rows, n = differences.shape
    total = n * (n + 1) // 2
    sums, end = np.empty((rows, total)), 0
    for place in range(n):
        start, end = end, end + n - place
        np.add(differences[:, place:], differences[:, place, None], out=sums[:, start:end])
    # One place at a time is partitioned several times as fast as two, which numpy.median asks for.
    sums.partition(total // 2, axis=1)
    upper = sums[:, total // 2]
    if total % 2:
        return upper
    middle: FloatArray = (sums[:, : total // 2].max(axis=1) + upper) / 2
    return middle


def _selected_median(differences: FloatArray) -> float:
    """Median of the sums of all pairs of numbers, each with itself too."""
    n = len(differences)
    total = n * (n + 1) // 2
    wanted = np.array([(total - 1) // 2, total // 2])
    quantiles = np.sort(differences)[np.linspace(0, n - 1, _SAMPLE).round().astype(int)]
    sums = np.sort((quantiles[:, None] + quantiles)[np.triu_indices(_SAMPLE)])
    values, times = np.unique(differences, return_counts=True)
    reach = 0.002
    while True:
        found = _between(values, times, _quantile(sums, 0.5 - reach), _quantile(sums, 0.5 + reach), wanted)
        if found is not None:
            return float(np.mean(found))
        reach *= 4


def _quantile(ordered: FloatArray, share: float) -> float:
    """Number at a share of ascending numbers; infinite beyond their ends."""
    place = round(share * (len(ordered) - 1))
    if not 0 < place < len(ordered) - 1:
        return -np.inf if share < 0.5 else np.inf
    return float(ordered[place])


def _between(
    values: FloatArray, times: NDArray[np.int64], low: float, high: float, wanted: NDArray[np.int64]
) -> FloatArray | None:
    """Sums of all pairs at these places in ascending order; ``None`` where one is not between the two numbers.

    Equal numbers are one of ``values``, with how often it is there. Ranges are a little wider than asked for, so that
    what is left of them is below ``low``, however sums are rounded.
    """
    slack = 8 * float(np.spacing(np.abs(values[[0, -1]]).max()))
    own = np.arange(len(values))
    starts = np.maximum(np.searchsorted(values, low - slack - values), own)
    ends = np.maximum(np.searchsorted(values, high + slack - values, side="right"), starts)
    up_to = np.concatenate([[0], np.cumsum(times)])
    with_itself = times * (times - 1) // 2  # what a product counts of pairs within equal numbers that are no pairs
    below = int((times * (up_to[starts] - up_to[own]) - with_itself * (starts > own)).sum())
    lengths = ends - starts
    first = np.repeat(own, lengths)
    second = np.arange(len(first)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(starts, lengths)
    weights = times[first] * times[second] - with_itself[first] * (first == second)
    if not (below <= wanted[0] and wanted[-1] < below + weights.sum()):
        return None
    sums = values[first] + values[second]
    order = np.argsort(sums)
    found: FloatArray = sums[order[np.searchsorted(np.cumsum(weights[order]), wanted - below, side="right")]]
    return found if low <= found[0] and found[-1] <= high else None
