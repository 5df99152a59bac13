"""Resamples of patients: how often each is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError
from adpfl_bench.seeding import numpy_generator

_FEWEST_RESAMPLES = 100
_CHUNK = 2**20
"""Draws held at once, which bounds the memory to some 30 MB."""


def patient_counts(patients: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw as many patients as there are with replacement, many times.

    Args:
        patients: Number of patients P.
        resamples: Number of resamples.
        seed: Everything follows from it; the draws do not depend on what is resampled.

    Yields:
        Consecutive resamples: how often each patient was drawn, of shape ``[some, P]``.

    Raises:
        ConfigError: There are fewer than 100 resamples, which give no usable quantiles.
    """
    if resamples < _FEWEST_RESAMPLES:
        raise ConfigError(f"Expected at least {_FEWEST_RESAMPLES} resamples, but found {resamples}: give 10000.")
    generator = numpy_generator(seed, "resampling", "patients")
    size = max(1, _CHUNK // patients)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = generator.integers(patients, size=(rows, patients)) + patients * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * patients).reshape(rows, patients)
        yield counts.astype(np.float64)
