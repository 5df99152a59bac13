"""Round metrics: numbers that a round leaves behind, and who can be asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

ALL_CLIENTS = "all"
"""Stands in the client column for a number of the whole federation."""


class RoundMetric(NamedTuple):
    """One number of one round: whose it is, what it is, and its value."""

    client: str
    name: str
    value: float


@runtime_checkable
class ReportsRounds(Protocol):
    """Callback or module that has numbers of the round that has just ended."""

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Return the round's numbers."""
        ...
