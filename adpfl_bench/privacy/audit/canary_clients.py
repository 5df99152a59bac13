"""Canary clients: whole clients of an audit, whose delta is in or out by a coin."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.ledger import Norm
from adpfl_bench.privacy.thresholds import Threshold
from adpfl_bench.seeding import numpy_generator, torch_generator

NAME = "canary client"
_LOUD = 1e3  # times the first threshold
_EXACT = 1e-4  # of the threshold: less noise than that is taken for so much


class CanaryClients:
    """Made-up clients that send a delta in every round: of one direction if they are in, and zeros if they are out.

    Where the unit of privacy is the client, a neighbouring federation has zeros in place of all that one client sends.
    So each coin decides between two neighbours, for a unit that takes part in every round. Nothing else of the run
    depends on it: each client makes its own delta private, and canary clients send theirs to nobody but the audit,
    through the run's own clipping, thresholds, noise and ledger. Their delta is longer than any threshold, so that it
    is clipped to C, the largest that a unit may be. Its direction is where the law of the noise is worst: spread over
    all coordinates under L2 clipping, and in a single one under L1 clipping.

    The evidence is the log-likelihood ratio of all that a canary client released, sums and threshold statistics: no
    test of its coin is better (Neyman and Pearson).

    Args:
        count: Number of canary clients, at least 1.
        seed: Seed of the run; coins and directions follow from it.

    Attributes:
        included: The coins, [count].
        names: The names under which they release.
        evidence: Log-likelihood ratio of in to out for each, [count].
    """

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.included: NDArray[np.bool_] = numpy_generator(seed, "canary coins").random(count) < 0.5
        self.evidence: NDArray[np.float64] = np.zeros(count)
        self.names = [f"{NAME} {canary}" for canary in range(count)]
        self._seed = seed

    def direction(self, canary: int, like: Sequence[Tensor], norm: Norm) -> Tensor:
        """Its direction, of length 1 in the norm that is clipped, [P]."""
        size = sum(tensor.numel() for tensor in like)
        generator = torch_generator(self._seed, "canary client", canary)
        if norm == "l1":
            place = int(torch.randint(size, (1,), generator=generator))
            flat = torch.zeros(size, dtype=torch.float64)
            flat[place] = 1.0
        else:
            signs = torch.randint(2, (size,), generator=generator, dtype=torch.float64)
            flat = (2 * signs - 1) / math.sqrt(size)
        return flat.to(like[0])

    def delta(self, canary: int, like: Sequence[Tensor], norm: Norm, threshold: float) -> list[Tensor]:
        """What it sends before anything is made private, shaped like the shared weights.

        Args:
            canary: Which.
            like: The shared weights.
            norm: The norm that is clipped.
            threshold: A threshold of the run, which the delta exceeds a thousand times.
        """
        flat = self.direction(canary, like, norm) * (_LOUD * max(threshold, 1e-6) * self.included[canary])
        parts = torch.split(flat, [tensor.numel() for tensor in like])
        return [part.view_as(tensor).clone() for part, tensor in zip(parts, like, strict=True)]

    def see(
        self,
        canary: int,
        seen: StepObservation,
        released: Tensor,
        direction: Tensor,
        scales: tuple[float, float],
        law: str | None,
        rule: Threshold,
    ) -> None:
        """Learn from one of its releases.

        Args:
            canary: Which.
            seen: The release.
            released: What was sent, [P].
            direction: Its direction, [P].
            scales: Scales of the noise on its delta and on the threshold's statistic, as they are stated.
            law: ``laplace`` or ``norm``; another is taken for the latter.
            rule: The threshold's rule as it was before this release.
        """
        signal = direction.double() * seen.threshold
        deviation = max(scales[0], _EXACT * seen.threshold)
        self.evidence[canary] += _log_ratio(released.double().cpu().numpy(), signal.cpu().numpy(), deviation, law)
        if seen.statistic.size:
            present = rule.statistic(seen.client, [_LOUD * seen.threshold])
            absent = rule.statistic(seen.client, [0.0])
            width = max(scales[1], _EXACT)
            self.evidence[canary] += _log_ratio(seen.statistic - absent, present - absent, width, law)


def _log_ratio(values: NDArray[np.float64], signal: NDArray[np.float64], scale: float, law: str | None) -> float:
    """Log-likelihood ratio of noise about a signal to noise about zero."""
    if scale <= 0:
        return 0.0
    if law == "laplace":
        return float(np.sum(np.abs(values) - np.abs(values - signal))) / scale
    return float(np.sum(values**2) - np.sum((values - signal) ** 2)) / (2 * scale**2)
