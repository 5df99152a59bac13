"""Exact accounting of ledgers that hold unsampled Gaussian releases only."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.optimize import brentq
from scipy.special import erf, erfcx, log_ndtr, ndtri

from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.rdp_curves import shift

_SMALLEST_MU = 1e-7  # below, the two terms of delta are the same float; epsilon is rounded up to that of this mu


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
    mu = max(mu, _SMALLEST_MU)
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
