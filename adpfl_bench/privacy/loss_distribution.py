"""Privacy-loss distributions of ledgers with Gaussian noise, and with Laplace noise under L1 clipping.

A pair of laws (P, Q) dominates another if its hockey-stick divergences ``E_P[(L - gamma)+]``, L = dQ/dP, are at least
as large at every gamma. Dominating pairs of the releases compose to one of the whole (Zhu, Dong and Wang 2022, arXiv
2106.08567, Theorem 10). That of Gaussian noise is two Gaussians at distance t, also when sampled.

For Laplace noise shifted by v with ``|v|_1 <= t``, in any dimension, it is that of one coordinate shifted by t. For one
coordinate, ``L = exp(2 X - t)`` with X its value cut off to [0, t], which under P is 0 with probability 1/2, t with
``e^-t / 2``, and has the density ``e^-x / 2`` between.

*Lemma.* With independent X1, X2 of shifts s and t, and X of shift s + t, ``E phi(exp(2 (X1 + X2) - s - t)) <= E
phi(exp(2 X - s - t))`` for every convex phi. *Proof.* Where X has mass 1/2 and ``e^-(s + t) / 2`` at the two ends, X1 +
X2 has half of that. Between, its density is ``e^-x / 4 (2 + l(x))``, where l >= 0 is the length of the splits of x, and
it has masses at s and t besides: at least the density of X everywhere. Both laws have total 1 and E L = 1, so a chord
may be subtracted from phi: let it be that which meets phi at both ends of the range of L. What is left of phi is 0 at
the ends and not positive between, where X1 + X2 has more mass than X. QED.

With the other coordinates held fixed, ``phi(L1 L2 c)`` is convex in L1 L2, so coordinates merge one after the other;
and as ``E L2 = 1``, ``E phi(L1) <= E phi(L1 L2)``, so a shorter shift is dominated too. Both directions of the
divergence are such a phi, with the likelihood ratio L or, Poisson-sampled, ``1 - q + q L``: ``(1 - q + q L - gamma)+``
and ``(1 - gamma (1 - q + q L))+``. So sampled pairs are dominated by sampled pairs. (Given who else takes part; the
divergence of mixtures over the others is no larger, by joint convexity.) Laplace noise under L2 clipping has no such
pair here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.stats import binom

from adpfl_bench.privacy.gaussian_dp import composed_mu
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.rdp_curves import rdp, shift

_LARGEST_DIVERGENCE = 1e4
_SMALLEST_DELTA = 1e-10
_MOST_RELEASES = 10**6
_SMALLEST_SHIFT, _LARGEST_SHIFT = 1e-9, 700.0  # beyond, dp-accounting divides by 0 and exponentials overflow
_LONGEST_GRID, _LONGEST_MIXTURE, _COARSEST = 5e4, 5e3, 1e-2


def has_distribution(release: Release) -> bool:
    """Whether a dominating pair of laws is proved for a release in any dimension."""
    return release.mechanism == "GaussianMechanism" or (release.mechanism, release.norm) == ("LaplaceMechanism", "l1")


def pld_applies(events: Sequence[tuple[Release, int]], delta: float, size: int = 1) -> bool:
    """Say whether :func:`pld_epsilon` is proved, worth its time and precise.

    Besides releases of which it is not proved, it is not where the Renyi divergences of order 2 add up to more than
    10^4 (epsilon is then far from any use, and the distribution is long), nor for more than 10^6 releases, which take
    seconds, nor at a delta below 1e-10, near the rounding of its convolutions, nor for shifts near the limits of
    arithmetic. ``size`` is the number of units that are hidden together.
    """
    if delta < _SMALLEST_DELTA or not all(has_distribution(release) for release, _ in events):
        return False
    if sum(count for _, count in events) > _MOST_RELEASES:
        return False
    if not all(_SMALLEST_SHIFT <= shift(release) <= _LARGEST_SHIFT / size for release, _ in events):
        return False
    return sum(count * _divergence(release, size) for release, count in events) <= _LARGEST_DIVERGENCE


def pld_epsilon(events: Sequence[tuple[Release, int]], delta: float, size: int = 1) -> float:
    """Return epsilon from the privacy-loss distribution of releases that have one.

    Adding and removing a unit are composed apart, and the larger epsilon counts. dp-accounting rounds every loss up
    (Doroshenko et al. 2022, arXiv 2207.04380), so the result is an upper bound. The grid depends on the kinds of
    releases and not on their number or delta, so the result is monotone in these.

    Args:
        events: Releases and how often each was made, with the shift that one unit brings about.
        delta: Between 1e-10 and 1.
        size: Number of units that are hidden together; above 1, sampled releases have to be Gaussian. Each unit is
            drawn by itself, so a release is a mixture of shifts 0, t, ..., size t with binomial weights (Ganesh 2024,
            arXiv 2401.10294, whose dominating pair that is).
    """
    interval = _interval(tuple(release for release, _ in events), size)
    gaussian = [event for event in events if event[0].sampling_rate == 1 and event[0].mechanism == "GaussianMechanism"]
    parts = [
        _pld(release.mechanism, shift(release), release.sampling_rate, interval, size).self_compose(count)
        for release, count in events
        if (release, count) not in gaussian
    ]
    if gaussian:
        parts.append(_pld("GaussianMechanism", composed_mu(gaussian), 1.0, interval, size))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.compose(part)
    return float(whole.get_epsilon_for_delta(delta))


def _divergence(release: Release, size: int) -> float:
    """Renyi divergence of order 2; of a sampled group, twice a bound on the mean loss, as large ones are rare."""
    if size == 1 or release.sampling_rate == 1:
        return float(rdp(release, np.array([2.0]))[0]) * size**2
    return (shift(release) ** 2) * (binom.var(size, release.sampling_rate) + (size * release.sampling_rate) ** 2)


def _interval(releases: tuple[Release, ...], size: int) -> float:
    """Step of the grid of losses: a twentieth of a release's typical loss, unless the grid would be too long."""
    typical = min(math.sqrt(_divergence(release, 1)) for release in releases)
    longest = max(_longest_loss(release.mechanism, size * shift(release)) for release in releases)
    points = _LONGEST_GRID if size == 1 else _LONGEST_MIXTURE  # each takes ten times as long
    step = max(min(typical / 20, _COARSEST), longest / points)
    return float(2.0 ** math.floor(math.log2(step)))


def _longest_loss(mechanism: str, t: float) -> float:
    return t * 10 + t**2 / 2 if mechanism == "GaussianMechanism" else 2 * t


@lru_cache(maxsize=64)
def _pld(mechanism: str, t: float, sampling_rate: float, interval: float, size: int) -> Any:
    """The distribution of one release that a unit shifts by t, and ``size`` of them by up to ``size t``."""
    from dp_accounting.pld import privacy_loss_distribution as pld  # deferred: slow to import

    if mechanism == "LaplaceMechanism":
        return pld.from_laplace_mechanism(
            1 / (size * t), value_discretization_interval=interval, sampling_prob=sampling_rate
        )
    if size == 1 or sampling_rate == 1:
        return pld.from_gaussian_mechanism(
            1 / (size * t), value_discretization_interval=interval, sampling_prob=sampling_rate
        )
    drawn = np.arange(size + 1.0)
    weights = np.asarray(binom.pmf(drawn, size, sampling_rate))
    return pld.from_mixture_gaussian_mechanism(
        1 / t, drawn.tolist(), weights.tolist(), value_discretization_interval=interval
    )
