"""Entries of an account: what its lines state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

from adpfl_bench.errors import ConfigError, RecordError
from adpfl_bench.privacy.ledger import PrivacyLedger, PrivacyUnit, Release

FORMAT = 1

Outcome = Literal["run", "journal", "lost"]
"""Who settled a run: itself, somebody else by its journal, or by nothing, since its journal is gone."""

Releases = Mapping[str, Mapping[Release, int]]
"""By client what one of its units may have been in, and how often."""


@dataclass(frozen=True)
class Opening:
    """First line: what the account is for, and what it may come to.

    Attributes:
        account: Id of the account.
        name: What people call it.
        unit: What it protects.
        epsilon: What all runs together may reach, for every unit.
        delta: The delta that epsilon holds at.
        simulation: Whether runs with repeatable noise are taken, so that it promises nothing to persons.
        mark: What the key is known by.
        at: When it was made.
        format: Version of these lines.
    """

    account: str
    name: str
    unit: PrivacyUnit
    epsilon: float
    delta: float
    simulation: bool
    mark: str
    at: str
    format: int = FORMAT


@dataclass(frozen=True)
class Roster:
    """Line of some units, as hashes, that lines after it refer to.

    Attributes:
        roster: Its id.
        units: The hashes, sorted.
    """

    roster: str
    units: tuple[str, ...]


@dataclass(frozen=True)
class RunFacts:
    """What an account keeps of a run, to be told by.

    Attributes:
        run: Its id.
        label: Task, method and seed.
        config: SHA-256 of its configuration.
        folder: Where its journal is.
        kind: Kind of its data, ``phantom`` or ``real``.
        protects: The dataset's word for a unit.
        secure: Whether its noise is secret.
        host: The machine that it was started on.
    """

    run: str
    label: str
    config: str
    folder: str
    kind: str
    protects: str
    secure: bool
    host: str = ""


@dataclass(frozen=True)
class Reservation:
    """Line of a run that may release, from now on, as much as stands here; a later one of the same run takes its place.

    Attributes:
        reservation: Its id.
        facts: The run.
        rounds: Rounds that are planned.
        rosters: The roster of each client's units.
        releases: All that the run will have released when it ends, what it has released before included.
        at: When it was made.
    """

    reservation: str
    facts: RunFacts
    rounds: int
    rosters: Mapping[str, str]
    releases: Releases
    at: str


@dataclass(frozen=True)
class Settlement:
    """Line of what a run has really released, which counts from now on in the place of its reservation.

    Attributes:
        reservation: The reservation that it settles.
        run: Id of the run.
        outcome: Who settled it.
        reason: Why nothing is proved of what it released, or ``None``.
        releases: What it released.
        at: When it was settled.
    """

    reservation: str
    run: str
    outcome: Outcome
    reason: str | None
    releases: Releases
    at: str


Entry = Opening | Roster | Reservation | Settlement

_KINDS: Mapping[str, type[Entry]] = MappingProxyType(
    {"open": Opening, "roster": Roster, "reserve": Reservation, "settle": Settlement}
)


def to_line(entry: Entry) -> dict[str, Any]:
    """Return an entry as plain values."""
    kind = next(name for name, own in _KINDS.items() if type(entry) is own)
    stated = {field.name: getattr(entry, field.name) for field in fields(entry)}
    if isinstance(entry, Reservation):
        stated["facts"] = asdict(entry.facts)
    if isinstance(entry, Reservation | Settlement):
        stated["releases"] = ledger_of(entry.releases).state_dict()
    return {"kind": kind, **stated}


def from_line(line: Mapping[str, Any], where: str) -> Entry:
    """Read an entry; ``where`` names the line.

    Raises:
        RecordError: It is none of this version.
    """
    try:
        stated = {key: value for key, value in line.items() if key != "kind"}
        kind = _KINDS[line["kind"]]
        if kind is Opening and (stated["format"] != FORMAT or stated["unit"] not in get_args(PrivacyUnit)):
            raise ValueError(f"format {stated['format']}, unit {stated['unit']}")
        if kind is Roster:
            stated["units"] = tuple(stated["units"])
        if kind is Reservation:
            stated["facts"] = RunFacts(**stated["facts"])
        if kind in (Reservation, Settlement):
            stated["releases"] = releases_of(stated["releases"])
        return kind(**stated)
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise RecordError(
            f"{where} is none that this version of the suite writes ({error}): use the version that wrote it."
        ) from error


def ledger_of(releases: Releases) -> PrivacyLedger:
    """Return releases as a ledger."""
    ledger = PrivacyLedger()
    for name, events in releases.items():
        for release, count in events.items():
            ledger.add(name, release, count)
    return ledger


def releases_of(state: Mapping[str, Sequence[Sequence[Any]]]) -> Releases:
    """Return what :meth:`PrivacyLedger.state_dict` holds.

    Raises:
        ConfigError: It is no ledger.
    """
    ledger = PrivacyLedger()
    ledger.load_state_dict(dict(state))
    return {name: ledger.events(name) for name in ledger.clients()}
