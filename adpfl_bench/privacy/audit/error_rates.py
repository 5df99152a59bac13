"""Error rate of an audit: how often its tests accuse an honest run, and the exact tests that this rests on.

Each test refuses an honest run with probability at most :data:`ALPHA`, whatever it sees: where it looks at many places
(coordinates, tensors, releases, units), each has its part of that (Bonferroni). So an honest run is accused with
probability at most :data:`ERROR_RATE`, the sum over all :data:`TESTS`, however they depend on one another.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

ALPHA = 1e-7
"""Probability at most that one test refuses an honest run."""

_NOISE_TESTS = (
    "scale of all noise",
    "scale in each coordinate",
    "scale in each tensor",
    "scale in each release",
    "law",
    "sum over releases",
    "mean in each coordinate",
    "pattern of signs",
    "correlation of releases",
    "correlation of coordinates",
    "correlation with the sum, in each release",
    "correlation with the sum, in all of them",
    "scale where the sum is large and where it is small",
)
TESTS = (
    *(f"noise of the sum: {name}" for name in _NOISE_TESTS),
    *(f"noise of the threshold's statistic: {name}" for name in _NOISE_TESTS),
    "noise of sum and statistic: correlation over releases",
    "noise of sum and statistic: correlation within a release",
    "sampling: visits of each unit",
    "sampling: all visits",
    "sampling: spread of batch sizes",
    "sampling: units that come twice in a pass",
    "sampling: units that come in two steps in a row",
)
"""All tests that chance decides; the other checks compare what must be equal."""

ERROR_RATE = ALPHA * len(TESTS)
"""Probability at most that an audit accuses an honest run."""

ROUNDING = 0.002
"""A scale that is off by less than this share is the stated one: noise is added to numbers that are rounded."""


def gamma_p_values(sums: NDArray[np.float64], shape: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Two-sided p-values of sums that follow Gamma(shape, 1); those of any shape."""
    law = stats.gamma(shape)
    values: NDArray[np.float64] = np.minimum(1.0, 2 * np.minimum(law.cdf(sums), law.sf(sums)))
    return values


def normal_p_value(deviations: float, looks: int = 1) -> float:
    """Two-sided p-value of the largest of some standard normal values."""
    return min(1.0, looks * 2 * float(stats.norm.sf(abs(deviations))))


def correlation_limit(values: int, looks: int) -> float:
    """How large a correlation of so many pairs of independent normal values becomes by chance; 1 if they are too few.

    ``r sqrt((n - 2) / (1 - r^2))`` follows Student's law with n - 2 degrees of freedom.
    """
    if values < 4 or looks < 1:
        return 1.0
    student = float(stats.t.isf(ALPHA / (2 * looks), values - 2))
    return student / math.sqrt(values - 2 + student**2)


def binomial_p_value(count: int, trials: int, probability: float, looks: int = 1) -> float:
    """Two-sided p-value of a number of successes, at the worst of so many looks."""
    law = stats.binom(trials, probability)
    return min(1.0, looks * 2 * float(min(law.cdf(count), law.sf(count - 1))))
