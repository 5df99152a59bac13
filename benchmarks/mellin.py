"""Epsilon by moments and their inverse Mellin transform, with nothing of the package or of dp-accounting.

With P the law of all releases without a unit, Q that with it and L = dQ/dP, the moments ``M(s) = E_P[L^s]`` multiply
over independent releases, and delta is their inverse Mellin transform,

    delta(epsilon) = E_P[(L - e^epsilon)+] = 1 / (2 pi i)  integral of  e^((1 - s) epsilon) M(s) / (s (s - 1)) ds,

along any line Re s = c > 1. The other direction, P from Q, has ``M(1 - s)``. The moments are closed forms (Gaussian and
Laplace noise) or quadratures over the noise in one or two dimensions (sampled mixtures), so there is no grid of losses,
no rounding of losses and no convolution. Single unsampled releases have closed forms of their own, with 60 digits where
they are Gaussian. Correlated noise is what it is: the distance of two means in the metric of the noise's covariance.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom

Complex = NDArray[np.complex128]
LogMoment = Callable[[Complex], Complex]
"""log E_P[L^s] at complex s."""


def gaussian(t: float) -> LogMoment:
    """Of N(0, 1) shifted by t."""
    return lambda s: t * t / 2 * s * (s - 1)


def laplace(t: float) -> LogMoment:
    """Of Laplace(0, 1) shifted by t: the tails beyond both centres, and what is between."""

    def log_moment(s: Complex) -> Complex:
        twice = 2 * s - 1
        return np.log((np.exp(-s * t) + np.exp((s - 1) * t)) / 2 + np.exp(-s * t) * np.expm1(twice * t) / (2 * twice))

    return log_moment


def sampled(q: float, ratio: NDArray[np.float64], weights: NDArray[np.float64]) -> LogMoment:
    """Of the mixture 1 - q + q L, from log L at the nodes of a quadrature under P and their log weights."""
    mixed = np.logaddexp(math.log1p(-q), math.log(q) + ratio) if q < 1 else ratio

    def log_moment(s: Complex) -> Complex:
        found = np.empty_like(s)
        for index, each in enumerate(s):
            exponents = each * mixed + weights
            top = exponents.real.max()
            found[index] = top + np.log(np.sum(np.exp(exponents - top)))
        return found

    return log_moment


def gaussian_nodes(t: float, number: int = 6001) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log ratio and log weight on an even grid, on which smooth integrands add up to rounding."""
    x = np.linspace(-12 - 60 * t, 12 + 60 * t, number)
    return t * x - t * t / 2, -x * x / 2 - math.log(math.sqrt(2 * math.pi) / (x[1] - x[0]))


def laplace_nodes(t: float, number: int = 120) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log ratio and log weight: both ends, and Gauss and Legendre's nodes between."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    x = t * (nodes + 1) / 2
    ratio = np.concatenate([[-t, t], 2 * x - t])
    return ratio, np.concatenate([[-math.log(2), -t - math.log(2)], np.log(weights * t / 4) - x])


def plane(
    first: tuple[NDArray[np.float64], NDArray[np.float64]], second: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All pairs of nodes, for two statistics that a unit is in together."""
    return np.add.outer(first[0], second[0]).ravel(), np.add.outer(first[1], second[1]).ravel()


def group(t: float, q: float, size: int) -> LogMoment:
    """Of Gaussian noise and the binomial mixture of shifts 0, t, ..., size t."""
    ratio, weights = gaussian_nodes(t)
    x = ratio / t + t / 2
    terms = [math.log(binom.pmf(j, size, q)) + j * t * x - (j * t) ** 2 / 2 for j in range(size + 1)]
    return sampled(1.0, np.logaddexp.reduce(terms), weights)


def mellin_epsilon(parts: list[tuple[LogMoment, int]], delta: float) -> float:
    """Epsilon of independent releases, the larger of both directions."""
    ways = (lambda s: sum(n * part(s) for part, n in parts), lambda s: sum(n * part(1 - s) for part, n in parts))
    return max(_one_way(way, delta) for way in ways)


def _one_way(log_moment: LogMoment, delta: float) -> float:
    def real(c: float) -> float:
        return float(log_moment(np.array([c + 0j]))[0].real)

    # The line: through the saddle, where the integrand is smallest on the real axis, at the Renyi bound's epsilon.
    best = minimize_scalar(
        lambda y: (real(1 + math.exp(y)) - math.log(delta)) / math.exp(y), bounds=(-4, 7), method="bounded"
    )
    c = 1 + math.exp(best.x)
    scale = real(c)
    upper = (scale - math.log(delta)) / (c - 1)
    period = 60 + 8 * upper  # in epsilon, with which a sum with this step repeats itself
    near = 1e-3 * (c - 1)
    spread = math.sqrt(max(real(c + near) - 2 * real(c) + real(c - near), 0.0)) / near
    step = min(1 / (8 * max(spread, 1e-3)), 2 * math.pi * (c - 1) / 45, 2 * math.pi / period)
    pieces = []
    for first in range(0, 200_000, 500):
        s = c + 1j * step * np.arange(first, first + 500)
        pieces.append(np.exp(log_moment(s) - scale) / (s * (s - 1)))
        if np.abs(pieces[-1]).max() < 1e-9 * np.abs(pieces[0]).max():
            break
    values = np.concatenate(pieces)
    values[0] /= 2
    u = step * np.arange(len(values))

    def log_delta(epsilon: float) -> float:
        total = float(np.sum(values * np.exp(-1j * u * epsilon)).real) * step / math.pi
        return scale + (1 - c) * epsilon + math.log(max(total, 1e-300))

    return float(brentq(lambda epsilon: log_delta(epsilon) - math.log(delta), 0.0, upper, xtol=1e-10))


def exact_gaussian(mu: float, delta: float) -> float:
    """Balle and Wang 2018, Theorem 8, with 60 digits."""
    with mpmath.workdps(60):
        tail = lambda x: mpmath.erfc(x / mpmath.sqrt(2)) / 2  # noqa: E731
        curve = lambda e: tail(e / mu - mu / 2) - mpmath.exp(e) * tail(e / mu + mu / 2) - delta  # noqa: E731
        high = mu * mu / 2 + mu * math.sqrt(2 * math.log(1 / delta))
        return float(mpmath.findroot(curve, (0, high), solver="bisect", maxsteps=100, verify=False))


def single_laplace(t: float, delta: float) -> float:
    """``delta = 1 - e^((epsilon - t) / 2)``."""
    return t + 2 * math.log1p(-delta)


def correlated_mu(columns: NDArray[np.float64], z: float, steps: list[int]) -> float:
    """Noise ``C^-1 N(0, z^2)`` on gradients, one unit of norm 1 and one direction in some of the steps."""
    inverse = np.linalg.inv(columns)
    covariance = z * z * inverse @ inverse.T
    moved = np.zeros(len(columns))
    moved[steps] = 1
    return math.sqrt(moved @ np.linalg.solve(covariance, moved))
