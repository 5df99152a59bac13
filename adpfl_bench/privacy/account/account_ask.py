"""What a run asks of an account, and whether it can have it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from adpfl_bench.privacy.account.account_entries import Releases, Reservation, Roster, RunFacts
from adpfl_bench.privacy.account.account_key import AccountKey
from adpfl_bench.privacy.account.account_state import AccountState, UnitGroup, over_budget
from adpfl_bench.privacy.ledger import PrivacyUnit, Release


@dataclass(frozen=True)
class AccountAsk:
    """A run that wants to release something.

    Attributes:
        facts: What it is.
        unit: Its privacy unit.
        units: Names of each client's units, which the account keeps as hashes.
        planned: All that it will have released, what it has released before included, after so many rounds.
        released: All that it knows to have released.
        rounds: Rounds that it plans.
        completed: Rounds that it has made.
    """

    facts: RunFacts
    unit: PrivacyUnit
    units: Mapping[str, Sequence[str]]
    planned: Callable[[int], Releases]
    released: Releases
    rounds: int
    completed: int = 0

    def rosters(self, key: AccountKey) -> Mapping[str, Roster]:
        """Return each client's units as a line of the account has them."""
        hashed = {client: key.hashed(units) for client, units in self.units.items()}
        return {client: Roster(_roster_id(units), units) for client, units in hashed.items()}

    def reservation(self, rosters: Mapping[str, Roster], rounds: int, name: str = "", at: str = "") -> Reservation:
        """Return the line that reserves what so many rounds release."""
        ids = {client: roster.roster for client, roster in rosters.items()}
        return Reservation(name, self.facts, rounds, ids, self.planned(rounds), at)


class Affordance(NamedTuple):
    """Whether a run fits, and what would be left.

    Attributes:
        units: How many units it is about.
        over: How many would come to more than the budget.
        exhausted: How many of them cannot be in one more release.
        before: Epsilon of all other runs together, of the unit with most of those that it is about.
        after: The same with this run.
        rounds: The most rounds that fit, of those that are planned.
    """

    units: int
    over: int
    exhausted: int
    before: float
    after: float
    rounds: int

    @property
    def fits(self) -> bool:
        """Whether no unit would come to more than the budget."""
        return self.over == 0


def groups_with(state: AccountState, ask: AccountAsk, key: AccountKey) -> list[UnitGroup]:
    """Return the units of a run by what they would have been in, if it had all that it asks."""
    rosters = ask.rosters(key)
    for roster in rosters.values():
        state = state.after(roster)
    return state.after(ask.reservation(rosters, ask.rounds)).groups({own.roster for own in rosters.values()})


def afford(state: AccountState, ask: AccountAsk, key: AccountKey) -> Affordance:
    """Say whether a run fits into an account, in the place of what it has reserved or settled before."""
    rosters, planned = ask.rosters(key), ask.planned(ask.rounds)
    ids = {roster.roster for roster in rosters.values()}
    for roster in rosters.values():
        state = state.after(roster)
    others = replace(state, runs={run: own for run, own in state.runs.items() if run != ask.facts.run})
    epsilon, delta = state.opening.epsilon, state.opening.delta

    def with_rounds(rounds: int) -> list[UnitGroup]:
        return state.after(ask.reservation(rosters, rounds)).groups(ids)

    whole, before = with_rounds(ask.rounds), others.groups(ids)
    over = over_budget(whole, epsilon, delta)
    most = ask.rounds if not over else _most(ask, lambda n: not over_budget(with_rounds(n), epsilon, delta))
    one = {release: 1 for events in planned.values() for release in events}
    spent = state.groups(ids) if over else []
    exhausted = over_budget([_with(group, one) for group in spent], epsilon, delta)
    return Affordance(
        units=sum(group.size for group in whole),
        over=sum(group.size for group in over),
        exhausted=sum(group.size for group in exhausted),
        before=max((group.epsilon(delta) for group in before), default=0.0),
        after=max((group.epsilon(delta) for group in whole), default=0.0),
        rounds=most,
    )


def _most(ask: AccountAsk, fits: Callable[[int], bool]) -> int:
    """Find the most rounds that fit, at least those that were made, by halving."""
    good, bad = ask.completed, ask.rounds
    while bad - good > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if fits(middle) else (good, middle)
    return good


def _with(group: UnitGroup, more: Mapping[Release, int]) -> UnitGroup:
    events = dict(group.events)
    for release, count in more.items():
        events[release] = events.get(release, 0) + count
    return group._replace(events=events)


def _roster_id(units: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(units).encode()).hexdigest()[:16]
