"""Observation of a release from within the privacy boundary: both sides of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class StepObservation:
    """One release of a client, from within the privacy boundary.

    Attributes:
        client: Name of the client.
        exact: The clipped sum without noise, one tensor for each parameter that is trained; a copy.
        released: The same with noise, before any division; not a copy, and about to be divided.
        norms: Norm of each unit's gradient before clipping.
        threshold: The clipping threshold.
        scale: Scale of the noise on the sum, as the mechanism was asked for it.
        statistic: What was released for the threshold to learn from, [K]; K is 0 for rules without one.
        units: Number of units that the threshold was told of: a public number.
    """

    client: str
    exact: list[Tensor]
    released: list[Tensor]
    norms: Sequence[float]
    threshold: float
    scale: float
    statistic: NDArray[np.float64]
    units: float
