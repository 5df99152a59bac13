"""Reliability of probabilities: how often what was predicted with a probability is true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from adpfl_bench.metrics.functional.masks import BoolArray, FloatArray

BINS = 15
"""Bins of equal width that [0, 1] is divided into, as in Guo et al. (2017, arXiv 1706.04599)."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Probabilities and what came true, in bins of equal width; two of them add up.

    Attributes:
        counts: Number of predictions in each bin, of shape ``[BINS]``.
        sums: Sum of their probabilities.
        positives: Number of those that are true.
    """

    counts: npt.NDArray[np.int64]
    sums: FloatArray
    positives: npt.NDArray[np.int64]

    @classmethod
    def of(cls, probabilities: npt.NDArray[np.floating], truth: BoolArray) -> Reliability:
        """Sort predictions into bins; a bin holds its lower end, and the last one 1 too.

        Args:
            probabilities: In [0, 1], of any shape; those that are no numbers, of a model that diverged, are left out.
            truth: Of the same shape.
        """
        known = np.isfinite(probabilities).ravel()
        values, came = probabilities.astype(np.float64).ravel()[known], truth.ravel()[known]
        places = np.minimum((values * BINS).astype(np.int64), BINS - 1)
        return cls(
            np.bincount(places, minlength=BINS),
            np.bincount(places, weights=values, minlength=BINS).astype(np.float64),
            np.bincount(places[came], minlength=BINS),
        )

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(self.counts + other.counts, self.sums + other.sums, self.positives + other.positives)

    @property
    def error(self) -> float:
        """Expected calibration error, in [0, 1].

        The mean over predictions of how far, in their bin, the mean probability is from the share that is true (Naeini
        et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning"; not a number without any).
        """
        total = int(self.counts.sum())
        return float(np.abs(self.sums - self.positives).sum() / total) if total else float("nan")

    @property
    def means(self) -> FloatArray:
        """Mean probability in each bin; not a number in an empty one."""
        return _shares(self.sums, self.counts)

    @property
    def frequencies(self) -> FloatArray:
        """Share that is true in each bin; not a number in an empty one."""
        return _shares(self.positives, self.counts)


def _shares(sums: npt.NDArray[np.float64 | np.int64], counts: npt.NDArray[np.int64]) -> FloatArray:
    shares = np.full(BINS, np.nan)
    np.divide(sums, counts, out=shares, where=counts > 0)
    return shares
