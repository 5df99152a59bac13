"""Rules for the clipping threshold C of a client."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from typing import Any

import numpy as np

from adpfl_bench.errors import ConfigError


class Threshold(ABC):
    """Gives each client its clipping threshold, step by step.

    One object serves all clients and keeps what it knows of each apart. Its state goes into the checkpoint.
    """

    @abstractmethod
    def observe(self, client: str, norm: float) -> float:
        """Take note of a gradient norm of ``client`` and return the threshold that this gradient is clipped to."""

    @property
    @abstractmethod
    def unaccounted_reason(self) -> str | None:
        """Why no privacy guarantee can be stated when this rule is used, or ``None`` where one can."""

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint, as plain numbers."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027 - rules without state have nothing to load
        """Restore :meth:`state_dict`."""


class FixedThreshold(Threshold):
    """One constant threshold for all clients and steps: DP-FL.

    Source: Abadi et al. 2016 (arXiv 1607.00133). Recommended: near the typical gradient norm; the result depends on
    it strongly.

    Args:
        value: The threshold C, greater than 0 and finite.
    """

    def __init__(self, value: float = 1.0) -> None:
        if not 0 < value < math.inf:
            raise ConfigError(
                f"FixedThreshold.value is a gradient norm and must be greater than 0 and finite, but it is {value}."
            )
        self.value = float(value)

    def observe(self, client: str, norm: float) -> float:
        """Return the constant threshold."""
        return self.value

    @property
    def unaccounted_reason(self) -> str | None:
        """A public constant reveals nothing."""
        return None


class PercentileThreshold(Threshold):
    """A percentile of the client's own recent gradient norms: ADP-FL as published, without a formal guarantee.

    The norm of the gradient at hand enters the window first, then the threshold is
    ``numpy.percentile(window, percentile)`` (linear interpolation). So a client without any history is clipped to
    the norm of its first gradient, that is, not at all, and its noise is scaled to that norm; with every further
    step the percentile has more to stand on. The window of a client goes on from round to round.

    Source: ADP-FL (arXiv 2604.06518). Recommended: percentile 50 to 90; window of about one local epoch or more.

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

    def observe(self, client: str, norm: float) -> float:
        """Add ``norm`` to the client's window and return the window's percentile."""
        norms = self._norms.setdefault(client, deque(maxlen=self.window))
        norms.append(norm)
        return float(np.percentile(norms, self.percentile))

    @property
    def unaccounted_reason(self) -> str | None:
        """The percentile is computed from private data without noise."""
        return (
            "the clipping threshold is a raw percentile of private gradient norms: its sensitivity is unbounded and"
            " the noise scale reveals it"
        )

    def state_dict(self) -> dict[str, Any]:
        """The window of every client."""
        return {client: list(norms) for client, norms in self._norms.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the window of every client."""
        self._norms = {client: deque(norms, maxlen=self.window) for client, norms in state.items()}
