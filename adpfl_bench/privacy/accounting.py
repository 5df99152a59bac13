"""Accounting: from counted releases to (epsilon, delta), by the tightest accountant that is proved for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from functools import lru_cache

import numpy as np

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.gaussian_dp import composed_mu, gaussian_epsilon
from adpfl_bench.privacy.ledger import PrivacyUnit, Release
from adpfl_bench.privacy.loss_distribution import pld_applies, pld_epsilon
from adpfl_bench.privacy.rdp_curves import (
    ORDERS,
    SAMPLED_ORDERS,
    Array,
    grid_rdp,
    pure_epsilon,
    shift,
)

_Events = tuple[tuple[Release, int], ...]


@dataclass(frozen=True)
class Accounted:
    """The guarantee that is proved for the releases that really happened.

    Attributes:
        epsilon: The guarantee, or ``None`` where there is none.
        delta: The delta it holds at.
        reason: Why there is no guarantee; ``None`` where there is one.
        accountant: Name of the proof that epsilon comes from, see :func:`accountant`.
        not_covered: What the number does not cover, for example stopping early by private validation.
        claimed: What the number rests on that its author states, and not a proof of this suite.
        by_client: The guarantee of every client that has released anything; epsilon is the largest.
    """

    epsilon: float | None
    delta: float
    reason: str | None = None
    accountant: str | None = None
    not_covered: tuple[str, ...] = ()
    by_client: Mapping[str, float] = field(default_factory=dict)
    claimed: tuple[str, ...] = ()


def rdp_epsilon(events: Mapping[Release, int], delta: float) -> float:
    """Add up a client's Renyi divergences and convert the sum; 0 where nothing was released.

    Where all noise is Laplace under L1 clipping, pure epsilons add up too, and the smaller result counts.

    Raises:
        ConfigError: delta is not between 0 and 1, or no bound is proved for a mechanism.
    """
    return _rdp_epsilon(_effective(events), _checked(delta))


def client_epsilon(events: Mapping[Release, int], delta: float) -> float:
    """Epsilon of a client's releases by the accountant that :func:`accountant` names; 0 where nothing was released.

    Raises:
        ConfigError: delta is not between 0 and 1, or no bound is proved for a mechanism.
    """
    return _client_epsilon(_effective(events), _checked(delta))


def group_epsilon(events: Mapping[Release, int], delta: float, size: int, unit: PrivacyUnit = "patient") -> float:
    """Epsilon for a person who is ``size`` units of one client, at the same delta; 0 where nothing was released.

    * Not sampled: the group's units are in one step of a pass or in several, which they shift by parts of ``size t``.
      That all are in one is the worst: ``(sum t_i)^2 >= sum t_i^2`` for Gaussian noise and Laplace noise under L2
      clipping, and the lemma of :mod:`adpfl_bench.privacy.loss_distribution` under L1 clipping. So t is multiplied.
    * Poisson-sampled: at least one of the units is in a step with probability ``1 - (1 - q)^size``, and then the shift
      is at most ``size t``; by joint convexity of the divergences it may be taken to be that. For Gaussian noise the
      exact mixture counts where it is smaller, see :func:`~adpfl_bench.privacy.loss_distribution.pld_epsilon`.
    * ``batch``: a batch's gradient stays in its ball whoever is in it, but up to ``size`` batches of a pass have one of
      the group, so the number of releases is multiplied.

    Args:
        events: The client's releases, with the shift that one unit brings about, and how often each was made.
        delta: Between 0 and 1.
        size: Number of the person's units, at least 1.
        unit: The privacy unit of the releases.

    Raises:
        ConfigError: A number is out of range, no bound is proved for a mechanism, or the unit is one that nobody has
            several of in one client.
    """
    if size < 1:
        raise ConfigError(f"A person has at least 1 unit, but the size of a group is {size}.")
    if size > 1 and unit in ("none", "client"):
        raise ConfigError(f"No person has {size} units in one client where the privacy unit is {unit}.")
    kept = _effective(events)
    if size == 1:
        return _client_epsilon(kept, _checked(delta))
    return _group_epsilon(kept, _checked(delta), size, unit == "batch")


def accountant(events: Mapping[Release, int], delta: float = 1e-5) -> str:
    """Name the accountant of these releases.

    * ``Gaussian DP``: only unsampled Gaussian noise; exact.
    * ``PLD``: sampled Gaussian noise and Laplace noise under L1 clipping; the privacy-loss distribution, exact but for
      its grid (RDP or the sum of pure epsilons where that makes it larger).
    * ``zCDP``: unsampled, with Laplace noise under L2 clipping; an upper bound.
    * ``RDP``: everything else; an upper bound. That includes noise whose distribution is not computed, see
      :func:`adpfl_bench.privacy.loss_distribution.pld_applies`.

    Args:
        events: Releases and how often each was made.
        delta: Matters only below 1e-10, where no distribution is computed.

    Raises:
        ConfigError: No bound is proved for a mechanism.
    """
    return _accountant(_effective(events), delta)


def _accountant(events: _Events, delta: float) -> str:
    unsampled = all(release.sampling_rate == 1 for release, _ in events)
    if unsampled and all(release.mechanism == "GaussianMechanism" for release, _ in events):
        return "Gaussian DP"
    if pld_applies(events, delta):
        return "PLD"
    l2 = all(release.mechanism == "GaussianMechanism" or release.norm == "l2" for release, _ in events)
    return "zCDP" if unsampled and l2 else "RDP"


@lru_cache(maxsize=4096)  # progress bars ask at every step, and it changes once per release
def _client_epsilon(events: _Events, delta: float) -> float:
    if any(np.isinf(shift(release)) for release, _ in events):
        return float("inf")
    name = _accountant(events, delta)
    if name == "Gaussian DP":
        return gaussian_epsilon(composed_mu(events), delta)
    upper = _rdp_epsilon(events, delta)
    return min(pld_epsilon(events, delta), upper) if name == "PLD" else upper


@lru_cache(maxsize=4096)
def _group_epsilon(events: _Events, delta: float, size: int, in_a_ball: bool) -> float:
    together: _Events = tuple((_together(release, size, in_a_ball), count) for release, count in events)
    if in_a_ball:
        sampled = all(release.sampling_rate < 1 for release, _ in events)
        return _client_epsilon(together if sampled else tuple((r, size * count) for r, count in together), delta)
    simple = _client_epsilon(together, delta)
    laws = {release.mechanism for release, _ in events if release.sampling_rate < 1}
    if laws == {"GaussianMechanism"} and pld_applies(events, delta, size):
        return min(simple, pld_epsilon(events, delta, size))
    return simple


def _together(release: Release, size: int, in_a_ball: bool) -> Release:
    """The release with the shift, and the chance of it, that a group brings about."""
    some = -math.expm1(size * math.log1p(-release.sampling_rate)) if release.sampling_rate < 1 else 1.0
    times = 1 if in_a_ball else size
    return replace(release, sensitivity=times * release.sensitivity, sampling_rate=some)


@lru_cache(maxsize=4096)
def _rdp_epsilon(events: _Events, delta: float) -> float:
    sampled = any(release.sampling_rate < 1 for release, _ in events)
    orders = SAMPLED_ORDERS if sampled else ORDERS
    total = sum((count * grid_rdp(release, sampled) for release, count in events), np.zeros_like(orders))
    pure = sum(count * pure_epsilon(release) for release, count in events)
    return min(_convert(orders, total, delta), pure)


def _convert(orders: Array, divergences: Array, delta: float) -> float:
    """Convert by Canonne, Kamath and Steinke 2020 (arXiv 2004.00010, Proposition 12), as dp-accounting has it."""
    if not divergences.any():
        return 0.0
    if np.isinf(divergences).all():
        return float("inf")
    # Deferred: it takes as long to import as everything else here together.
    from dp_accounting.rdp import compute_epsilon

    epsilon, _ = compute_epsilon(orders.tolist(), divergences.tolist(), delta)
    return float(epsilon)


def _effective(events: Mapping[Release, int]) -> _Events:
    """Return the releases that were made and reveal anything, sorted, so that equal ledgers give equal sums."""
    kept = [(release, count) for release, count in events.items() if count > 0 and shift(release) > 0]
    return tuple(sorted(kept, key=lambda event: astuple(event[0])))


def _checked(delta: float) -> float:
    if not 0 < delta < 1:
        raise ConfigError(f"delta must lie between 0 and 1, but it is {delta}.")
    return delta
