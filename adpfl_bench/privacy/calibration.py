"""Calibration: from a privacy budget to the noise, or the number of rounds, that it affords."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.accounting import client_epsilon, rdp_epsilon
from adpfl_bench.privacy.ledger import Release

_SMALLEST, _LARGEST = 1e-6, 1e4
_PRECISION = 1.001

Plan = Iterable[Mapping[Release, int]]
"""What every client is going to release, and how often."""


def solve_noise_multiplier(planned: Callable[[float], Plan], epsilon: float, delta: float) -> float:
    """Find the smallest noise multiplier whose largest client epsilon is within the target.

    Renyi DP, cheap and never below what the result is accounted by, brackets the answer; the client's own accountant
    then narrows it down.

    Args:
        planned: The releases of every client at a noise multiplier z; more z must not release more.
        epsilon: The target, for the client with the largest epsilon.
        delta: The delta it holds at, between 0 and 1.

    Returns:
        z between 1e-6 and 10^4, at most a thousandth above the smallest that would do; the target is never exceeded.

    Raises:
        ConfigError: The target is not positive, nothing is released, or no noise multiplier up to 10^4 suffices.
    """
    _check_target(epsilon)
    if not _clients(planned(1.0)):
        raise ConfigError("A noise multiplier is to be found for a privacy budget, but no client releases anything.")

    def cheap(z: float) -> bool:
        return all(rdp_epsilon(events, delta) <= epsilon for events in _clients(planned(z)))

    def exact(z: float) -> bool:
        return _within(planned(z), epsilon, delta)

    high = _LARGEST
    if cheap(high):
        high = _bisect(cheap, _SMALLEST, high, 1.05)
    elif not exact(high):
        raise ConfigError(
            f"No noise multiplier up to {_LARGEST:g} keeps epsilon within {epsilon:g} at delta {delta:g}: plan fewer"
            " releases or a larger epsilon."
        )
    low = high
    while low > _SMALLEST and exact(max(low * 0.8, _SMALLEST)):
        low = max(low * 0.8, _SMALLEST)
    return _bisect(exact, max(low * 0.8, _SMALLEST), low, _PRECISION)


def affordable_rounds(planned: Callable[[int], Plan], epsilon: float, delta: float, limit: int = 1_000_000) -> int:
    """Find the largest number of rounds whose largest client epsilon is within a budget.

    Args:
        planned: The releases of every client in this many rounds, from the first; more rounds must not release less.
        epsilon: The budget, for the client with the largest epsilon.
        delta: The delta it holds at, between 0 and 1.
        limit: The largest answer of interest.

    Returns:
        Rounds, between 0 (the budget is below what one round costs) and ``limit``.

    Raises:
        ConfigError: The budget is not positive.
    """
    _check_target(epsilon)
    good, bad = 0, limit + 1
    while bad - good > 1:
        middle = min(2 * good + 1, (good + bad) // 2)  # doubles first: a long plan takes longer to account
        if _within(planned(middle), epsilon, delta):
            good = middle
        else:
            bad = middle
    return good


def _check_target(epsilon: float) -> None:
    if not epsilon > 0:
        raise ConfigError(f"The epsilon of a privacy budget must be above 0, but it is {epsilon}.")


def _clients(plan: Plan) -> list[dict[Release, int]]:
    """Return the clients that release anything, those with equal releases once."""
    kept = [{release: count for release, count in events.items() if count > 0} for events in plan]
    return [dict(events) for events in dict.fromkeys(frozenset(events.items()) for events in kept if events)]


def _within(plan: Plan, epsilon: float, delta: float) -> bool:
    """Whether every client stays within the target; those that Renyi DP already proves it for are not looked at."""
    bounds = sorted(((rdp_epsilon(events, delta), events) for events in _clients(plan)), key=lambda pair: -pair[0])
    return all(bound <= epsilon or client_epsilon(events, delta) <= epsilon for bound, events in bounds)


def _bisect(suffices: Callable[[float], bool], low: float, high: float, precision: float) -> float:
    """Return the upper end of an interval around the smallest z that suffices; ``high`` is known to."""
    if low == high or suffices(low):
        return low
    while high > low * precision:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high
