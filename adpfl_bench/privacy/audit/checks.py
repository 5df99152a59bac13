"""Named checks of what a run released, each with the figures that it was decided by."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.thresholds import Threshold

# An honest run fails a statistical check about once in a million.
_UNLIKELY = 1e-6
_DEVIATIONS = 6.0
_SCALE_TOLERANCE = 0.002

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


def noise_scale(
    estimate: float, values: int, sample: NDArray[np.float64], law: str, never: int, statistic: Check | None = None
) -> Check:
    """Compare noise with the law and the scale that are stated for it.

    Args:
        estimate: Estimated scale of all values, in units of the stated one.
        values: Number of the values.
        sample: Some of them, in units of the stated scale; compared with the law by a Kolmogorov-Smirnov test.
        law: ``laplace`` or ``norm``.
        never: Number of coordinates that no step added noise to.
        statistic: The same check of the noise on the threshold's statistic.
    """
    error = _relative_error(values, law)
    p_value = float(stats.kstest(sample, getattr(stats, law).cdf).pvalue)
    figures: dict[str, float | int] = {
        "scale_ratio": estimate,
        "tolerance": max(_DEVIATIONS * error, _SCALE_TOLERANCE),
        "values": values,
        "ks_p_value": p_value,
        "coordinates_without_noise": never,
    }
    reasons = []
    if abs(estimate - 1) > figures["tolerance"]:
        reasons.append(f"the noise has {estimate:.3g} times the stated scale")
    elif p_value < _UNLIKELY:
        reasons.append("the noise does not follow the stated law")
    if never:
        reasons.append(f"{never} coordinates are released without noise")
    if statistic is not None:
        figures |= {f"statistic_{name}": statistic.figures[name] for name in ("scale_ratio", "values")}
        if statistic.passed is False:
            reasons.append(f"of the threshold's statistic, {statistic.reason}")
    return Check(not reasons, figures, "; ".join(reasons) or None)


def _relative_error(values: int, law: str) -> float:
    """Standard error of the estimated scale, as a share of it."""
    return 1 / math.sqrt(values if law == "laplace" else 2 * values)


def noise_independence(rows: NDArray[np.float64], repeated: int, law: str) -> Check:
    """Look for noise that is used again, or that one release's tells about another's.

    Args:
        rows: Noise of some releases in the same coordinates, [T, n], in units of its stated scale.
        repeated: Number of releases whose noise an earlier one had.
        law: ``laplace`` or ``norm``, by which the values are made normal ones.
    """
    figures: dict[str, float | int] = {"repeated": repeated, "releases_compared": len(rows)}
    if len(rows) < 2 or rows.shape[1] < 8:
        return Check(not repeated, figures, "noise is used again" if repeated else None)
    normal = stats.norm.ppf(np.clip(getattr(stats, law).cdf(rows), 1e-12, 1 - 1e-12))
    spread = normal.std(axis=1) > 0
    if spread.sum() < 2:
        return Check(not repeated, figures, "noise is used again" if repeated else None)
    correlation = np.corrcoef(normal[spread])
    np.fill_diagonal(correlation, 0.0)
    pairs = spread.sum() * (spread.sum() - 1) / 2
    limit = math.tanh(float(stats.norm.isf(_UNLIKELY / (2 * pairs))) / math.sqrt(rows.shape[1] - 3))
    largest = float(np.abs(correlation).max())
    figures |= {"largest_correlation": largest, "limit": limit}
    reasons = ["noise is used again"] * bool(repeated)
    reasons += ["the noise of different releases is correlated"] * (largest > limit)
    return Check(not reasons, figures, "; ".join(reasons) or None)


def sensitivity(moves: Sequence[float], limit: float, tolerance: float) -> Check:
    """Check how far single units move the sum before noise.

    Args:
        moves: Distances between the sum, and what it would be without one of its units, in units of the threshold.
        limit: What they are accounted with.
        tolerance: Share of it that rounding may add.
    """
    if not moves:
        return Check(None, reason="no canary that is in was in any step")
    figures = {"largest_move": max(moves), "limit": limit, "moves": len(moves)}
    passed = max(moves) <= limit * (1 + tolerance)
    return Check(passed, figures, None if passed else f"a unit moves the sum by {max(moves):.3g} thresholds")


class ThresholdTwin:
    """A second copy of the threshold's rule, which is fed what was released with noise and nothing else.

    Args:
        rule: The rule as it is before anything is trained; it is copied.
    """

    def __init__(self, rule: Threshold) -> None:
        self._rule = copy.deepcopy(rule)
        self._worst = 0.0
        self._steps = 0

    def see(self, seen: StepObservation) -> NDArray[np.float64]:
        """Compare thresholds, and let the twin learn; returns the statistic as it was before noise, [K]."""
        expected = self._rule.current(seen.client)
        self._worst = max(self._worst, abs(seen.threshold - expected) / max(seen.threshold, expected, 1e-300))
        self._steps += 1
        statistic = copy.deepcopy(self._rule).statistic(seen.client, seen.norms)
        self._rule.learn(seen.client, seen.statistic.copy(), seen.units)
        return statistic

    def check(self) -> Check:
        """Check that the run's thresholds can be told from what it released."""
        if (reason := self._rule.unaccounted_reason) is not None:
            return Check(None, {"steps": self._steps}, reason)
        passed = self._worst <= 1e-9
        text = "the threshold follows something that was not released with noise"
        return Check(passed, {"largest_difference": self._worst, "steps": self._steps}, None if passed else text)


def release_count(planned: Counts, released: Counts, planned_ledger: Ledger, ledger: Ledger) -> Check:
    """Compare what was released, and what was entered into the ledger, with the plan.

    Args:
        planned: Releases by client, from the schedule and public numbers.
        released: Releases by client that were seen.
        planned_ledger: Ledger entries by client, from the same.
        ledger: The entries that were made; more than planned may be, where a folder was used before.
    """
    figures = {"planned": sum(planned.values()), "released": sum(released.values())}
    reasons = [
        f"client {client} made {released.get(client, 0)} of {count} planned releases"
        for client, count in planned.items()
        if released.get(client, 0) != count
    ]
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
    passed = max(errors) <= 1e-3
    figures = {"largest_difference": max(errors), "steps": len(errors)}
    return Check(passed, figures, None if passed else "the optimizer is given something else than the release")
