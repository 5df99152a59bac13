"""Witness of every release of a run, which says in the end which named checks it passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adpfl_bench.privacy.audit.checks import Check, ThresholdTwin, sensitivity, use_of_releases
from adpfl_bench.privacy.audit.ledger_watch import stated_multipliers
from adpfl_bench.privacy.audit.noise import ObservedNoise, law_of
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.audit.sequence_watch import FreshNoise
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.private_sum import PrivateSum

CHECKS = (
    "noise scale",
    "noise independence",
    "sensitivity",
    "threshold",
    "sampling",
    "release count",
    "ledger",
    "use of releases",
    "weights",
)


class Stated(NamedTuple):
    """What a ledger's entry states of a release's noise.

    Attributes:
        scale: Scale of the noise on the sum; 0 for none.
        width: Scale of the noise on the threshold's statistic.
        statistic: The statistic as it was before noise, [K].
    """

    scale: float
    width: float
    statistic: NDArray[np.float64]


class ReleaseWitness:
    """Collector of what the checks of releases are decided by.

    Args:
        sums: Makes the releases; its threshold must not have learned anything yet.
        parts: Numbers of coordinates of the tensors that a release is made of.

    Attributes:
        released: Number of releases by client.
        twin: The threshold's second copy.
    """

    def __init__(self, sums: PrivateSum, parts: Sequence[int]) -> None:
        self.released: Counter[str] = Counter()
        self.twin = ThresholdTwin(sums.threshold)
        self._mechanism = sums.mechanism
        self._parts = parts
        self._noise: dict[str, ObservedNoise] = {}
        self._statistic: dict[str, ObservedNoise] = {}
        self._along: dict[int, ObservedNoise] = {}
        self._unknown: str | None = None
        self._off_lattice = 0
        self._errors: list[float] = []

    def see(
        self,
        seen: StepObservation,
        exact: Tensor,
        released: Tensor,
        planned_units: int,
        event: Release,
        fresh: FreshNoise | None = None,
        directions: Tensor | None = None,
    ) -> Stated:
        """Take in a release, and hold its noise against its entry.

        Args:
            seen: The release.
            exact: The sum without noise, [P].
            released: The same with noise, [P].
            planned_units: Number of units of the step by the plan: all that the threshold may be told of it.
            event: The ledger's entry.
            fresh: What is fresh of the noise; all of it unless given.
            directions: Orthonormal ones, [K, P], in which gradients bring most, so that noise is looked for there too.
        """
        self.released[seen.client] += 1
        rule = self.twin.rule
        first, second = stated_multipliers(event, rule.budget_share(self._mechanism, event.noise_multiplier))
        statistic = self.twin.see(replace(seen, units=planned_units), event.norm)
        noise, factor = fresh or (released - exact, 1.0)
        factor *= self._mechanism.enlarged(seen.threshold, len(exact))
        scale = first * factor * seen.threshold if event.noise_multiplier > 0 else 0.0
        if (lattice := self._mechanism.lattice_of(seen.threshold)) and scale > 0:
            self._off_lattice += int(torch.count_nonzero(torch.frac(released.double() / lattice)))
        width = second * rule.statistic_sensitivity if statistic.size else 0.0
        law = law_of(event.mechanism)
        if law is None:
            self._unknown = f"no law is known here for the noise of {event.mechanism}"
        elif scale > 0:
            if law not in self._noise:
                self._noise[law], self._statistic[law] = ObservedNoise(law, self._parts), ObservedNoise(law)
            self._noise[law].add(noise, scale, exact)
            if directions is not None and law == "norm":  # which keeps its law under rotations
                own = self._along.setdefault(len(directions), ObservedNoise(law))
                own.add(directions.to(noise) @ noise, scale)
            if statistic.size:
                before = torch.from_numpy(statistic)
                self._statistic[law].add(torch.from_numpy(seen.statistic) - before, max(width, 1e-30), before)
        return Stated(scale, width, statistic)

    def used(self, gradient: Tensor, expected: Tensor) -> None:
        """Take in what the optimizer has stepped on, [P], and what follows from the release by public numbers, [P]."""
        size = float(torch.linalg.vector_norm(expected))
        self._errors.append(float(torch.linalg.vector_norm(gradient - expected)) / size if size else 0.0)

    def checks(
        self, moves: Sequence[float], limit: float, tolerance: float, errors: Sequence[float] = ()
    ) -> dict[str, Check]:
        """The checks of releases; see :func:`~adpfl_bench.privacy.audit.checks.sensitivity`."""
        found = dict.fromkeys(CHECKS, Check(None, reason=self._unknown or "no noise is stated"))
        for law, noise in self._noise.items():
            found["noise scale"] = noise.scale_check(self._statistic[law], list(self._along.values()))
            found["noise independence"] = noise.independence_check(self._statistic[law])
        if len(self._noise) > 1:
            found["noise scale"] = Check(False, reason="the ledger names several laws of noise")
        if self._off_lattice:
            figures = {**found["noise scale"].figures, "values_off_the_lattice": self._off_lattice}
            reason = "what is released is not on the lattice of its noise, and so tells the sum"
            found["noise scale"] = Check(False, figures, reason)
        found["sensitivity"] = sensitivity(moves, limit, tolerance, errors)
        found["threshold"] = self.twin.check()
        found["use of releases"] = use_of_releases(self._errors)
        return found
