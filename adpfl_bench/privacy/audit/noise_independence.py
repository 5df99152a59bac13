"""Independence of noise: of other releases' noise, of other coordinates', and of what it hides."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from adpfl_bench.privacy.audit.error_rates import ALPHA, correlation_limit, gamma_p_values, normal_p_value

_SIGNS = 256  # whose pattern tells noise apart
_COORDINATES = 2**11  # of each release that are kept to compare with others, all lags
_RELEASES = 2**12
_LAGGED = 2**12  # neighbouring coordinates that are compared within a release
_ENOUGH = 2000  # products of normal values whose sum is as good as normal, seven deviations out
_BLOCK = 512


class NoiseIndependence:
    """Sums over the noise of a run's releases, and the tests of them.

    All tests are of *normal scores*: what the stated law makes of each value, as a standard normal one. Given what it
    was added to, an honest score is standard normal; so the tests against the data are exact, whatever the data are.
    """

    def __init__(self) -> None:
        self.rows: list[NDArray[np.float32]] = []
        self.releases = 0
        self._patterns: dict[bytes, int] = {}
        self._signs = 0
        self._sum: Tensor | None = None
        self._lagged: NDArray[np.float64] | None = None
        self._pairs = 0
        self._data: list[float] = []
        self._squares = 0.0
        self._values = 0
        self._large = [0.0, 0]
        self._small = [0.0, 0]

    def add(self, scores: Tensor, exact: Tensor) -> None:
        """Take in the scores of a release's noise, and the sum that it was added to, both [P] in float64."""
        self.releases += 1
        self._squares += float(scores.square().sum())
        self._values += len(scores)
        self._sum = scores.clone() if self._sum is None else self._sum + scores
        signs = (scores[:_SIGNS] > 0).cpu().numpy()
        self._signs = len(signs)
        key = np.packbits(signs ^ signs[0]).tobytes()  # noise taken off again has the same key
        self._patterns[key] = self._patterns.get(key, 0) + 1
        if len(self.rows) < _RELEASES:
            self.rows.append(chosen(scores))
        self._add_lagged(scores[:_LAGGED].cpu().numpy())
        size = float(torch.linalg.vector_norm(exact))
        if size > 0 and math.isfinite(size):
            self._data.append(float(scores @ exact) / size)
            large = exact.abs() > exact.abs().median()
            for sums, part in ((self._large, scores[large]), (self._small, scores[~large])):
                sums[0] += float(part.square().sum())
                sums[1] += len(part)

    def _add_lagged(self, values: NDArray[np.float64]) -> None:
        length = len(values)
        spectrum = np.fft.rfft(values, 2 * length)
        products = np.fft.irfft(np.abs(spectrum) ** 2, 2 * length)[1:length]  # by lag: 1, ..., length - 1
        self._lagged = products if self._lagged is None else self._lagged + products
        self._pairs = length

    def findings(self, of_stated_scale: bool = True) -> tuple[list[str], dict[str, float | int]]:
        """Return what is wrong, and the figures that it was decided by.

        Where the noise is not of the stated scale, which another check says, it is taken by the scale that it has.
        """
        scale = 1.0 if of_stated_scale else math.sqrt(self._squares / self._values)
        if scale == 0:
            return [], {"repeated": 0, "releases_compared": 0}
        reasons: list[str] = []
        figures: dict[str, float | int] = {"repeated": self._repeated(), "releases_compared": len(self.rows)}
        if figures["repeated"]:
            reasons.append("noise is used again")
        if len(self.rows) >= 2 and len(self.rows[0]) >= 8:
            largest, limit = self._largest_correlation()
            figures |= {"largest_correlation": largest, "limit": limit}
            if largest > limit:
                reasons.append("the noise of different releases is correlated")
        reasons += self._over_releases(scale)
        if (lag := self._lag(scale)) is not None:
            reasons.append(f"coordinates of one release that are {lag} apart have correlated noise")
        found, of_data = self._with_data(scale)
        return reasons + found, figures | of_data

    def _repeated(self) -> int:
        # Two honest patterns agree, up to the sign, with probability 2^(1 - signs).
        if self.releases**2 * 2.0**-self._signs > ALPHA:
            return 0
        return sum(self._patterns.values()) - len(self._patterns)

    def _largest_correlation(self) -> tuple[float, float]:
        """The largest correlation of two of the releases, all lags, and what chance allows."""
        rows = np.stack(self.rows)
        rows = rows - rows.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(rows, axis=1)
        rows = rows[norms > 0] / norms[norms > 0, None]
        count, largest = len(rows), 0.0
        for start in range(0, count, _BLOCK):
            block = np.abs(rows[start : start + _BLOCK] @ rows[start:].T)
            largest = max(largest, float(np.triu(block, 1).max(initial=0.0)))
        return min(largest, 1.0), correlation_limit(rows.shape[1], count * (count - 1) // 2)

    def _over_releases(self, scale: float) -> list[str]:
        """What noise becomes when it is added up: it may neither cancel nor gather."""
        assert self._sum is not None
        if self.releases < 2:
            return []
        means = (self._sum / (scale * math.sqrt(self.releases))).cpu().numpy()
        total = np.array([float(means @ means) / 2])
        if gamma_p_values(total, len(means) / 2)[0] < ALPHA:
            spread = math.sqrt(2 * total[0] / len(means))
            return [f"added up over all releases, the noise has {spread:.3g} times the spread of independent noise"]
        worst = int(np.abs(means).argmax())
        if normal_p_value(float(means[worst]), len(means)) < ALPHA:
            return [f"the noise of coordinate {worst} has a mean"]
        return []

    def _lag(self, scale: float) -> int | None:
        assert self._lagged is not None
        lags = np.arange(1, self._pairs)
        products = self.releases * (self._pairs - lags)
        usable = products >= _ENOUGH
        if not usable.any():
            return None
        deviations = np.abs(self._lagged[usable]) / (scale**2 * np.sqrt(products[usable]))
        worst = int(deviations.argmax())
        return int(lags[usable][worst]) if normal_p_value(deviations[worst], int(usable.sum())) < ALPHA else None

    def _with_data(self, scale: float) -> tuple[list[str], dict[str, float | int]]:
        if not self._data:
            return [], {}
        largest, all_of_them = max(map(abs, self._data)), sum(self._data) / math.sqrt(len(self._data))
        largest, all_of_them, reasons = largest / scale, all_of_them / scale, []
        if min(normal_p_value(largest, len(self._data)), normal_p_value(all_of_them)) < ALPHA:
            reasons.append("the noise is correlated with the sum that it hides")
        if self._large[1] and self._small[1]:
            ratio = (self._large[0] / self._large[1]) / max(self._small[0] / self._small[1], 1e-300)
            law = stats.f(self._large[1], self._small[1])
            if 2 * min(law.cdf(ratio), law.sf(ratio)) < ALPHA:
                reasons.append("the noise has another scale where the sum is large")
        return reasons, {"correlation_with_sum": all_of_them}


def chosen(scores: Tensor) -> NDArray[np.float32]:
    """The coordinates of a release that are kept: the first and the last ones, and some between."""
    if len(scores) <= _COORDINATES:
        return scores.cpu().numpy().astype(np.float32)
    edge = _COORDINATES // 4
    between = torch.linspace(edge, len(scores) - edge - 1, _COORDINATES - 2 * edge, device=scores.device).long()
    kept = torch.cat([scores[:edge], scores[between], scores[-edge:]])
    return kept.cpu().numpy().astype(np.float32)
