"""Rankings of methods as segmentation challenges make them, and how firm they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from adpfl_bench.errors import DataError
from adpfl_bench.leaderboard.statistics.paired_scores import FloatArray, PairedScores, patient_counts


@dataclass(frozen=True, eq=False)
class Ranking:
    """The order of M methods, best first.

    Attributes:
        methods: Their names, best first; tied ones in the order given.
        ranks: Final ranks from 1, of shape ``[M]``; tied methods share the best of their ranks.
        mean_ranks: Mean over patients and metrics of the ranks within a patient, of shape ``[M]``.
        proportions: In which share of the resamples each method (row) had each final rank (column), ``[M, M]``.
        kendall_taus: Kendall's tau-b between ``ranks`` and each resample's final ranks, ``[resamples]``; 1 where the
            order is the same.
        n: Number of patients.
    """

    methods: tuple[str, ...]
    ranks: NDArray[np.int64]
    mean_ranks: FloatArray
    proportions: FloatArray
    kendall_taus: FloatArray
    n: int

    @property
    def stability(self) -> float:
        """Mean of ``kendall_taus``: 1 if other patients give the same order, 0 if they give any order."""
        return float(self.kendall_taus.mean())


def rank_methods(scores: PairedScores | Sequence[PairedScores], resamples: int = 10_000, seed: int = 0) -> Ranking:
    """Rank for each patient, then aggregate: the ranking of BraTS.

    For each patient and each set of scores the methods are ranked (1 is best; equal ones get the average of their
    ranks) by their means over seeds and the patient's cases. The mean of a method's ranks over patients and sets
    decides its final rank. How firm that is, patients resampled with replacement say (Wiesenfarth et al. 2021, Methods
    and Open-Source Toolkit for Analyzing and Visualizing Challenge Results, Sci. Rep. 11).

    The resamples do not cover the variation between training runs.

    Args:
        scores: One set of scores, or several metrics or regions of the same methods and patients, each with its
            direction ``higher_is_better``.
        resamples: Number of resamples, at least 100.
        seed: Everything follows from it.

    Raises:
        DataError: There is no set of scores, or sets differ in methods or patients.
        ConfigError: There are fewer than 100 resamples.
    """
    sets = [scores] if isinstance(scores, PairedScores) else list(scores)
    _check(sets)
    methods = np.array(sets[0].methods)
    # Sums of average ranks are multiples of 1/2 and exact, so that ties stay ties.
    rank_sums = np.sum([_patient_ranks(one, sets[0].methods) for one in sets], axis=0)
    total = rank_sums.sum(axis=0)
    order = np.argsort(total, kind="stable")
    rank_sums, total = rank_sums[:, order], total[order]
    n = len(rank_sums)
    chunks = [_final_ranks(counts @ rank_sums) for counts in patient_counts(n, resamples, seed)]
    resampled, ranks = np.concatenate(chunks), _final_ranks(total[None])
    return Ranking(
        methods=tuple(str(method) for method in methods[order]),
        ranks=ranks[0],
        mean_ranks=total / (n * len(sets)),
        proportions=_proportions(resampled),
        kendall_taus=_kendall_tau(ranks, resampled),
        n=n,
    )


def _check(sets: Sequence[PairedScores]) -> None:
    if not sets:
        raise DataError("Expected at least one set of scores to rank methods by, but there is none.")
    for one in sets[1:]:
        if set(one.methods) != set(sets[0].methods) or one.patients != sets[0].patients:
            raise DataError(
                f"Expected sets of scores of the same methods and patients, but found {', '.join(sets[0].methods)} on"
                f" {len(sets[0].patients)} patients and {', '.join(one.methods)} on {len(one.patients)}, or other"
                " patients: rank them apart."
            )


def _patient_ranks(scores: PairedScores, methods: Sequence[str]) -> FloatArray:
    """Average ranks within each patient, of shape ``[P, M]``."""
    means = scores.settle_ties(np.stack([scores.patient_means(method) for method in methods], axis=1))
    return np.asarray(stats.rankdata(-means if scores.higher_is_better else means, axis=1), dtype=np.float64)


def _final_ranks(rank_sums: FloatArray) -> NDArray[np.int64]:
    """Ranks from 1 along the last axis; tied ones share the best."""
    return np.asarray(stats.rankdata(rank_sums, method="min", axis=1), dtype=np.int64)


def _proportions(resampled: NDArray[np.int64]) -> FloatArray:
    """In which share of the resamples each method (row) had each rank (column)."""
    count = resampled.shape[1]
    cells = np.bincount((np.arange(count) * count + resampled - 1).ravel(), minlength=count**2)
    proportions: FloatArray = cells.reshape(count, count) / len(resampled)
    return proportions


def _kendall_tau(ranks: NDArray[np.int64], resampled: NDArray[np.int64]) -> FloatArray:
    """Kendall's tau-b of each row of ``resampled`` with ``ranks``.

    Where all methods tie in one of them tau-b is 0/0; it is set to 1 if they tie in both, and to 0 otherwise.
    """
    agreeing = np.zeros(len(resampled), dtype=np.int64)
    untied_theirs = np.zeros(len(resampled), dtype=np.int64)
    untied = 0
    theirs = np.ascontiguousarray(resampled.T)  # a method in a row, so that each is compared with all after it
    for place in range(len(theirs) - 1):
        ours = np.sign(ranks[0, place] - ranks[0, place + 1 :])
        signs = np.sign(theirs[place] - theirs[place + 1 :])
        agreeing += ours @ signs
        untied_theirs += np.count_nonzero(signs, axis=0)
        untied += int(np.count_nonzero(ours))
    pairs = np.sqrt(untied * untied_theirs)
    both_tie_all = (untied == 0) & (untied_theirs == 0)
    tau: FloatArray = np.where(both_tie_all, 1.0, agreeing / np.maximum(pairs, 1.0))
    return tau
