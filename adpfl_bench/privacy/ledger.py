"""Privacy ledger: what each client has released, compressed to event counts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from adpfl_bench.errors import ConfigError

Norm = Literal["l2", "l1"]
PrivacyUnit = Literal["none", "batch", "record", "patient", "client"]
Sampling = Literal["shuffle", "poisson", "fixed"]

Trust = Literal["server", "sum"]
"""Whom a guarantee is against: a server that sees what each client sends, or one that sees no more than their sum."""

LawName = Literal["GaussianMechanism", "LaplaceMechanism"]
ACCOUNTED_LAWS: tuple[LawName, ...] = get_args(LawName)
"""The laws of noise that epsilon can be computed for."""

ANYONE = ""
"""Whoever a unit was with, where it is not known; no client has this name."""

CLAIMED = "what is claimed by the author of"
"""How what an epsilon does not cover begins where that is a statement of an author's."""

PLANNED = "settings that were planned on private data"
"""What no epsilon covers of a run whose settings are statistics of private data."""


@dataclass(frozen=True)
class Release:
    """One noisy sum leaving the privacy boundary.

    Attributes:
        mechanism: ``"LaplaceMechanism"`` or ``"GaussianMechanism"``.
        noise_multiplier: Noise scale z in units of the clipping threshold C.
        sensitivity: Sensitivity of the sum in units of C, measured in ``norm``.
        sampling_rate: Probability q with which each unit takes part, independently of all others (Poisson sampling);
            1 where nothing is sampled.
        norm: The norm that contributions are clipped in.

    Raises:
        ConfigError: A number is out of its range, or the norm is unknown.
    """

    mechanism: str
    noise_multiplier: float
    sensitivity: float = 1.0
    sampling_rate: float = 1.0
    norm: Norm = "l2"

    def __post_init__(self) -> None:
        if not (self.noise_multiplier >= 0 and self.sensitivity >= 0):
            raise ConfigError(
                "The noise multiplier and the sensitivity of a release must be at least 0, but they are"
                f" {self.noise_multiplier} and {self.sensitivity}."
            )
        if not 0 <= self.sampling_rate <= 1:
            raise ConfigError(f"The sampling rate of a release is a probability, but it is {self.sampling_rate}.")
        if self.norm not in get_args(Norm):
            raise ConfigError(f"Contributions are clipped in the norm l2 or l1, but a release has {self.norm!r}.")


class PrivacyLedger:
    """Counts of the releases of every client that one privacy unit can have influenced.

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

    def raise_to(self, other_state: dict[str, Any]) -> None:
        """Raise every count to that of another :meth:`state_dict`, where the other is higher.

        For a run that was killed after its last checkpoint: what it had entered since is a high-water mark. The
        resumed run makes those releases again with the same noise, which reveals nothing new, so they count once and
        not twice: the maximum is right, and the sum would be too much.
        """
        for client, theirs in _parse(other_state).items():
            events = self._counts.setdefault(client, {})
            for release, count in theirs.items():
                events[release] = max(events.get(release, 0), count)

    def add_all(self, other: PrivacyLedger) -> None:
        """Enter all releases of another ledger beside these."""
        for client, events in other._counts.items():
            for release, count in events.items():
                self.add(client, release, count)

    def higher_in(self, other: PrivacyLedger) -> PrivacyLedger:
        """Return, of another ledger, all releases of the clients that have a higher count there than here."""
        higher = PrivacyLedger()
        for client, events in other._counts.items():
            own = self._counts.get(client, {})
            if any(count > own.get(release, 0) for release, count in events.items()):
                higher._counts[client] = dict(events)
        return higher

    def worst_for_anyone(self) -> PrivacyLedger:
        """Return a ledger of one client, :data:`ANYONE`, with the most releases of each kind that any client made."""
        worst = PrivacyLedger()
        for client in self._counts:
            worst.raise_to({ANYONE: self.state_dict()[client]})
        return worst

    def clients(self) -> tuple[str, ...]:
        """Return the names of the clients that have released anything, sorted."""
        return tuple(sorted(self._counts))

    def events(self, client: str) -> dict[Release, int]:
        """Return the client's releases and how often each was made; empty if there were none."""
        return dict(self._counts.get(client, {}))

    def state_dict(self) -> dict[str, Any]:
        """Return the ledger as plain lists, for a checkpoint or a record, in the order of the clients' names.

        A release is ``[mechanism, noise_multiplier, sensitivity, sampling_rate, norm, count]``.
        """
        return {
            client: [
                [r.mechanism, r.noise_multiplier, r.sensitivity, r.sampling_rate, r.norm, count]
                for r, count in events.items()
            ]
            for client, events in sorted(self._counts.items())
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, also the older one of ``[mechanism, noise_multiplier, sensitivity, count]``.

        Raises:
            ConfigError: A number is none that a run has written.
        """
        parsed = _parse(state)
        for client, releases in parsed.items():
            for release, count in releases.items():
                if not math.isfinite(release.noise_multiplier + release.sensitivity):
                    raise ConfigError(
                        f"A release of {client} has the noise {release.noise_multiplier}, which none has."
                    )
                if not isinstance(count, int) or count < 0:
                    raise ConfigError(f"A release of {client} is counted {count!r} times; expected a whole number.")
        self._counts = parsed


def _parse(state: dict[str, Any]) -> dict[str, dict[Release, int]]:
    return {client: {Release(*fields): count for *fields, count in events} for client, events in state.items()}
