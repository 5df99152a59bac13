"""Noise of a run's releases, standardised and reduced to what the checks need."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adpfl_bench.privacy.audit.checks import Check, noise_independence, noise_scale
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism, Mechanism

_SAMPLE = 2**18  # values kept for the law
_PER_RELEASE = 2**11
_COORDINATES = 2**12  # of each release that is kept to compare with others
_RELEASES = 256
_SIGNS = 62  # whose signs tell noise apart; fewer than 40 coordinates cannot


class ObservedNoise:
    """The noise of a run's releases, taken in one after the other.

    Args:
        law: ``laplace`` or ``norm``.
    """

    def __init__(self, law: str) -> None:
        self.law = law
        self._total = 0.0
        self._values = 0
        self._sample: list[NDArray[np.float64]] = []
        self._sampled = 0
        self._rows: list[NDArray[np.float64]] = []
        self._signs: dict[int, int] = {}
        self._never: Tensor | None = None
        self._releases = 0

    def add(self, noise: Tensor, scale: float) -> None:
        """Take in a release's noise, [P], with the scale that is stated for it, greater than 0."""
        values = noise.double() / scale
        self._total += float(values.abs().sum() if self.law == "laplace" else values.square().sum())
        self._values += len(values)
        self._releases += 1
        without = noise == 0
        self._never = without if self._never is None else self._never & without
        if self._sampled < _SAMPLE:
            self._sample.append(_spread(values, _PER_RELEASE))
            self._sampled += len(self._sample[-1])
        if len(self._rows) < _RELEASES:
            self._rows.append(_spread(values, _COORDINATES))
        if len(values) >= 40:
            key = sum(int(bit) << place for place, bit in enumerate((values[:_SIGNS] > 0).tolist()))
            self._signs[key] = self._signs.get(key, 0) + 1

    @property
    def empty(self) -> bool:
        """Whether nothing was taken in."""
        return self._values == 0

    def scale_check(self, statistic: ObservedNoise | None = None) -> Check:
        """Compare with the stated law and scale; ``statistic`` holds the noise on the threshold's statistic."""
        mean = self._total / self._values
        estimate = mean if self.law == "laplace" else mean**0.5
        # A single value may be rounded away; the same one three times is not.
        never = int(self._never.sum()) if self._never is not None and self._releases >= 3 else 0
        beside = statistic.scale_check() if statistic is not None and not statistic.empty else None
        return noise_scale(estimate, self._values, np.concatenate(self._sample), self.law, never, beside)

    def independence_check(self) -> Check:
        """Compare releases with one another."""
        return noise_independence(np.stack(self._rows), sum(self._signs.values()) - len(self._signs), self.law)


def law_of(mechanism: Mechanism) -> str | None:
    """Return the name of the law in ``scipy.stats``, or ``None`` where none is stated."""
    if isinstance(mechanism, LaplaceMechanism):
        return "laplace"
    return "norm" if isinstance(mechanism, GaussianMechanism) else None


def _spread(values: Tensor, count: int) -> NDArray[np.float64]:
    """About ``count`` of the values, evenly spread and always the same places."""
    places = torch.linspace(0, len(values) - 1, min(count, len(values)), device=values.device).long()
    return values[places].cpu().numpy()
