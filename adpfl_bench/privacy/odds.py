"""Odds of a membership test: what epsilon and delta allow an attacker to find out about one unit."""

from __future__ import annotations

import math

from adpfl_bench.errors import ConfigError


def highest_true_positive_rate(epsilon: float, delta: float, false_positive_rate: float) -> float:
    r"""Return the largest share of members that any test can find which suspects so many of those that are none.

    The test says of a unit whether it was in the data, from everything that was released. With :math:`\alpha` its false
    positive rate,

    .. math:: \min(1,\; e^\epsilon \alpha + \delta,\; 1 - e^{-\epsilon} (1 - \delta - \alpha))

    (Wasserman and Zhou 2010, arXiv 0811.2501, Theorem 2.4; Kairouz, Oh and Viswanath 2015, arXiv 1311.0776, Theorem
    2.1, for both directions of a neighbour). Some mechanism meets it: nothing smaller follows from epsilon and delta
    alone.

    Args:
        epsilon: At least 0, or infinite.
        delta: From 0 to 1.
        false_positive_rate: From 0 to 1.

    Raises:
        ConfigError: A number is out of range.

    Example:
        >>> [round(highest_true_positive_rate(epsilon, 1e-4, 0.01), 3) for epsilon in (0, 1, 4)]
        [0.01, 0.027, 0.546]
    """
    if not (epsilon >= 0 and 0 <= delta <= 1 and 0 <= false_positive_rate <= 1):
        raise ConfigError(
            "A membership test has an epsilon of at least 0, and a delta and a false positive rate from 0 to 1, but"
            f" they are {epsilon}, {delta} and {false_positive_rate}."
        )
    if false_positive_rate == 0:
        return delta
    flat = 1 - math.exp(-epsilon) * (1 - delta - false_positive_rate)
    if epsilon >= -math.log(false_positive_rate):  # e^epsilon, which may overflow, is above 1 / alpha
        return min(1.0, flat)
    return min(1.0, math.exp(epsilon) * false_positive_rate + delta, flat)


def odds_text(epsilon: float, delta: float) -> str:
    """Say what a membership test can find at most that wrongly suspects 1 % or 10 %, for a terminal.

    Example:
        >>> odds_text(1.0, 1e-4)
        'a test that wrongly suspects 1 % (10 %) of non-members finds at most 2.8 % (28 %) of members'
    """
    found = [100 * highest_true_positive_rate(epsilon, delta, rate) for rate in (0.01, 0.1)]
    low, high = (f"{math.ceil(10 * value) / 10:g}" if value < 10 else f"{math.ceil(value):d}" for value in found)
    return f"a test that wrongly suspects 1 % (10 %) of non-members finds at most {low} % ({high} %) of members"
