"""Lower bounds on epsilon and on mu from a single run, by what guesses about its canaries prove.

The bound on epsilon refutes (epsilon, delta)-DP, whatever the mechanism. The bound on mu refutes mu-Gaussian DP: that
telling a canary in from out is no easier than telling N(0, 1) from N(mu, 1). What is known of an unsampled Gaussian
mechanism is just that, so there the bound becomes one on epsilon at delta, usually a larger one. Of other mechanisms it
says nothing about epsilon: Laplace noise, say, may be (epsilon, delta)-DP without being mu-Gaussian DP for that mu.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import ndtr, ndtri

from adpfl_bench.errors import ConfigError

FRACTIONS = (1.0, 0.5, 0.2)
"""Shares of the canaries that are guessed about where no number of guesses is stated."""

_HIGHEST = 200.0
_HIGHEST_MU = 40.0
_HALVINGS = 50


@dataclass(frozen=True)
class Bound:
    """The outcome of an audit.

    Attributes:
        epsilon: Lower bound on epsilon; 0 where the guesses prove nothing.
        guesses: Number of guesses that the bound comes from.
        correct: How many of them were right.
        tried: Numbers of guesses that shared the error probability.
        mu: Lower bound on mu of a mu-Gaussian-DP run, at the same confidence for itself; 0 where the guesses prove
            nothing, ``None`` where it was not asked for. It may come from another number of guesses.
    """

    epsilon: float
    guesses: int
    correct: int
    tried: tuple[int, ...]
    mu: float | None = None


def p_value(canaries: int, guesses: int, correct: int, epsilon: float, delta: float) -> float:
    """Bound the probability that an (epsilon, delta)-DP run lets so many guesses be right.

    With ``N ~ Binomial(guesses, e^epsilon / (1 + e^epsilon))`` it is

        P[N >= correct] + 2 canaries delta max_i (1 / i) P[correct > N >= correct - i],

    for canaries that are each in or out by a fair coin, and guesses by whatever rule that sees the outputs alone.

    Source: Steinke, Nasr and Jagielski 2023 (arXiv 2305.08846), Theorem 5.2 and the code in its Appendix D.

    Args:
        canaries: Number of coins m.
        guesses: Number of canaries that a guess was made about, r <= m.
        correct: Number of right guesses, v <= r.
        epsilon: At least 0.
        delta: In [0, 1).

    Raises:
        ConfigError: The numbers contradict each other.
    """
    _check(canaries, guesses, correct)
    if not (epsilon >= 0 and 0 <= delta < 1):
        raise ConfigError(f"An audit needs epsilon >= 0 and delta in [0, 1), but they are {epsilon} and {delta}.")
    accuracy = 1 / (1 + math.exp(-epsilon))
    value = float(stats.binom.sf(correct - 1, guesses, accuracy))
    if correct > 0 and delta > 0:
        below = np.cumsum(stats.binom.pmf(np.arange(correct - 1, -1, -1), guesses, accuracy))
        value += 2 * canaries * delta * float(np.max(below / np.arange(1, correct + 1)))
    return min(value, 1.0)


def epsilon_lower_bound(canaries: int, guesses: int, correct: int, delta: float, error: float) -> float:
    """Return the largest epsilon that the guesses refute, by bisection.

    Args:
        canaries: Number of coins.
        guesses: Number of guesses.
        correct: Number of right guesses.
        delta: The delta that epsilon is stated at.
        error: Probability beta that the bound may be too high; 1 - beta is the confidence.

    Raises:
        ConfigError: The numbers contradict each other.

    Example:
        >>> round(epsilon_lower_bound(1000, 100, 75, 1e-4, 0.05), 3)
        0.673
    """
    low, high = 0.0, _HIGHEST
    if p_value(canaries, guesses, correct, low, delta) >= error:
        return 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if p_value(canaries, guesses, correct, middle, delta) < error:
            low = middle
        else:
            high = middle
    return low


def refutes_gaussian_dp(canaries: int, guesses: int, correct: int, mu: float, error: float) -> bool:
    """Whether a mu-Gaussian-DP run lets so many guesses be right with a probability below ``error``.

    Let ``p_j`` be the probability that exactly j of r guesses about m coins are right, ``R_i = sum_{j>=i} j p_j / m``
    and ``H_i = sum_{j>=i} (r - j) p_j / m``. For a coin, the others held fixed, "this guess is right, and i or more of
    the others" has one chance under its own value and, as a wrong guess, one under the other value. f-DP relates the
    two; averaged over coins (f is convex) that is ``R_{i+1} <= 1 - f(H_i)``, so ``H_i >= F(R_{i+1})`` with ``F(y) =
    Phi(Phi^-1(y) - mu)``.

    In the tail sums ``P_i = sum_{j>=i} p_j`` it reads ``(r - i) P_i >= sum_{j>i} P_j + m F(R_{i+1})``, where R_{i+1}
    too grows with P_j, j > i. So the smallest P_0 for a given P_v has all of P_v at exactly v, and equality below. If
    it exceeds 1, no run has that P_v.

    Source: Mahloujifar, Melis and Chaudhuri 2024 (arXiv 2410.22235), who state it for any f and more than two values.

    Args:
        canaries: Number of coins m.
        guesses: Number of guesses r, always made.
        correct: Number of right guesses v.
        mu: Of the trade-off function f, at least 0.
        error: The probability, between 0 and 1.
    """
    right = error * correct / canaries
    wrong = error * (guesses - correct) / canaries
    total = guesses / canaries
    for below in range(correct - 1, -1, -1):
        if right + wrong > total:
            return True
        larger = max(wrong, float(ndtr(ndtri(min(right, 1.0)) - mu)))
        right, wrong = right + below / (guesses - below) * (larger - wrong), larger
    return right + wrong > total


def mu_lower_bound(canaries: int, guesses: int, correct: int, error: float) -> float:
    """Return the largest mu for which the guesses refute mu-Gaussian DP, by bisection; 0 where they refute none.

    Args:
        canaries: Number of coins.
        guesses: Number of guesses.
        correct: Number of right guesses.
        error: Probability that the bound may be too high; between 0 and 1.

    Raises:
        ConfigError: The numbers contradict each other.

    Example:
        >>> round(mu_lower_bound(1000, 1000, 700, 0.05), 2)
        0.36
    """
    _check(canaries, guesses, correct)
    low, high = 0.0, _HIGHEST_MU
    if not refutes_gaussian_dp(canaries, guesses, correct, low, error):
        return 0.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        if refutes_gaussian_dp(canaries, guesses, correct, middle, error):
            low = middle
        else:
            high = middle
    return low


def ceiling(canaries: int, delta: float, confidence: float, guesses: int | None = None) -> float:
    """Return the bound of an audit whose guesses are all right: no audit with so many canaries can show more."""
    tried = _numbers(canaries, guesses)
    return max(epsilon_lower_bound(canaries, r, r, delta, (1 - confidence) / len(tried)) for r in tried)


def audit(
    evidence: NDArray[np.float64],
    included: NDArray[np.bool_],
    delta: float,
    confidence: float = 0.95,
    guesses: int | None = None,
    by_rank: bool = True,
    gaussian: bool = False,
) -> Bound:
    """Guess about the canaries with the strongest evidence, and bound epsilon by how often that is right.

    Guesses about all canaries go by the sign of the evidence. Guesses about a part of them are, by rank, in about those
    with the most and out about as many with the least, as in the paper; so evidence that is too high or too low for
    all of them alike, as a broken run may bring about, does no harm.

    Without a number of guesses, the best of :data:`FRACTIONS` of the canaries counts, each at its part of the error
    probability (Bonferroni), so that the confidence holds for the best of them.

    Args:
        evidence: For each canary the log-likelihood ratio of in to out, or anything like it, [m]: positive guesses in.
        included: The coins, [m].
        delta: The delta that epsilon is stated at.
        confidence: Probability that the bound is not too high.
        guesses: Number of guesses, stated before the evidence is seen.
        by_rank: Guess about a part of them by rank; otherwise about those whose evidence is furthest from 0. That is
            better where being in shows with some probability only, and being out never.
        gaussian: Bound mu too: the releases are unsampled Gaussian ones.

    Raises:
        ConfigError: There are fewer canaries than guesses, or none.
    """
    tried = _numbers(len(evidence), guesses)
    bounds = []
    for number in tried:
        if by_rank and number < len(evidence):
            order = np.argsort(evidence, kind="stable")
            out, into = order[: number // 2], order[len(order) - (number - number // 2) :]
            correct = int(np.sum(~included[out])) + int(np.sum(included[into]))
        else:
            strongest = np.argsort(-np.abs(evidence), kind="stable")[:number]
            correct = int(np.sum((evidence > 0)[strongest] == included[strongest]))
        error = (1 - confidence) / len(tried)
        epsilon = epsilon_lower_bound(len(evidence), number, correct, delta, error)
        bounds.append(Bound(epsilon, number, correct, tuple(tried)))
    best = max(bounds, key=lambda bound: bound.epsilon)
    if not gaussian:
        return best
    mu = max(mu_lower_bound(len(evidence), b.guesses, b.correct, (1 - confidence) / len(tried)) for b in bounds)
    return replace(best, mu=mu)


def _check(canaries: int, guesses: int, correct: int) -> None:
    if not 0 <= correct <= guesses <= canaries:
        raise ConfigError(
            f"An audit has right guesses <= guesses <= canaries, but they are {correct}, {guesses} and {canaries}."
        )


def _numbers(canaries: int, guesses: int | None) -> Sequence[int]:
    if canaries < 1:
        raise ConfigError(f"audit.canaries must be at least 1, but it is {canaries}.")
    if guesses is None:
        return sorted({max(1, round(fraction * canaries)) for fraction in FRACTIONS})
    if not 1 <= guesses <= canaries:
        raise ConfigError(f"audit.guesses must lie between 1 and audit.canaries = {canaries}, but it is {guesses}.")
    return [guesses]
