"""Order of methods in tables and plots, and the references that lead it."""

import math

UPPER_REFERENCE = "fedavg"
LOWER_REFERENCE = "dp_fl"
FIRST_METHODS = ("centralized", "fedavg", "local")
"""These lead a table, in this order: what there would be with all data in one place, in a federation, and alone."""


def method_order(method: str, unit: str, mean: float, label: str) -> tuple[int, bool, float, str]:
    """Return what methods are sorted by.

    That is first the references without privacy, what else is not private, DP-FL, what else is private; then the main
    score, the highest first and one that is not a number last.
    """
    if method in FIRST_METHODS:
        rank = FIRST_METHODS.index(method)
    elif unit == "none":
        rank = len(FIRST_METHODS)
    else:
        rank = len(FIRST_METHODS) + (1 if method == LOWER_REFERENCE else 2)
    unknown = math.isnan(mean)
    return rank, unknown, 0.0 if unknown else -mean, label
