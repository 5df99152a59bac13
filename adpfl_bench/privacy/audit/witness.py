"""Witness of every release of a run, which says in the end which named checks it passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from adpfl_bench.privacy.audit.checks import Check, ThresholdTwin, sensitivity, use_of_releases
from adpfl_bench.privacy.audit.noise import ObservedNoise, law_of
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.private_sum import PrivateSum

CHECKS = ("noise scale", "noise independence", "sensitivity", "threshold", "release count", "use of releases")


class ReleaseWitness:
    """Collector of what the checks are decided by.

    Args:
        sums: Makes the releases; its threshold must not have learned anything yet.

    Attributes:
        released: Number of releases by client.
    """

    def __init__(self, sums: PrivateSum) -> None:
        self.released: Counter[str] = Counter()
        self._sums = sums
        self._twin = ThresholdTwin(sums.threshold)
        law = law_of(sums.mechanism)
        self._noise = ObservedNoise(law) if law is not None else None
        self._statistic = ObservedNoise(law) if law is not None else None
        self._last: Tensor | None = None
        self._errors: list[float] = []

    def see(self, seen: StepObservation, exact: Tensor, released: Tensor, planned_units: int) -> float:
        """Take in a release.

        Args:
            seen: The release.
            exact: The sum without noise, [P].
            released: The same with noise, [P]; kept until :meth:`used`.
            planned_units: Number of units of the step by the plan: all that the threshold may be told of it.

        Returns:
            The scale of the noise as it is stated.
        """
        self.released[seen.client] += 1
        self._last = released
        statistic = self._twin.see(replace(seen, units=planned_units))
        sums = self._sums
        scale = sums.sum_multiplier * seen.threshold if sums.noise_multiplier > 0 else 0.0
        if scale > 0 and self._noise is not None and self._statistic is not None:
            self._noise.add(released - exact, scale)
            if statistic.size:
                width = sums.statistic_multiplier * sums.threshold.statistic_sensitivity
                self._statistic.add(torch.from_numpy(seen.statistic - statistic), width)
        return scale

    def used(self, gradient: Tensor, divisor: float) -> None:
        """Take in what the optimizer has stepped on, [P], and the public number that the release was divided by."""
        if self._last is not None:
            expected = self._last / divisor
            size = float(torch.linalg.vector_norm(expected))
            self._errors.append(float(torch.linalg.vector_norm(gradient - expected)) / size if size else 0.0)
        self._last = None

    def checks(self, moves: Sequence[float], limit: float, tolerance: float) -> dict[str, Check]:
        """All named checks but that of the release count; see :func:`~adpfl_bench.privacy.audit.checks.sensitivity`."""
        reason = "no noise is stated" if self._noise is not None else "the mechanism states no law that is known here"
        found = dict.fromkeys(CHECKS, Check(None, reason=reason))
        if self._noise is not None and not self._noise.empty:
            found["noise scale"] = self._noise.scale_check(self._statistic)
            found["noise independence"] = self._noise.independence_check()
        found["sensitivity"] = sensitivity(moves, limit, tolerance)
        found["threshold"] = self._twin.check()
        found["use of releases"] = use_of_releases(self._errors)
        return found
