"""Watch over fixed orders of batches: whether units keep their places, and what is fresh of correlated noise."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import special
from torch import Tensor

from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.mechanisms import Mechanism


class FreshNoise(NamedTuple):
    """What one release adds to the noise of those before it.

    Attributes:
        noise: The fresh noise, of the release's own scale, [P].
        factor: Its scale in units of that which independent noise would have.
    """

    noise: Tensor
    factor: float


class Window:
    """The last vectors of a sequence, and what the banded matrix makes of them and the next one.

    Args:
        coefficients: The bands, [p].
    """

    def __init__(self, coefficients: Sequence[float]) -> None:
        self.coefficients = coefficients
        self._before: deque[Tensor] = deque(maxlen=len(coefficients) - 1)

    def see(self, vector: Tensor) -> Tensor:
        """Take in the next vector, [P]; returns ``sum c_k v_(t-k)``, [P]."""
        total = self.coefficients[0] * vector
        for weight, earlier in zip(self.coefficients[1:], self._before, strict=False):
            total = total + weight * earlier
        self._before.appendleft(vector)
        return total


class SequenceWatch:
    """Watch over the steps of all clients, by public numbers alone.

    Coefficients are computed here by another formula than the mechanism's, and numbers of batches from those of units.

    Args:
        mechanism: States the number of bands, where noise is correlated.
        batches: The number of fixed batches of a client; ``None`` where batches have no fixed order.
    """

    def __init__(self, mechanism: Mechanism | None, batches: Callable[[str], int] | None) -> None:
        self._bands = mechanism.bands if isinstance(mechanism, CorrelatedGaussianMechanism) else 1
        self._batches = batches
        self._steps: dict[tuple[str, str], int] = {}
        self._seen: dict[tuple[str, str, Hashable], int] = {}
        self._noise: dict[tuple[str, str], Window] = {}

    def coefficients(self, client: str) -> list[float]:
        """The bands of a client's noise: binomial coefficients ``C(2k, k) / 4^k``; 1 alone where it is independent."""
        if self._batches is None or self._bands == 1:
            return [1.0]
        places = np.arange(min(self._bands, self._batches(client)))
        found: list[float] = (special.binom(2 * places, places) / 4.0**places).tolist()
        return found

    def order(self, batch: TrainingBatch, units: Sequence[Hashable]) -> str | None:
        """Note who is in a step; returns what is wrong where somebody comes again sooner than the noise allows."""
        if self._batches is None:
            return None
        turn, expected = (batch.client, batch.turn), self._batches(batch.client)
        now = self._steps[turn] = self._steps.get(turn, -1) + 1
        gaps = {now - self._seen[(*turn, unit)] for unit in units if (*turn, unit) in self._seen}
        self._seen.update({(*turn, unit): now for unit in units})
        if gaps - {expected}:
            return f"a unit comes again after {min(gaps - {expected})} steps, but there are {expected} fixed batches"
        return None

    def fresh(self, batch: TrainingBatch, noise: Tensor, threshold: float) -> FreshNoise | None:
        """Return what is fresh of a release's noise, [P]; ``None`` where all of it is."""
        coefficients = self.coefficients(batch.client)
        if len(coefficients) == 1 or threshold == 0:
            return None
        window = self._noise.setdefault((batch.client, batch.turn), Window(coefficients))
        own = window.see(noise.double() / threshold) * threshold
        return FreshNoise(own.to(noise.dtype), float(np.linalg.norm(coefficients)))


class SeenColumns:
    """What an attack knows of the last steps of a sequence: what is left of each release, and what canaries bring.

    Args:
        coefficients: The bands, [p].
    """

    def __init__(self, coefficients: Sequence[float]) -> None:
        self._residuals = Window(coefficients)
        self._rows: deque[tuple[Sequence[int], Tensor]] = deque(maxlen=len(coefficients))

    def see(self, slots: Sequence[int], rows: Tensor, residual: Tensor) -> tuple[list[int], Tensor, Tensor]:
        """Turn a step's view into one under independent noise.

        Args:
            slots: Canaries of the step, k of them.
            rows: What each brings, in units of the threshold, [k, P].
            residual: What is left of the release, in the same units, [P].

        Returns:
            The canaries of the last p steps, what each brings to the combination of these, and what is left of it.
        """
        self._rows.appendleft((slots, rows))
        pairs = list(zip(self._residuals.coefficients, self._rows, strict=False))
        canaries = [slot for _, (own, _) in pairs for slot in own]
        brought = torch.cat([weight * own for weight, (_, own) in pairs])
        return canaries, brought, self._residuals.see(residual)
