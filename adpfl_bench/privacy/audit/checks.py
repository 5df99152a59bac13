"""Named checks of what a run released, each with the figures that it was decided by."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.ledger import Norm, Release
from adpfl_bench.privacy.thresholds import Threshold

_UNITS = 8  # of each release whose part in the threshold's statistic is measured

Counts = Mapping[str, int]
Ledger = Mapping[str, Mapping[Release, int]]


@dataclass(frozen=True)
class Check:
    """The outcome of a check.

    Attributes:
        passed: Whether it was passed; ``None`` where there is nothing to check.
        figures: What was decided by.
        reason: Why there is nothing to check, or what failed.
    """

    passed: bool | None
    figures: Mapping[str, float | int] = field(default_factory=dict)
    reason: str | None = None

    def describe(self) -> dict[str, Any]:
        """Return the check in a run record."""
        return {"passed": self.passed, "reason": self.reason, **self.figures}


def sensitivity(moves: Sequence[float], limit: float, tolerance: float, errors: Sequence[float] = ()) -> Check:
    """Check how far single units move the sum before noise, and that the sum is what its units bring.

    Args:
        moves: Distances between the sum, and what it would be without one of its units, in units of the threshold.
        limit: What they are accounted with.
        tolerance: Share of it that rounding may add.
        errors: Distances between sums and those of the units' gradients, each computed and clipped by itself, in units
            of the threshold.
    """
    if not moves and not errors:
        return Check(None, reason="no canary that is in was in any step")
    largest, error = max(moves, default=0.0), max(errors, default=0.0)
    figures: dict[str, float | int] = {"largest_move": largest, "limit": limit, "moves": len(moves)}
    if errors:
        figures |= {"largest_error": error, "sums": len(errors)}
    reasons = []
    if not largest <= limit * (1 + tolerance):
        reasons.append(f"a unit moves the sum by {largest:.3g} thresholds")
    elif not error <= tolerance:
        reasons.append(f"a sum is {error:.3g} thresholds away from what its units bring")
    return Check(not reasons, figures, "; ".join(reasons) or None)


class ThresholdTwin:
    """A second copy of the threshold's rule, which is fed what was released with noise and nothing else.

    Args:
        rule: The rule as it is before anything is trained; it is copied.
    """

    def __init__(self, rule: Threshold) -> None:
        self._rule = copy.deepcopy(rule)
        self._worst = 0.0
        self._steps = 0
        self._moved = 0.0

    def see(self, seen: StepObservation, norm: Norm = "l2") -> NDArray[np.float64]:
        """Compare thresholds, and let the twin learn; returns the statistic as it was before noise, [K]."""
        expected = self._rule.current(seen.client)
        self._worst = max(self._worst, abs(seen.threshold - expected) / max(seen.threshold, expected, 1e-300))
        self._steps += 1
        statistic = self._statistic(seen.client, seen.norms)
        self._measure(seen, statistic, norm)
        self._rule.learn(seen.client, seen.statistic.copy(), seen.units)
        return statistic

    def _statistic(self, client: str, norms: Sequence[float]) -> NDArray[np.float64]:
        return copy.deepcopy(self._rule).statistic(client, norms)

    def _measure(self, seen: StepObservation, statistic: NDArray[np.float64], norm: Norm) -> None:
        """Measure how far a unit moves the statistic, where one of the step's is left out, and where it is alone."""
        if not statistic.size:
            return
        norms, order = list(seen.norms), 1 if norm == "l1" else 2
        without = [norms[:i] + norms[i + 1 :] for i in range(min(len(norms), _UNITS))]
        pairs = [(statistic, self._statistic(seen.client, rest)) for rest in without]
        if self._steps == 1:
            nobody = self._statistic(seen.client, [])
            pairs += [(self._statistic(seen.client, [size]), nobody) for size in (0.0, seen.threshold, 1e12)]
        self._moved = max(self._moved, *(float(np.linalg.norm(one - other, order)) for one, other in pairs), 0.0)

    @property
    def rule(self) -> Threshold:
        """The copy, to be asked for public numbers alone."""
        return self._rule

    def check(self) -> Check:
        """Check that the run's thresholds can be told from what it released."""
        if (reason := self._rule.unaccounted_reason) is not None:
            return Check(None, {"steps": self._steps}, reason)
        figures: dict[str, float | int] = {"largest_difference": self._worst, "steps": self._steps}
        reasons = []
        if self._worst > 1e-9:
            reasons.append("the threshold follows something that was not released with noise")
        stated = self._rule.statistic_sensitivity
        if stated > 0 or self._moved > 0:
            figures |= {"statistic_moved": self._moved, "statistic_sensitivity": stated}
        if self._moved > stated * (1 + 1e-9):
            reasons.append(f"a unit moves the threshold's statistic by {self._moved:.3g}, but {stated:.3g} is stated")
        return Check(not reasons, figures, "; ".join(reasons) or None)


def release_count(planned: Counts, planned_ledger: Ledger, released: Counts, ledger: Ledger) -> Check:
    """Compare what was released, and what was entered into the ledger, with the plan.

    Args:
        planned: Releases by client, from the schedule and public numbers.
        planned_ledger: Ledger entries by client, from the same.
        released: Releases by client that were seen.
        ledger: The entries that were made; more than planned may be, where a folder was used before.
    """
    figures = {"planned": sum(planned.values()), "released": sum(released.values())}
    unplanned = [f"client {client} releases, but is not in the plan" for client in released if client not in planned]
    reasons = [
        f"client {client} made {released.get(client, 0)} of {count} planned releases"
        for client, count in planned.items()
        if released.get(client, 0) != count
    ]
    reasons += unplanned
    short = [
        client
        for client, events in planned_ledger.items()
        if any(ledger.get(client, {}).get(release, 0) < count for release, count in events.items())
    ]
    if short:
        reasons.append(f"the ledger has less than was planned of {', '.join(short)}")
    return Check(not reasons, figures, "; ".join(reasons) or None)


def use_of_releases(errors: Sequence[float]) -> Check:
    """Check that a step is made on the release, divided by a public number, and on nothing else.

    Args:
        errors: Distances of what the optimizer stepped on to that, as shares of it.
    """
    if not errors:
        return Check(None, reason="no release was followed by a step")
    worst = math.inf if any(math.isnan(error) for error in errors) else max(errors)
    figures = {"largest_difference": worst, "steps": len(errors)}
    passed = worst <= 1e-3
    return Check(passed, figures, None if passed else "the optimizer is given something else than the release")
