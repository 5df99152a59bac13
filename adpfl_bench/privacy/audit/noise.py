"""Noise of a run's releases, in units of what is stated for it, and the checks of its scale and independence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from adpfl_bench.privacy.audit.checks import Check
from adpfl_bench.privacy.audit.error_rates import correlation_limit
from adpfl_bench.privacy.audit.noise_independence import NoiseIndependence
from adpfl_bench.privacy.audit.noise_scale import NoiseScale

_LAWS = {"LaplaceMechanism": "laplace", "GaussianMechanism": "norm"}
_WINDOW = 8  # values of a statistic that are looked for in the noise of a sum


class ObservedNoise:
    """The noise of a run's releases, taken in one after the other.

    Args:
        law: ``laplace`` or ``norm``.
        parts: Numbers of coordinates of the tensors that a release is made of.
    """

    def __init__(self, law: str, parts: Sequence[int] = ()) -> None:
        self.law = law
        self.scale = NoiseScale(law, parts)
        self.independence = NoiseIndependence()

    def add(self, noise: Tensor, scale: float, exact: Tensor | None = None) -> None:
        """Take in a release's noise.

        Args:
            noise: What was released less what it hides, [P].
            scale: What is stated for it, greater than 0.
            exact: What it hides, [P]; zeros unless given.
        """
        values = noise.double() / scale
        hidden = torch.zeros_like(values) if exact is None else exact.double()
        rounding = torch.finfo(noise.dtype).eps * (hidden.abs() / scale + values.abs())
        self.scale.add(values, noise, rounding)
        self.independence.add(normal_scores(values, self.law), hidden)

    @property
    def empty(self) -> bool:
        """Whether nothing was taken in."""
        return self.scale.values == 0

    def scale_check(self, statistic: ObservedNoise | None = None, along: Sequence[ObservedNoise] = ()) -> Check:
        """Compare with the stated law and scale.

        Args:
            statistic: The noise on the threshold's statistic.
            along: The noise along public directions.
        """
        reasons, figures = self.scale.findings()
        for own in along:
            reasons += [f"along public directions, {reason}" for reason in own.scale.findings()[0]]
        if statistic is not None and not statistic.empty:
            found, beside = statistic.scale.findings()
            figures |= {f"statistic_{name}": beside[name] for name in ("scale_ratio", "values")}
            reasons += [f"of the threshold's statistic, {reason}" for reason in found]
        return Check(not reasons, figures, "; ".join(reasons) or None)

    def independence_check(self, statistic: ObservedNoise | None = None) -> Check:
        """Compare releases with one another, with what they hide, and with the noise on the threshold's statistic."""
        reasons, figures = self.independence.findings(not self.scale.findings()[0])
        if statistic is not None and not statistic.empty:
            found, _ = statistic.independence.findings(not statistic.scale.findings()[0])
            reasons += [f"of the threshold's statistic, {reason}" for reason in found]
            if _shared(self.independence.rows, statistic.independence.rows):
                reasons.append("the noise of the sum is used again for the threshold's statistic")
        return Check(not reasons, figures, "; ".join(reasons) or None)


def _shared(sums: Sequence[NDArray[np.float32]], statistics: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the scores of a statistic go with those of the sum beside it: over releases, or within one."""
    one, other = np.stack(sums[: len(statistics)]), np.stack(statistics[: len(sums)])
    count, width = other.shape
    if count >= 8:
        columns = [(values - values.mean(0)) / np.maximum(np.linalg.norm(values - values.mean(0), axis=0), 1e-30)
                   for values in (one, other)]  # fmt: skip
        largest = float(np.abs(columns[0].T @ columns[1]).max())
        if min(largest, 1.0) > correlation_limit(count, one.shape[1] * width):
            return True
    if width < _WINDOW or one.shape[1] < width:
        return False
    limit = correlation_limit(width, count * (one.shape[1] - width + 1))
    for values, short in zip(one, other, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(values, width)
        windows = windows - windows.mean(axis=1, keepdims=True)
        short = short - short.mean()
        norms = np.linalg.norm(windows, axis=1) * np.linalg.norm(short)
        if float((np.abs(windows @ short) / np.maximum(norms, 1e-30)).max()) > limit:
            return True
    return False


def normal_scores(values: Tensor, law: str) -> Tensor:
    """Turn values of a law, in units of its scale, into standard normal ones, [P] in float64."""
    if law != "laplace":
        return values
    tail = 0.5 * torch.exp(-values.abs().clamp(max=700.0))
    scores: Tensor = -torch.sign(values) * torch.special.ndtri(tail)
    return scores


def law_of(mechanism: str) -> str | None:
    """Return the law, by its name in ``scipy.stats``, of the mechanism that a ledger names; ``None`` if unknown."""
    return _LAWS.get(mechanism)
