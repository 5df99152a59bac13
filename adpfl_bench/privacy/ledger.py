"""What each client has released, compressed to event counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adpfl_bench.errors import ConfigError


@dataclass(frozen=True)
class Release:
    """One noisy sum leaving the privacy boundary.

    Attributes:
        mechanism: ``"LaplaceMechanism"`` or ``"GaussianMechanism"``.
        noise_multiplier: Noise scale z in units of the clipping threshold C.
        sensitivity: L2 sensitivity of the sum in units of C.
    """

    mechanism: str
    noise_multiplier: float
    sensitivity: float


class PrivacyLedger:
    """Counts the releases of every client that one privacy unit can have influenced.

    It is written ahead of a release, and is saved in every checkpoint. A run that resumes makes the releases after its
    checkpoint again, with the same noise, and counts them then. Counts never decrease, so neither does an epsilon
    computed from them.
    """

    def __init__(self) -> None:
        self._counts: dict[str, dict[Release, int]] = {}

    def add(self, client: str, release: Release, count: int = 1) -> None:
        """Enter ``count`` more releases of ``client``.

        Raises:
            ConfigError: ``count`` is negative.
        """
        if count < 0:
            raise ConfigError(f"A ledger only grows, but {count} releases of client {client} were to be added.")
        events = self._counts.setdefault(client, {})
        events[release] = events.get(release, 0) + count

    def clients(self) -> tuple[str, ...]:
        """Names of the clients that have released anything, sorted."""
        return tuple(sorted(self._counts))

    def events(self, client: str) -> dict[Release, int]:
        """The client's releases and how often each was made; empty if there were none."""
        return dict(self._counts.get(client, {}))

    def state_dict(self) -> dict[str, Any]:
        """The ledger as plain lists, for a checkpoint or a record."""
        return {
            client: [[r.mechanism, r.noise_multiplier, r.sensitivity, count] for r, count in events.items()]
            for client, events in self._counts.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._counts = {
            client: {Release(mechanism, z, sensitivity): count for mechanism, z, sensitivity, count in events}
            for client, events in state.items()
        }
