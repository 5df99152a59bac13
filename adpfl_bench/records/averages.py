"""Means and deviations that say when they do not exist."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def mean_if_all(values: Iterable[float | None]) -> float | None:
    """The mean; ``None`` where a value is missing or not finite, or there is none."""
    found = list(values)
    known = [value for value in found if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known and len(known) == len(found) else None


def sample_sd(values: Iterable[float]) -> float | None:
    """The standard deviation with ddof=1; ``None`` for fewer than two values."""
    array = np.array(list(values))
    return float(array.std(ddof=1)) if len(array) > 1 else None
