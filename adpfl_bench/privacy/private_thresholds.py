"""Private thresholds: they follow gradient norms and still have a proof, as they learn from noised sums alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.thresholds import Threshold


class QuantileThreshold(Threshold):
    """A tracked quantile of the units' gradient norms, by one noised indicator a step.

    Each unit says whether its norm is at most C. With ``b`` the noised share of those and ``gamma`` the quantile,

        C <- C exp(-learning_rate (b - gamma))

    so C falls while more than ``gamma`` of the units are within it. Indicators are centred (plus or minus one half), so
    that a unit replaced by nothing moves their sum by one half only.

    Source: Andrew et al. 2021 (arXiv 1905.03871), Algorithm 1 and Theorem 1. Recommended: quantile 0.5 with a learning
    rate of 0.2; for clients with few units per step a smaller rate. Costs: ``budget_share`` of the budget, that is, the
    gradient's noise grows by ``(1 - budget_share)^-1/2`` (about 2.6 % for 0.05).

    Args:
        quantile: The quantile gamma, in (0, 1).
        learning_rate: Greater than 0.
        initial: C before the first step; a public number.
        budget_share: Share of the budget for the indicator, in (0, 1).
        indicator_noise: Scale of the noise on the sum of indicators, instead of a share. In the paper's notation this
            is sigma_b; noise too small for the budget is refused.
        lowest: C is never less; a public number.
        highest: C is never more; a public number.
    """

    statistic_sensitivity = 0.5

    def __init__(
        self,
        quantile: float = 0.5,
        learning_rate: float = 0.2,
        initial: float = 1.0,
        budget_share: float = 0.05,
        indicator_noise: float | None = None,
        lowest: float = 1e-6,
        highest: float = 1e6,
    ) -> None:
        if not 0 < quantile < 1:
            raise ConfigError(f"QuantileThreshold.quantile must lie in (0, 1), but it is {quantile}.")
        if not 0 < learning_rate < math.inf:
            raise ConfigError(f"QuantileThreshold.learning_rate must be greater than 0, but it is {learning_rate}.")
        if indicator_noise is not None and not 0 < indicator_noise < math.inf:
            raise ConfigError(f"QuantileThreshold.indicator_noise must be greater than 0, but it is {indicator_noise}.")
        _check_share("QuantileThreshold", budget_share)
        _check_range("QuantileThreshold", lowest, initial, highest)
        self.quantile = quantile
        self.learning_rate = learning_rate
        self.initial = initial
        self.indicator_noise = indicator_noise
        self.lowest = lowest
        self.highest = highest
        self._share = budget_share
        self._thresholds: dict[str, float] = {}

    def current(self, client: str) -> float:
        """Return the client's threshold; ``initial`` before its first step."""
        return self._thresholds.get(client, self.initial)

    def budget_share(self, mechanism: Mechanism, noise_multiplier: float) -> float:
        """Return the stated share, or the one that ``indicator_noise`` amounts to.

        Raises:
            ConfigError: ``indicator_noise`` would spend the whole budget or more: ``z_delta = (z^-2 - (2
                sigma_b)^-2)^-1/2`` has no real solution.
        """
        if self.indicator_noise is None or noise_multiplier == 0:
            return self._share
        share = mechanism.share(noise_multiplier, self.indicator_noise / self.statistic_sensitivity)
        if share >= 1:
            raise ConfigError(
                f"QuantileThreshold.indicator_noise is {self.indicator_noise:g}, but with a noise multiplier of"
                f" {noise_multiplier:g} it must be greater than {noise_multiplier / 2:g}: otherwise the indicator alone"
                " spends the whole budget and nothing is left for the gradient. Raise it, or state a budget_share."
            )
        return share

    def statistic(self, client: str, norms: Sequence[float]) -> NDArray[np.float64]:
        """Sum of the centred indicators, [1]."""
        within = np.asarray(norms) <= self.current(client)
        return np.array([float(np.sum(within - 0.5))])

    def learn(self, client: str, statistic: NDArray[np.float64], units: float) -> None:
        """Take the geometric step of the paper's Algorithm 1."""
        share = float(statistic[0]) / units + 0.5
        moved = self.current(client) * math.exp(-self.learning_rate * (share - self.quantile))
        self._thresholds[client] = min(max(moved, self.lowest), self.highest)

    def state_dict(self) -> dict[str, Any]:
        """Return the threshold of every client."""
        return dict(self._thresholds)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the threshold of every client.

        Raises:
            ValueError: One is out of range.
        """
        for client, threshold in state.items():
            if not self.lowest <= threshold <= self.highest:
                raise ValueError(f"the threshold of {client} is {threshold}")
        self._thresholds = dict(state)


class HistogramThreshold(Threshold):
    """A percentile of the units' gradient norms in a noised histogram: ADP-FL's rule with a proof.

    At every step each unit counts in one of ``bins`` bins, equally wide on a logarithmic scale between two public norms
    (norms outside count in the first and last). Noised histograms are added up with weights that decay, which costs
    nothing more, and the percentile of the sum (negative counts taken as 0) is the next step's threshold.

    Source: DC-SGD-P (arXiv 2503.22988), which the decay and the logarithmic bins are added to. Recommended: percentile
    50, a share of 0.05 to 0.1; a decay of 0.9 and more for clients with few units per step. Costs: ``budget_share``
    of the budget, as :class:`QuantileThreshold`, and a range of norms that has to be guessed in public.

    Args:
        percentile: In (0, 100).
        bins: Number of bins, at least 2.
        lowest: Norm at the lower end of the first bin; a public number.
        highest: Norm at the upper end of the last bin; a public number.
        initial: C before the first step; a public number.
        budget_share: Share of the budget for the histogram, in (0, 1).
        decay: Weight of the histograms before a step, in [0, 1).
    """

    statistic_sensitivity = 1.0

    def __init__(
        self,
        percentile: float = 50.0,
        bins: int = 20,
        lowest: float = 0.01,
        highest: float = 100.0,
        initial: float = 1.0,
        budget_share: float = 0.1,
        decay: float = 0.9,
    ) -> None:
        if not 0 < percentile < 100:
            raise ConfigError(f"HistogramThreshold.percentile must lie in (0, 100), but it is {percentile}.")
        if bins < 2:
            raise ConfigError(f"HistogramThreshold.bins must be at least 2, but it is {bins}.")
        if not 0 <= decay < 1:
            raise ConfigError(f"HistogramThreshold.decay must lie in [0, 1), but it is {decay}.")
        _check_share("HistogramThreshold", budget_share)
        _check_range("HistogramThreshold", lowest, initial, highest)
        self.percentile = percentile
        self.initial = initial
        self.decay = decay
        self.edges: NDArray[np.float64] = np.geomspace(lowest, highest, bins + 1)
        self._share = budget_share
        self._counts: dict[str, NDArray[np.float64]] = {}

    def current(self, client: str) -> float:
        """Return the percentile of what has been released of the client; ``initial`` before anything has."""
        counts = np.maximum(self._counts.get(client, np.zeros(1)), 0.0)
        total = counts.sum()
        if total <= 0:
            return self.initial
        cumulative = np.concatenate([[0.0], np.cumsum(counts)]) / total
        place = int(np.searchsorted(cumulative, self.percentile / 100, side="left"))
        below, above = cumulative[place - 1], cumulative[place]
        within = (self.percentile / 100 - below) / (above - below)
        return float(self.edges[place - 1] * (self.edges[place] / self.edges[place - 1]) ** within)

    def budget_share(self, mechanism: Mechanism, noise_multiplier: float) -> float:
        """Return the stated share."""
        return self._share

    def statistic(self, client: str, norms: Sequence[float]) -> NDArray[np.float64]:
        """Return the number of units in each bin, [bins]."""
        within = np.clip(np.asarray(norms, dtype=np.float64), self.edges[0], self.edges[-1])
        return np.histogram(within, self.edges)[0].astype(np.float64)

    def learn(self, client: str, statistic: NDArray[np.float64], units: float) -> None:
        """Add a noised histogram to the decayed sum of those before."""
        self._counts[client] = self.decay * self._counts.get(client, np.zeros(len(statistic))) + statistic

    def state_dict(self) -> dict[str, Any]:
        """Return the summed histogram of every client."""
        return {client: counts.tolist() for client, counts in self._counts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the summed histogram of every client.

        Raises:
            ValueError: One has another number of bins, or what is no number.
        """
        counts = {client: np.array(theirs, dtype=np.float64) for client, theirs in state.items()}
        for client, theirs in counts.items():
            if theirs.shape != (len(self.edges) - 1,) or not np.isfinite(theirs).all():
                raise ValueError(f"the histogram of {client} is not one of {len(self.edges) - 1} bins")
        self._counts = counts


def _check_share(name: str, share: float) -> None:
    if not 0 < share < 1:
        raise ConfigError(
            f"{name}.budget_share is what the threshold takes of the privacy budget and must lie in (0, 1), but it is"
            f" {share}."
        )


def _check_range(name: str, lowest: float, initial: float, highest: float) -> None:
    if not 0 < lowest <= initial <= highest < math.inf or lowest == highest:
        raise ConfigError(
            f"{name} needs 0 < lowest <= initial <= highest (gradient norms), but they are {lowest:g}, {initial:g} and"
            f" {highest:g}."
        )
