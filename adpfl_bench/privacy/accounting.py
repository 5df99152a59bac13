"""From counted releases to (epsilon, delta)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from adpfl_bench.privacy.ledger import PrivacyLedger, Release

# dp-accounting's conversion is stable for orders above 1.01. The grid is dense enough that epsilon is at most a
# ten-thousandth above that of the best order; where it exceeds 10^5, the best order is below the grid and it is one
# hundredth.
_ORDERS = 1.0 + np.geomspace(0.0101, 1e5, 2000)

ACCOUNTED_MECHANISMS = ("GaussianMechanism", "LaplaceMechanism")
"""The laws of noise that the bound of :func:`zcdp_rho` is proved for."""


@dataclass(frozen=True)
class Accounted:
    """What a proof supports for the releases that really happened.

    Attributes:
        epsilon: The guarantee, or ``None`` where there is none.
        delta: The delta it holds at.
        reason: Why there is no guarantee; ``None`` where there is one.
    """

    epsilon: float | None
    delta: float
    reason: str | None = None


def zcdp_rho(release: Release) -> float:
    """Compute the zero-concentrated DP parameter rho of one release.

    Gaussian noise with standard deviation ``z C`` under L2 sensitivity ``s C`` satisfies ``rho = s^2 / (2 z^2)``
    (Bun and Steinke 2016, arXiv 1605.02065, Proposition 1.6).

    Laplace noise with scale ``b = z C`` satisfies the same bound in any dimension: for one coordinate shifted by t
    (in units of b) its Renyi divergence of order alpha is at most ``alpha t^2 / 2``; divergences of independent
    coordinates add, and the squared shifts add up to at most ``(s C / b)^2``.
    """
    if release.noise_multiplier == 0:
        return float("inf")
    return release.sensitivity**2 / (2 * release.noise_multiplier**2)


@lru_cache(maxsize=1024)  # progress bars ask at every step, and it changes once per local epoch
def zcdp_epsilon(rho: float, delta: float) -> float:
    """Convert rho-zCDP to the epsilon of (epsilon, delta)-DP.

    Uses dp-accounting's conversion from Renyi DP (Canonne, Kamath and Steinke 2020, arXiv 2004.00010, Proposition
    12), with ``RDP(alpha) = alpha rho``.

    Example:
        >>> round(zcdp_epsilon(0.5, 1e-5), 2)
        4.73
    """
    if np.isinf(rho):
        return float("inf")
    # Deferred: it takes as long to import as everything else here together.
    from dp_accounting.rdp import compute_epsilon

    epsilon, _ = compute_epsilon(_ORDERS.tolist(), (_ORDERS * rho).tolist(), delta)
    return float(epsilon)


def client_epsilon(events: Mapping[Release, int], delta: float) -> float:
    """Compose a client's releases (rho adds) and convert the sum; 0 where nothing was released."""
    rho = sum(count * zcdp_rho(release) for release, count in events.items())
    return zcdp_epsilon(rho, delta) if rho > 0 else 0.0


def federation_epsilon(ledger: PrivacyLedger, delta: float) -> float:
    """The federation's epsilon: the largest over its clients, since each client's data are its own."""
    return max((client_epsilon(ledger.events(client), delta) for client in ledger.clients()), default=0.0)
