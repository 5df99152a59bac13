"""Exact and numerical accounting of ledgers that hold Gaussian releases only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf, erfcx, log_ndtr, ndtri

from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.rdp_curves import rdp, shift

_PLD_DIVERGENCE = 1e4
_PLD_DELTA = 1e-10
_FINEST, _COARSEST = 5e4, 1e-2


def gaussian_epsilon(mu: float, delta: float) -> float:
    """Return the exact epsilon of mu-Gaussian DP, never rounded below it.

    ``delta = Phi(mu/2 - eps/mu) - e^eps Phi(-mu/2 - eps/mu)`` (Balle and Wang 2018, arXiv 1805.06530, Theorem 8; Dong,
    Roth and Su 2019, arXiv 1905.02383, Corollary 2.13). It is solved for ``x = mu/2 - eps/mu``, in which
    ``e^eps Phi(x - mu) = exp(-x^2/2) erfcx((mu - x) / sqrt 2) / 2``, so that e^eps is never formed.

    Args:
        mu: Distance of the two means in standard deviations, of all releases together.
        delta: Between 0 and 1.

    Example:
        >>> round(gaussian_epsilon(1.0, 1e-5), 3)
        4.377
    """
    if math.isinf(mu):
        return math.inf
    if erf(mu / math.sqrt(8)) <= delta:
        return 0.0
    target = math.log(delta)
    low = float(ndtri(delta)) - 0.01  # Phi(x) alone is below delta there
    x = float(brentq(lambda x: _log_delta(x, mu) - target, low, mu / 2, xtol=1e-13, rtol=1e-14))
    slack = 1e-11 + 1e-15 * (4 + x * x) / mu  # more than the rounding of the logarithm of delta
    step = 1e-12 * (1 + abs(x))
    while _log_delta(x, mu) > target - slack:
        x, step = x - step, 2 * step
    return mu * (mu / 2 - x)


def _log_delta(x: float, mu: float) -> float:
    first = float(log_ndtr(x))
    second = math.log(erfcx((mu - x) / math.sqrt(2)) / 2) - x * x / 2
    return first + math.log(-math.expm1(second - first)) if second < first else -math.inf


def composed_mu(events: Sequence[tuple[Release, int]]) -> float:
    """Compose unsampled Gaussian releases: ``mu^2 = sum count t^2`` (Dong, Roth and Su 2019, Corollary 3.3)."""
    return math.sqrt(math.fsum(count * shift(release) ** 2 for release, count in events))


def pld_applies(events: Sequence[tuple[Release, int]], delta: float) -> bool:
    """Say whether :func:`pld_epsilon` is worth its time and precise.

    It is not where the Renyi divergences of order 2 add up to more than 10^4 (epsilon is then far from any use, and the
    distribution is long), nor at a delta below 1e-10, near the rounding of its convolutions.
    """
    divergence = sum(count * float(rdp(release, np.array([2.0]))[0]) for release, count in events)
    return delta >= _PLD_DELTA and divergence <= _PLD_DIVERGENCE


def pld_epsilon(events: Sequence[tuple[Release, int]], delta: float) -> float:
    """Return epsilon from the privacy-loss distribution of Gaussian releases, some of them Poisson-sampled.

    Adding and removing a unit are composed apart, and the larger epsilon counts. dp-accounting rounds every loss up
    (Doroshenko et al. 2022, arXiv 2207.04380), so the result is an upper bound. The grid depends on the kinds of
    releases and not on their number or delta, so the result is monotone in these.
    """
    interval = _interval(tuple(release for release, _ in events))
    plain = [(release, count) for release, count in events if release.sampling_rate == 1]
    parts = [
        _pld(shift(release), release.sampling_rate, interval).self_compose(count)
        for release, count in events
        if release.sampling_rate < 1
    ]
    if plain:
        parts.append(_pld(composed_mu(plain), 1.0, interval))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.compose(part)
    return float(whole.get_epsilon_for_delta(delta))


def _interval(releases: tuple[Release, ...]) -> float:
    """Step of the grid of losses: a twentieth of a release's typical loss, unless the grid would be too long."""
    typical = min(math.sqrt(float(rdp(release, np.array([2.0]))[0])) for release in releases)
    longest = max(shift(release) * 10 + shift(release) ** 2 / 2 for release in releases)
    step = min(max(typical / 20, longest / _FINEST), _COARSEST)
    return 2.0 ** math.floor(math.log2(step))


@lru_cache(maxsize=64)
def _pld(t: float, sampling_rate: float, interval: float) -> Any:
    from dp_accounting.pld import privacy_loss_distribution  # deferred: slow to import

    return privacy_loss_distribution.from_gaussian_mechanism(
        1 / t, value_discretization_interval=interval, sampling_prob=sampling_rate
    )
