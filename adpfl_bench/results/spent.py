"""What a run has spent of its privacy budget, from its record and the journal of its releases."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.results.run_directory import RunDirectory


@dataclass(frozen=True)
class SpentClient:
    """One client's account.

    Attributes:
        releases: Number of releases that one of its units may have been in.
        epsilon: What they amount to.
        planned: Epsilon after the last planned round, or ``None`` where the record does not say what a turn releases:
            the client has not taken part yet, or makes a stated number of local steps.
        accountant: The proof that epsilon comes from; empty where nothing was released.
    """

    releases: int
    epsilon: float
    planned: float | None
    accountant: str


@dataclass(frozen=True)
class SpentBudget:
    """A run's account.

    Attributes:
        record: What run.json holds.
        reason: Why there is no guarantee, or ``None``.
        delta: The delta that epsilons hold at.
        clients: Every client; empty where there is no guarantee.
        ahead: Whether the journal holds releases that run.json does not know of: of a round that was broken off.
    """

    record: Mapping[str, Any]
    reason: str | None
    delta: float
    clients: Mapping[str, SpentClient]
    ahead: bool

    @property
    def privacy(self) -> Mapping[str, Any]:
        """The privacy block of the record."""
        block: Mapping[str, Any] = self.record["privacy"]
        return block

    @property
    def epsilon(self) -> float:
        """The federation's epsilon: the largest of its clients'."""
        return max((client.epsilon for client in self.clients.values()), default=0.0)

    @property
    def planned(self) -> float | None:
        """The run's budget: its target or, without one, epsilon after the last planned round; ``None``: unknown."""
        target = self.privacy.get("target_epsilon")
        if target is not None:
            return float(target)
        ends = [client.planned for client in self.clients.values()]
        return max((end for end in ends if end is not None), default=None) if None not in ends else None


def read_spent(folder: Path) -> SpentBudget:
    """Account for a run's releases: of run.json and the journal the larger count of each.

    Args:
        folder: The folder of a finished or broken-off run.

    Raises:
        RecordError: It holds no run, or its files do not say what was released.
    """
    record = RunDirectory(folder).read_record()
    books = PrivacyBooks()
    books.open(folder, fresh_noise=False)
    try:
        privacy = record["privacy"]
        accounted = privacy["accounted"]
        reason, delta = accounted["reason"], float(accounted["delta"])
        books.restore(privacy.get("ledger") or {})
        recorded, spent = books.ledger, books.spent
        clients = {}
        if reason is None:
            turns = _turns(record)
            for client in sorted({*turns, *spent.clients()}):
                planned = turns.get(client, 0)
                clients[client] = _account(spent.events(client), planned, privacy, record["federated"], delta)
        ahead = any(spent.events(client) != recorded.events(client) for client in spent.clients())
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise RecordError(
            f"{folder / 'run.json'} does not say what was released as this version records it ({error!r}); read the"
            " run with the version that made it."
        ) from error
    return SpentBudget(record, reason, delta, clients, ahead)


def _turns(record: Mapping[str, Any]) -> dict[str, int]:
    """Each client's number of turns in all planned rounds."""
    names = list(record["data"]["clients"])
    settings = record["federated"]
    schedule = RoundSchedule(
        int(settings["rounds"]),
        int(record["seed"]),
        float(settings.get("participation", 1.0)),
        settings.get("clients_per_round"),
    )
    rounds = [schedule.participants(index, names) for index in range(schedule.rounds)]
    return {name: sum(name in present for present in rounds) for name in names}


def _account(
    spent: Mapping[Release, int], turns: int, privacy: Mapping[str, Any], federated: Mapping[str, Any], delta: float
) -> SpentClient:
    end: float | None = 0.0 if turns == 0 else None
    by_turn = {release: _by_turn(release, privacy, federated) for release in spent}
    if spent and None not in by_turn.values():
        planned = {release: max((by_turn[release] or 0) * turns, count) for release, count in spent.items()}
        end = client_epsilon(planned, delta)
    name = accountant(spent, delta) if spent else ""
    return SpentClient(sum(spent.values()), client_epsilon(spent, delta), end, name)


def _by_turn(release: Release, privacy: Mapping[str, Any], federated: Mapping[str, Any]) -> int | None:
    """How often a turn of a client makes a release, as far as the record says: the same in each of its turns.

    A sampling rate tells the client's number of units, and so its steps.
    """
    if privacy["unit"] == "client":
        return 1
    passes, steps = int(federated.get("local_epochs", 1)), federated.get("local_steps")
    if privacy.get("sampling") == "poisson":
        if steps:
            return int(steps)
        if release.sampling_rate == 1:
            return passes
        per_step = privacy.get("units_per_step")
        return passes * math.ceil(round(per_step / release.sampling_rate) / per_step) if per_step else None
    return None if steps else passes
