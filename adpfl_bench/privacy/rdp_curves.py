"""Renyi divergence of one release at every order.

Two datasets are neighbours if the second lacks one unit's contribution; public numbers stay. The sums of the two differ
by a vector v whose norm is at most the sensitivity. With t = sensitivity / z, the shift in units of the noise scale:

* Gaussian noise, ``|v|_2 <= t``: ``alpha t^2 / 2`` (Mironov 2017, arXiv 1702.07476, Proposition 7). A shift with
  ``|v|_1 <= t`` has ``|v|_2 <= t`` too.
* Laplace noise, ``|v|_2 <= t``, any dimension: at most ``alpha t^2 / 2``. One coordinate shifted by ``t_i`` has
  ``R(alpha, t_i) <= alpha t_i^2 / 2``, divergences of independent coordinates add, and ``sum t_i^2 <= t^2``.
* Laplace noise, ``|v|_1 <= t``, any dimension: at most ``R(alpha, t)``, that of one coordinate (Mironov 2017, Table
  II). ``(alpha - 1) R(alpha, .)`` is the logarithm of a sum of exponentials of functions linear in t, so it is convex,
  and it is 0 at 0; hence it is superadditive, and ``sum R(alpha, t_i) <= R(alpha, sum t_i)``.

Where each unit takes part with probability q only, let P and Q be the laws of the release without and with it, given
who else takes part (the divergence of the mixtures over the others is no larger, by joint convexity), ``L = dQ/dP``
and ``a = 1 - q + q L``, the density of the mixture over P.

* Mixture from P: ``exp((alpha - 1) D) = E_P[a^alpha]``, which at an integer order is the binomial sum of
  ``C(alpha, l) (1 - q)^(alpha - l) q^l E_P[L^l]`` with ``E_P[L^l] <= exp((l - 1) eps(l))``, eps the curve without
  sampling.
* P from mixture: ``exp((alpha - 1) D) = E_P[a^(1 - alpha)]``, which is never larger. Symmetric noise gives
  ``E_P[f(L)] = E_P[L f(1/L)]``, since the reflection x -> v - x swaps P and Q. With ``b = 1 - q + q / L`` and
  ``beta = alpha - 1/2``, folding ``L < 1`` onto ``L > 1`` leaves to prove, at every L > 1,
  ``sqrt(a) sinh(beta ln a) >= L sqrt(b) sinh(beta ln(1/b))``. At beta = 1/2 both sides are ``q (L - 1) / 2``. As
  ``a b = 1 + q (1 - q) (L + 1/L - 2) >= 1``, ``ln a >= ln(1/b) >= 0``, and ``sinh(beta A) / sinh(beta B)`` does not
  decrease in beta for A >= B, because ``x coth x`` does not decrease.

This extends Theorem 5 of Mironov, Talwar and Zhang 2019 (arXiv 1908.10530) from Gaussian noise to any that is
symmetric. ``(alpha - 1) D`` of the first direction is convex in alpha and 0 at 1, so a chord bounds it between two
integers. At every order ``a^alpha <= 1 - q + q L^alpha``, since the power is convex: the better bound where epsilon is
large and the best order near 1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import ACCOUNTED_LAWS, Release

Array = NDArray[np.float64]

LEAST_NOISE = 1e-30
"""Noise multipliers below this are no noise: float32 would lose it beside any gradient, and squares would overflow."""

_FRACTIONAL = 1.0 + np.geomspace(0.0101, 1e5, 2000)
_INTEGERS = np.unique(np.concatenate([np.arange(2, 257), np.geomspace(257, 8192, 64).astype(int)]))
_LOG_FACTORIAL: Array = gammaln(np.arange(_INTEGERS[-1] + 1) + 1.0)

ORDERS: Array = _FRACTIONAL
"""Orders for ledgers without sampling.

