"""State of an account: what each unit may have been in, of all runs together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.account.account_entries import (
    Entry,
    Opening,
    Outcome,
    Releases,
    Reservation,
    Roster,
    RunFacts,
    Settlement,
    ledger_of,
    releases_of,
)
from adpfl_bench.privacy.accounting import client_epsilon, rdp_epsilon
from adpfl_bench.privacy.ledger import Release


@dataclass(frozen=True)
class AccountRun:
    """A run of an account.

    Attributes:
        facts: What it is.
        reservation: Id of its last reservation.
        rounds: Rounds that it plans.
        rosters: The roster of each client's units.
        reserved: What it may release.
        at: When it was reserved.
        is_open: Whether its reservation counts.
        settled: What it has released, as far as it was settled; ``None`` before.
        outcome: Who settled it last; ``None`` before.
        reason: Why nothing is proved of what it released, or ``None``.
    """

    facts: RunFacts
    reservation: str
    rounds: int
    rosters: Mapping[str, str]
    reserved: Releases
    at: str
    is_open: bool = True
    settled: Releases | None = None
    outcome: Outcome | None = None
    reason: str | None = None

    @property
    def counted(self) -> Releases:
        """What counts: what it has released, or while it is open what it may release."""
        if not self.is_open:
            return self.settled or {}
        return raised(self.reserved, self.settled or {})


class UnitGroup(NamedTuple):
    """Units that may have been in the same releases.

    Attributes:
        size: How many they are.
        events: The releases.
        reason: Why nothing is proved of some of them, or ``None``.
    """

    size: int
    events: Mapping[Release, int]
    reason: str | None

    def epsilon(self, delta: float) -> float:
        """Epsilon of all these releases; infinite where nothing is proved of some of them."""
        return float("inf") if self.reason else client_epsilon(self.events, delta)

    def within(self, epsilon: float, delta: float) -> bool:
        """Whether they stay within a budget; where Renyi DP proves it already, nothing better is computed."""
        if self.reason:
            return False
        return rdp_epsilon(self.events, delta) <= epsilon or client_epsilon(self.events, delta) <= epsilon


def over_budget(groups: Iterable[UnitGroup], epsilon: float, delta: float) -> list[UnitGroup]:
    """Return the groups that come to more than a budget.

    Whoever was in no more than a group that stays within it stays within it too, and whoever was in no less than one
    that does not does not; so most need no computation of their own.
    """
    fit: list[UnitGroup] = []
    over: list[UnitGroup] = []
    for group in _middle_first(sorted(groups, key=lambda group: sum(group.events.values()))):
        if group.reason or any(_no_less(group.events, other.events) for other in over if not other.reason):
            over.append(group)
        elif any(_no_less(other.events, group.events) for other in fit) or group.within(epsilon, delta):
            fit.append(group)
        else:
            over.append(group)
    return over


def _middle_first(groups: Sequence[UnitGroup]) -> Iterator[UnitGroup]:
    parts = [groups]
    for part in parts:
        if part:
            middle = len(part) // 2
            yield part[middle]
            parts += [part[:middle], part[middle + 1 :]]


def _no_less(events: Mapping[Release, int], other: Mapping[Release, int]) -> bool:
    return all(events.get(release, 0) >= count for release, count in other.items())


@dataclass(frozen=True)
class AccountState:
    """What the lines of an account amount to.

    Attributes:
        opening: What the account is for.
        rosters: Units, as hashes, by roster.
        runs: Runs by id, in the order in which they came.
    """

    opening: Opening
    rosters: Mapping[str, frozenset[str]] = field(default_factory=dict)
    runs: Mapping[str, AccountRun] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> AccountState:
        """Read an account's entries from the first to the last.

        Raises:
            RecordError: They do not begin with an opening, or refer to what was not there before.
        """
        if not entries or not isinstance(entries[0], Opening):
            raise RecordError("The account's first line does not say what it is for.")
        state = cls(entries[0])
        for entry in entries[1:]:
            state = state.after(entry)
        return state

    def after(self, entry: Entry) -> AccountState:
        """Return the state with one more line.

        Raises:
            RecordError: It refers to what is not there.
        """
        if isinstance(entry, Roster):
            return replace(self, rosters={**self.rosters, entry.roster: frozenset(entry.units)})
        if isinstance(entry, Reservation):
            if unknown := set(entry.rosters.values()) - set(self.rosters) or set(entry.releases) - set(entry.rosters):
                raise RecordError(f"A reservation refers to {min(unknown)}, which no line before it describes.")
            earlier = self.runs.get(entry.facts.run)
            run = AccountRun(entry.facts, entry.reservation, entry.rounds, entry.rosters, entry.releases, entry.at)
            if earlier is not None:
                run = replace(run, settled=earlier.settled, outcome=earlier.outcome, reason=earlier.reason)
            return replace(self, runs={**self.runs, entry.facts.run: run})
        if isinstance(entry, Settlement):
            if entry.run not in self.runs or set(entry.releases) - set(self.runs[entry.run].rosters):
                raise RecordError(f"A settlement refers to run {entry.run}, which has reserved nothing of the kind.")
            own = self.runs[entry.run]
            own = replace(own, is_open=False, settled=entry.releases, outcome=entry.outcome)
            return replace(self, runs={**self.runs, entry.run: replace(own, reason=entry.reason or own.reason)})
        raise RecordError("The account is opened twice.")

    def groups(self, among: Iterable[str] | None = None) -> list[UnitGroup]:
        """Return the units by what they may have been in, the largest group first.

        Args:
            among: Rosters whose units are wanted; by default all.
        """
        by_roster = self._by_roster()
        found: Counter[tuple[frozenset[tuple[Release, int]], str | None]] = Counter()
        for rosters, size in self._patterns(among):
            events, reason = _together(by_roster, rosters)
            found[frozenset(events.items()), reason] += size
        groups = [UnitGroup(size, dict(own), reason) for (own, reason), size in found.items()]
        return sorted(groups, key=lambda group: -group.size)

    def group_of(self, unit: str) -> UnitGroup:
        """Return what one unit, given as a hash, may have been in; nothing where it is not known."""
        rosters = frozenset(roster for roster, units in self.rosters.items() if unit in units)
        return UnitGroup(int(bool(rosters)), *_together(self._by_roster(), rosters))

    def _by_roster(self) -> dict[str, tuple[Counter[Release], str | None]]:
        """What the units of each roster may have been in, and why nothing is proved of that."""
        found: dict[str, tuple[Counter[Release], str | None]] = {}
        for run in self.runs.values():
            counted = run.counted
            for client, roster in run.rosters.items():
                own = counted.get(client, {})
                events, reason = found.get(roster, (Counter[Release](), None))
                found[roster] = (
                    Counter({r: events[r] + own.get(r, 0) for r in {*events, *own}}),
                    reason or (run.reason if own else None),
                )
        return found

    def _patterns(self, among: Iterable[str] | None) -> Iterable[tuple[frozenset[str], int]]:
        """In which rosters units are, and how many are in just these."""
        own: dict[str, list[str]] = {}
        for roster, units in self.rosters.items():
            for unit in units:
                own.setdefault(unit, []).append(roster)
        wanted = set(own) if among is None else set().union(*(self.rosters[roster] for roster in among))
        return Counter(frozenset(own[unit]) for unit in wanted).items()

    @property
    def units(self) -> int:
        """Number of units that have been in any run."""
        return len(frozenset().union(*self.rosters.values()))

    def composed(self) -> float:
        """Epsilon of all runs together, of the unit with most; reservations that count are included."""
        return max((group.epsilon(self.opening.delta) for group in self.groups()), default=0.0)


def _together(
    by_roster: Mapping[str, tuple[Counter[Release], str | None]], rosters: frozenset[str]
) -> tuple[dict[Release, int], str | None]:
    total: Counter[Release] = Counter()
    reasons = []
    for roster in sorted(rosters & set(by_roster)):
        events, reason = by_roster[roster]
        total.update(events)
        reasons += [reason] if reason else []
    kept = {release: count for release, count in total.items() if count > 0}
    return kept, reasons[0] if reasons else None


def raised(releases: Releases, other: Releases) -> Releases:
    """Return the larger count of each release."""
    ledger = ledger_of(releases)
    ledger.raise_to(ledger_of(other).state_dict())
    return releases_of(ledger.state_dict())


def exceeds(releases: Releases, limit: Releases) -> bool:
    """Whether some release was made more often than a limit says."""
    return any(
        count > limit.get(client, {}).get(release, 0)
        for client, events in releases.items()
        for release, count in events.items()
    )
