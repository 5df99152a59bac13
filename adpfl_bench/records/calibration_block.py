"""Calibration of a run's probabilities, as its record states it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import FiniteFloat

from adpfl_bench.metrics.functional.reliability import Reliability
from adpfl_bench.records.block import Block
from adpfl_bench.records.stated_text import Name


class CalibrationBlock(Block):
    """How far the probabilities of a region are from how often they come true, in samples of test cases."""

    models: Literal["global", "own"]
    """Whose probabilities these are: the global model's, or those of clients' own models."""
    region: Name
    cases: int
    """Number of cases, times the number of models that scored one."""
    error: FiniteFloat
    """Expected calibration error over 15 bins."""
    counts: tuple[int, ...]
    """Voxels in each of 15 bins of probability, of equal width."""
    sums: tuple[float, ...]
    """Sum of the probabilities in each."""
    positives: tuple[int, ...]
    """Voxels in each that are of the region."""

    @classmethod
    def of(cls, models: Literal["global", "own"], region: str, found: Sequence[Reliability]) -> CalibrationBlock:
        """Make the block of what was found of each case."""
        total = sum(found[1:], start=found[0])
        return cls(
            models=models,
            region=region,
            cases=len(found),
            error=total.error,
            counts=tuple(total.counts.tolist()),
            sums=tuple(total.sums.tolist()),
            positives=tuple(total.positives.tolist()),
        )

    @property
    def reliability(self) -> Reliability:
        """What the error is of."""
        return Reliability(np.array(self.counts), np.array(self.sums), np.array(self.positives))
