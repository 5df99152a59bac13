"""Attack on canaries: what releases say about each, to somebody who knows everything else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg, special, stats
from torch import Tensor

from adpfl_bench.privacy.clipping import Norm, clip_factors, group_norms

ROUNDING = 1e-4
"""How well gradients can be computed again in float32, on the safe side."""

# Below this share of the noise in each coordinate, a canary's gradient moves the noise's density in a straight line.
_FAINT = 0.25
_COLUMNS = 2**16  # as many are held in float64 at a time


class CanaryAttack:
    """Evidence for each canary's coin, collected release by release.

    A release less what is known of it is the sum of the gradients of those canaries that took part, under noise.
    Where all that are in take part, one system of normal equations holds all releases, with the coins as unknowns
    that have mean 1/2 and variance 1/4; a coin of posterior mean p and variance v has the log-likelihood ratio
    ``(p - 1/2) / v``. Where a canary takes part with a secret probability q, each release has unknowns of its own, of
    mean q/2; with the ratio x of a release, it adds ``log(1 - q + q e^x)``.

    Args:
        count: Number of canaries m.
        rounding: What is taken for the deviation of noise where there is less, as a share of the canaries' gradients.
    """

    def __init__(self, count: int, rounding: float = ROUNDING) -> None:
        self._rounding = rounding
        self._information: NDArray[np.float64] = np.zeros((count, count))
        self._weighted: NDArray[np.float64] = np.zeros(count)
        self._sampled: NDArray[np.float64] = np.zeros(count)

    def see(
        self, slots: Sequence[int], rows: Tensor, residual: Tensor, deviation: float, sampling_rate: float = 1.0
    ) -> None:
        """Learn from one release.

        Args:
            slots: Canaries that may have taken part, k of them.
            rows: What each adds to the release if it does, [k, P].
            residual: The release, less everything that is known of it, [P].
            deviation: Standard deviation of its noise in each coordinate.
            sampling_rate: Probability of taking part, of those that are in.
        """
        if not slots:
            return
        largest = float(group_norms([rows]).max())
        precision = max(deviation, self._rounding * largest) ** -2 if largest > 0 else 0.0
        gram, weighted = (precision * part for part in _products(rows, residual))
        places = np.asarray(slots)
        if sampling_rate >= 1:
            self._information[np.ix_(places, places)] += gram
            self._weighted[places] += weighted
            return
        mean = sampling_rate / 2
        ratio = _log_ratio(gram, weighted, mean, mean * (1 - mean))
        self._sampled[places] += np.logaddexp(math.log1p(-sampling_rate), math.log(sampling_rate) + ratio)

    @property
    def evidence(self) -> NDArray[np.float64]:
        """Log-likelihood ratio of in to out for each canary, [m]; 0 for those that nothing is known of."""
        return self._sampled + _log_ratio(self._information, self._weighted, 0.5, 0.25)


def _log_ratio(
    information: NDArray[np.float64], weighted: NDArray[np.float64], mean: float, variance: float
) -> NDArray[np.float64]:
    """Log-likelihood ratios of coefficients 1 to 0, from Gaussian observations of their linear combinations.

    With prior mean p and variance t, and posterior mean and variance m and v, what the observations alone say of a
    coefficient has precision ``1/v - 1/t`` and mean times precision ``m/v - p/t``; their ratio at 1 and 0 follows.
    """
    size = len(weighted)
    posterior = linalg.cho_solve(linalg.cho_factor(information + np.eye(size) / variance), np.eye(size))
    shift = posterior @ (weighted - mean * information.sum(axis=1))
    precision = 1 / np.diag(posterior)
    ratio: NDArray[np.float64] = (mean - 0.5 + shift) * precision - (mean - 0.5) / variance
    return ratio


def _products(rows: Tensor, other: Tensor) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``rows rows^T`` [k, k] and ``rows other`` [k], in float64: near-parallel rows leave nothing to round."""
    gram = rows.new_zeros(len(rows), len(rows), dtype=torch.float64)
    weighted = rows.new_zeros(len(rows), dtype=torch.float64)
    for start in range(0, rows.shape[1], _COLUMNS):
        part = rows[:, start : start + _COLUMNS].double()
        gram += part @ part.T
        weighted += part @ other[start : start + _COLUMNS].double()
    return gram.cpu().numpy(), weighted.cpu().numpy()


def linearised(residual: Tensor, expected: Tensor, scale: float, laplace: bool) -> tuple[Tensor, float]:
    """Turn a residual into the observation that tells most of its signal under noise of this law.

    Signs tell twice as much about a faint signal under Laplace noise as values do: the Fisher information of its place
    is ``1 / b^2``, and its variance ``2 b^2``.

    Args:
        residual: Signal and noise, [P].
        expected: Mean of the signal, [P].
        scale: Scale of the noise.
        laplace: Whether it is Laplace noise; otherwise Gaussian.

    Returns:
        The observation, and its standard deviation.
    """
    if not laplace or scale == 0:
        return residual, scale
    if float(expected.square().mean().sqrt()) > _FAINT * scale:
        return residual, math.sqrt(2) * scale
    return expected + scale * torch.sign(residual - expected), scale


def batch_factor(known: Tensor, rows: Tensor, release: Tensor, deviation: float, threshold: float, norm: Norm) -> float:
    """Estimate the factor that a batch's mean gradient was clipped by, which depends on the coins.

    The release is ``a (known + sum_i b_i rows_i)`` under noise, with a factor a that follows from the coins b. Least
    squares say in which order the canaries are likely to be in; of the outcomes in which the first k of them are, each
    is weighed by its likelihood and by the probability of k, and their factors are averaged.

    Args:
        known: What the other units bring to the mean gradient, [P].
        rows: What each canary of the batch would bring to it, [k, P].
        release: The release, [P].
        deviation: Standard deviation of its noise.
        threshold: The clipping threshold.
        norm: The norm that is clipped.
    """
    columns = torch.cat([known[None], rows])
    largest = float(group_norms([columns], norm).max())
    if largest == 0:
        return 1.0
    gram, weighted = _products(columns, release)
    ridge = 1e-6 * float(np.trace(gram)) / len(gram) * np.eye(len(gram))
    likeliest_first = np.argsort(-linalg.solve(gram + ridge, weighted, assume_a="pos")[1:], kind="stable")
    means = columns[[0, *(likeliest_first + 1).tolist()]].cumsum(0)
    factors = clip_factors(group_norms([means], norm), threshold)
    distances = group_norms([release - factors[:, None] * means], "l2").double().cpu().numpy()
    noise = max(deviation, ROUNDING * min(threshold, largest))
    prior = stats.binom.logpmf(np.arange(len(means)), len(rows), 0.5)
    weights = special.softmax(prior - (distances / noise) ** 2 / 2)
    return float(weights @ factors.double().cpu().numpy())
