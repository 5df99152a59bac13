"""Ledger watch: what a run's ledger says of each release, at the moment when it is made."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable

from adpfl_bench.privacy.audit.checks import Check
from adpfl_bench.privacy.ledger import PrivacyLedger, PrivacyUnit, Release
from adpfl_bench.privacy.release_plan import BATCH_SENSITIVITY


class LedgerWatch:
    """Watch over a ledger from a run's start on: which entry each release belongs to, and whether there are enough.

    All that the noise is compared with is taken from the entry, and nothing from the mechanism that draws it.

    Args:
        ledger: Returns the ledger; what it holds at first is not of this run.
        unit: The privacy unit.
    """

    def __init__(self, ledger: Callable[[], PrivacyLedger], unit: PrivacyUnit) -> None:
        self._ledger = ledger
        self._unit = unit
        self._before = {client: Counter(ledger().events(client)) for client in ledger().clients()}
        self._known: dict[str, Counter[Release]] = {}
        self._current: dict[str, Release] = {}
        self._released: Counter[str] = Counter()
        self._needed: Counter[str] = Counter()
        self._problems: dict[str, None] = {}

    def entered(self, client: str) -> int:
        """Number of releases that were entered for a client since the start."""
        return sum(self._entries(client).values())

    def _entries(self, client: str) -> Counter[Release]:
        return Counter(self._ledger().events(client)) - self._before.get(client, Counter())

    def release(self, client: str, visits: int) -> Release | None:
        """Return the entry of a release that has just been made, and note what is wrong with the ledger.

        Args:
            client: Whose release it is.
            visits: The largest number of this client's releases that one unit has been in; those are what must have
                been entered. Where the entry states a sampling rate, all releases must have been.
        """
        entries = self._entries(client)
        grown = entries - self._known.get(client, Counter())
        if grown:
            # Of several the one that promises most counts: noise is held against what is claimed for it.
            self._current[client] = max(grown, key=lambda event: event.noise_multiplier)
        self._known[client] = entries
        self._released[client] += 1
        event = self._current.get(client)
        if event is None:
            self._problems[f"client {client} released what was not entered"] = None
            return None
        needed = self._released[client] if event.sampling_rate < 1 else visits
        self._needed[client] = max(self._needed[client], needed)
        if sum(entries.values()) < self._needed[client]:
            self._problems[f"client {client} released more than was entered before"] = None
        least = BATCH_SENSITIVITY if self._unit == "batch" else 1.0
        if event.sensitivity < least:
            text = f"a sensitivity of {event.sensitivity:g} was entered, but of the unit {self._unit} it is {least:g}"
            self._problems[text] = None
        return event

    def check(self) -> Check:
        """Check that every release was entered before it was made, with the sensitivity of its unit."""
        if not self._released:
            return Check(None, reason="nothing was released")
        figures = {
            "entered": sum(self.entered(client) for client in self._released),
            "needed": sum(self._needed.values()),
        }
        return Check(not self._problems, figures, "; ".join(self._problems) or None)


def stated_multipliers(event: Release, share: float) -> tuple[float, float]:
    """Noise multipliers of the sum and of the statistic beside it that make up an entry together.

    Under L2 clipping ``z1^-2 + z2^-2 = z^-2``, under L1 clipping ``1 / z1 + 1 / z2 = 1 / z``. A share that is none
    leaves the statistic nothing, and the sum gets no benefit of it.

    Args:
        event: The ledger's entry.
        share: The statistic's share of the budget.
    """
    if not 0 < share < 1:
        return event.noise_multiplier, math.inf
    power = 1.0 if event.norm == "l1" else 0.5
    return event.noise_multiplier / (1 - share) ** power, event.noise_multiplier / share**power