dp-accounting's conversion is stable above 1.01. The grid is dense enough that epsilon is at most a ten-thousandth above
that of the best order; where it exceeds 10^5, the best order is below the grid and it is one hundredth.
"""

SAMPLED_ORDERS: Array = np.union1d(_FRACTIONAL, _INTEGERS.astype(float))
"""Orders for ledgers with sampled releases: those, and the integers that the sampled bound is computed at."""


def shift(release: Release) -> float:
    """Return the sensitivity in units of the noise scale; infinite without noise, 0 where there is nothing to hide.

    Noise below :data:`LEAST_NOISE` counts as none.

    Raises:
        ConfigError: No curve is proved for this mechanism.
    """
    if release.mechanism not in ACCOUNTED_LAWS:
        raise ConfigError(f"No bound is known here for the noise of {release.mechanism}.")
    if release.sensitivity == 0 or release.sampling_rate == 0:
        return 0.0
    if release.noise_multiplier < LEAST_NOISE:
        return math.inf
    return release.sensitivity / release.noise_multiplier


def rdp(release: Release, orders: Array) -> Array:
    """Bound the Renyi divergence of one release at orders above 1, the larger of both directions.

    Sampled releases get the smaller of the binomial sum (a chord between integer orders) and the bound that convexity
    gives at every order, which is never above the one without sampling.

    Raises:
        ConfigError: No curve is proved for this mechanism.
    """
    t = shift(release)
    if t == 0 or math.isinf(t):
        return np.full(orders.shape, t)
    plain = _unsampled(release, t, orders)
    if release.sampling_rate == 1:
        return plain
    knots = np.concatenate([[1.0], _INTEGERS])
    moments = np.concatenate([[0.0], _sampled_log_moments(release)])
    chords: Array = np.interp(orders, knots, moments, right=np.inf)
    convex = _log_mixture(release.sampling_rate, (orders - 1) * plain)
    smaller: Array = np.minimum(chords, convex) / (orders - 1)
    return smaller


def pure_epsilon(release: Release) -> float:
    """Pure epsilon of one release: ``log(1 + q (e^t - 1))`` for Laplace noise under L1 clipping, else infinite.

    The likelihood ratio of Laplace noise is between ``e^-t`` and ``e^t`` wherever ``|v|_1 <= t``; a sampled one is
    between ``1 - q + q e^-t`` and ``1 - q + q e^t``, of which the second is farther from 1 (``a b >= 1`` above).
    """
    t = shift(release)
    if t == 0:
        return 0.0
    if math.isinf(t) or release.mechanism != "LaplaceMechanism" or release.norm != "l1":
        return math.inf
    return float(_log_mixture(release.sampling_rate, np.array(t)))


@lru_cache(maxsize=256)
def grid_rdp(release: Release, sampled: bool) -> Array:
    """:func:`rdp` at :data:`SAMPLED_ORDERS` or :data:`ORDERS`, kept because progress bars ask often; read-only."""
    curve = rdp(release, SAMPLED_ORDERS if sampled else ORDERS)
    curve.flags.writeable = False
    return curve


def _log_mixture(q: float, x: Array) -> Array:
    """``log(1 - q + q e^x)`` for x >= 0, without overflow and without cancellation at small x."""
    small, large = np.minimum(x, 30.0), np.maximum(x, 30.0)
    return np.where(x < 30, np.log1p(q * np.expm1(small)), large + np.log(q + (1 - q) * np.exp(-large)))


def _unsampled(release: Release, t: float, orders: Array) -> Array:
    gaussian = orders * (t * t / 2)
    if release.mechanism == "GaussianMechanism" or release.norm == "l2":
        return gaussian
    twice = 2 * orders - 1
    laplace = t + np.log1p((orders - 1) * np.expm1(-twice * t) / twice) / (orders - 1)
    return np.clip(laplace, 0.0, np.minimum(gaussian, t))


@lru_cache(maxsize=256)
def _sampled_log_moments(release: Release) -> Array:
    """``(alpha - 1) RDP(alpha)`` at the integer orders.

    The binomial weights add up to 1, so the sum is 1 plus that of ``weight * (exp((l - 1) eps(l)) - 1)``, whose terms
    are all positive: nothing cancels, however small the divergence is.
    """
    q = release.sampling_rate
    powers = np.arange(2.0, _INTEGERS[-1] + 1)
    exponents = (powers - 1) * _unsampled(release, shift(release), powers)
    with np.errstate(divide="ignore"):  # an exponent may underflow to 0
        log_terms = exponents + np.log(-np.expm1(-exponents)) + powers * math.log(q) - _LOG_FACTORIAL[2:]
    moments = np.empty(len(_INTEGERS))
    for index, order in enumerate(_INTEGERS):
        others = order - np.arange(2, order + 1)
        weights = _LOG_FACTORIAL[order] - _LOG_FACTORIAL[others] + others * math.log1p(-q)
        moments[index] = np.logaddexp(0.0, logsumexp(log_terms[: order - 1] + weights))
    return moments
