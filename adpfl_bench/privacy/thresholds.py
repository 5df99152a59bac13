"""Threshold rules: the clipping threshold C of each client."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.mechanisms import Mechanism


class Threshold(ABC):
    """Base of threshold rules: each client's clipping threshold, step by step.

    One object serves all clients and keeps what it knows of each apart. Its state goes into the checkpoint. A rule
    either looks at norms as they are (:meth:`observe`), and then nothing can be proved; or learns from sums over
    units that are released with noise beside the gradient (:meth:`statistic`, :meth:`learn`).

    Attributes:
        statistic_sensitivity: How far one unit moves the statistic, in L2 and in L1 norm; 0 for rules without one.
    """

    statistic_sensitivity: float = 0.0

    @abstractmethod
    def current(self, client: str) -> float:
        """Return the threshold C that the client's coming gradient is clipped to."""

    @property
    def needs_norms(self) -> bool:
        """Whether :meth:`observe` must be told the norms of the gradients at hand before they are clipped."""
        return False

    def observe(self, client: str, norms: Sequence[float]) -> None:  # noqa: B027 - most rules must not look
        """Take note of norms as they are, before the gradients that have them are clipped."""

    def budget_share(self, mechanism: Mechanism, noise_multiplier: float) -> float:
        """Return the share of the budget that the statistic takes; see :meth:`Mechanism.split`.

        Raises:
            ConfigError: Nothing of the budget would be left for the gradient.
        """
        return 0.0

    def statistic(self, client: str, norms: Sequence[float]) -> NDArray[np.float64]:
        """Sum a statistic over units, [K]; K is 0 for rules without one."""
        return np.zeros(0)

    def learn(self, client: str, statistic: NDArray[np.float64], units: float) -> None:  # noqa: B027 - as above
        """Move the threshold after a release, by its step alone or by a statistic that has been released with noise.

        Args:
            client: Name of the client.
            statistic: The noised sum, [K]; K is 0 for rules without one.
            units: Number of units of the step, or the expected number where they are sampled: a public number.
        """

    @property
    def unaccounted_reason(self) -> str | None:
        """Say why no guarantee can be stated when this rule is used, or return ``None`` where one can."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as plain numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - rules without state have nothing to load
        """Restore :meth:`state_dict`."""


class FixedThreshold(Threshold):
    """One constant threshold for all clients and steps: DP-FL.

    Source: Abadi et al. 2016 (arXiv 1607.00133). Recommended: near the typical gradient norm; the result depends on
    it strongly. Costs nothing.

    Args:
        value: The threshold C, greater than 0 and finite.
    """

    def __init__(self, value: float = 1.0) -> None:
        if not 0 < value < math.inf:
            raise ConfigError(
                f"FixedThreshold.value is a gradient norm and must be greater than 0 and finite, but it is {value}."
            )
        self.value = float(value)

    def current(self, client: str) -> float:
        """Return the constant threshold; a public constant reveals nothing."""
        return self.value


class PercentileThreshold(Threshold):
    """A percentile of the client's own recent gradient norms: ADP-FL as published, without a formal guarantee.

    The norm of the gradient at hand enters the window first, then the threshold is
    ``numpy.percentile(window, percentile)`` (linear interpolation). So a client without any history is clipped to
    the norm of its first gradient, that is, not at all, and its noise is scaled to that norm; with every further
    step the percentile has more to stand on. The window of a client goes on from round to round. With per-example or
    per-patient gradients the norms of all units of a step enter together, which takes a second pass over them.

    Source: ADP-FL (arXiv 2604.06518). Recommended: percentile 50 to 90; window of about one local epoch or more.
    Costs: the guarantee.

    Args:
        percentile: In (0, 100]; 100 clips to the largest norm of the window.
        window: How many of the client's most recent norms are kept.
    """

    def __init__(self, percentile: float = 50.0, window: int = 50) -> None:
        if not 0 < percentile <= 100:
            raise ConfigError(f"PercentileThreshold.percentile must lie in (0, 100], but it is {percentile}.")
        if window < 1:
            raise ConfigError(f"PercentileThreshold.window must be at least 1 gradient norm, but it is {window}.")
        self.percentile = float(percentile)
        self.window = window
        self._norms: dict[str, deque[float]] = {}

    @property
    def needs_norms(self) -> bool:
        """True: the rule looks at nothing else."""
        return True

    def observe(self, client: str, norms: Sequence[float]) -> None:
        """Add ``norms`` to the client's window."""
        self._norms.setdefault(client, deque(maxlen=self.window)).extend(norms)

    def current(self, client: str) -> float:
        """Return the window's percentile; 0, which lets nothing through, for a client of whom nothing is known."""
        return float(np.percentile(norms, self.percentile)) if (norms := self._norms.get(client)) else 0.0

    @property
    def unaccounted_reason(self) -> str | None:
        """The percentile is computed from private data without noise."""
        return (
            "the clipping threshold is a raw percentile of private gradient norms: its sensitivity is unbounded and"
            " the noise scale reveals it"
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the window of every client."""
        return {client: list(norms) for client, norms in self._norms.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the window of every client."""
        self._norms = {client: deque(map(float, norms), maxlen=self.window) for client, norms in state.items()}
