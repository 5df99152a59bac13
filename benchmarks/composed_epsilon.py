"""Epsilon of any releases together, with nothing of the package or of dp-accounting.

Unsampled Gaussian noise by ``mellin.exact_gaussian``; Laplace noise under L2 clipping, where nothing exact is known, by
zCDP from its definition, at the best of many orders. All else by the laws of its privacy loss on a fine grid: with a
the likelihood ratio of a release with a unit and without, mass is put on the two points beside each loss, so that its
mean is kept, and laws are composed by a Fourier transform, in both directions. The result is never above the sum of the
largest losses, where there are such.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from mellin import exact_gaussian
from numpy.typing import NDArray

from adpfl_bench.privacy.ledger import Release

Array = NDArray[np.float64]
Events = tuple[tuple[Release, int], ...]

_POINTS = 2**18
_ORDERS = 1 + np.geomspace(1e-4, 1e6, 100_000)


def composed_epsilon(events: dict[Release, int], shares: dict[Release, float], delta: float) -> float:
    """Return the epsilon of releases; ``shares`` says what a threshold's own release takes of some of them.

    Args:
        events: How often each was made.
        shares: Share of the budget of what was released beside the sum, of unsampled Gaussian noise.
        delta: The delta that it holds at.
    """
    kept = tuple(sorted(((release, n) for release, n in events.items() if n > 0), key=str))
    return _composed(kept, tuple(sorted(shares.items(), key=str)), delta) if kept else 0.0


@cache
def _composed(events: Events, shares: tuple[tuple[Release, float], ...], delta: float) -> float:
    if any((release.mechanism, release.norm) == ("LaplaceMechanism", "l2") for release, _ in events):
        rho = sum(n / (2 * release.noise_multiplier**2) for release, n in events)
        return float(np.min(_ORDERS * rho + np.log1p(-1 / _ORDERS) - np.log(delta * _ORDERS) / (_ORDERS - 1)))
    if all(release.mechanism == "GaussianMechanism" and release.sampling_rate == 1 for release, _ in events):
        return exact_gaussian(math.sqrt(sum(n * _square(release, dict(shares)) for release, n in events)), delta)
    step = 2.0 ** math.ceil(math.log2(2.1 * _reach(events) / _POINTS))
    found = max(_solved(_law(events, way, step), step, delta) for way in (0, 1))
    return min(found, sum(n * _largest(r) for r, n in events))


def _reach(events: Events) -> float:
    """How far losses reach, but for a share of all that matters for no delta here."""
    reach = 0.0
    for release, n in events:
        t = 1 / release.noise_multiplier
        gauss = release.mechanism == "GaussianMechanism"
        reach += n * t * t / 2 + 12 * t * math.sqrt(n) + t if gauss else n * t
    return reach


def _square(release: Release, shares: dict[Release, float]) -> float:
    """The squared shifts of a sum and, where it has a share, of a threshold's statistic, each with noise of its own."""
    share = shares.get(release, 0.0)
    parts = [release.noise_multiplier / math.sqrt(1 - share)]
    parts += [release.noise_multiplier / math.sqrt(share)] if share else []
    return sum(1 / z**2 for z in parts)


def _largest(release: Release) -> float:
    if release.mechanism == "GaussianMechanism":
        return math.inf
    return math.log1p(release.sampling_rate * math.expm1(1 / release.noise_multiplier))


def _law(events: Events, way: int, step: float) -> Array:
    spectrum = np.ones(_POINTS // 2 + 1, dtype=np.complex128)
    for release, n in events:
        spectrum *= _spectrum(release, step)[way] ** n
    return np.fft.fftshift(np.fft.irfft(spectrum, _POINTS))


@cache
def _spectrum(release: Release, step: float) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Fourier transforms of the laws of log a with the unit, and of -log a without it."""
    t, q = 1 / release.noise_multiplier, release.sampling_rate
    if release.mechanism == "GaussianMechanism":
        x = np.linspace(-12, 12 + t, 400_001)
        ratio, mass = t * x - t * t / 2, np.exp(-x * x / 2) * (x[1] - x[0]) / math.sqrt(2 * math.pi)
    else:
        x = (np.arange(400_000) + 0.5) * t / 400_000
        ratio = np.concatenate([[-t, t], 2 * x - t])
        mass = np.concatenate([[0.5, math.exp(-t) / 2], np.exp(-x) / 2 * (t / 400_000)])
    mixed = np.log1p(q * np.expm1(ratio))
    return _transformed(mixed, mass * np.exp(mixed), step), _transformed(-mixed, mass, step)


def _transformed(losses: Array, mass: Array, step: float) -> NDArray[np.complex128]:
    place = losses / step + _POINTS // 2
    low = np.floor(place).astype(int)
    law = np.bincount(low, mass * (low + 1 - place), _POINTS) + np.bincount(low + 1, mass * (place - low), _POINTS)
    return np.fft.rfft(np.fft.ifftshift(law / mass.sum()))


def _solved(law: Array, step: float, delta: float) -> float:
    """Solve ``sum mass (1 - e^(epsilon - loss))+ = delta`` by halving."""
    losses, mass = step * np.arange(1, _POINTS // 2), law[_POINTS // 2 + 1 :]
    low, high = 0.0, float(losses[-1])
    while high - low > 1e-9:
        middle = (low + high) / 2
        above = losses > middle
        found = float(np.sum(mass[above] * -np.expm1(middle - losses[above])))
        low, high = (middle, high) if found > delta else (low, middle)
    return high
