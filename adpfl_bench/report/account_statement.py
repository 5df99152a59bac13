"""Statement of an account: what its tables and its receipt say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adpfl_bench.privacy.account.account_room import room_left
from adpfl_bench.privacy.account.account_state import AccountRun, AccountState, UnitGroup
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.odds import odds_text
from adpfl_bench.records.protected import MEANINGS
from adpfl_bench.text import count

MOST_GROUPS = 20
"""So many groups of units are shown one by one."""


class StatedRun(NamedTuple):
    """A run of an account, in words.

    Attributes:
        label: Task, method and seed.
        run: Its id.
        at: When it was reserved.
        data: Kind of its data.
        noise: Where its noise comes from.
        mechanism: Law of the noise.
        units: Number of units that were in it.
        releases: The most releases that one of them may have been in.
        epsilon: What it comes to by itself, for the unit with most.
        state: Whether it counts by what it has released or by what it may release, and who says so.
        config: SHA-256 of its configuration.
        reason: Why nothing is proved of it, or ``None``.
    """

    label: str
    run: str
    at: str
    data: str
    noise: str
    mechanism: str
    units: int
    releases: int
    epsilon: float
    state: str
    config: str
    reason: str | None


class StatedGroup(NamedTuple):
    """Units that may have been in the same releases.

    Attributes:
        units: How many they are.
        releases: How many releases.
        epsilon: What these come to; infinite where nothing is proved.
    """

    units: int
    releases: int
    epsilon: float


@dataclass(frozen=True)
class AccountStatement:
    """What an account says of itself.

    Attributes:
        state: What its lines amount to.
        folder: Its folder.
        word: The dataset's word for a unit.
        runs: Its runs, in the order in which they came.
        groups: Its units by what they may have been in, those with most first.
        composed: Epsilon of all runs together, of the unit with most.
        accountant: The proof that it comes from.
        left: What still fits for every unit; see :func:`~adpfl_bench.privacy.account.account_room.room_left`.
        lines: Number of lines.
        seal: The last seal.
    """

    state: AccountState
    folder: str
    word: str
    runs: Sequence[StatedRun]
    groups: Sequence[StatedGroup]
    composed: float
    accountant: str
    left: float
    lines: int
    seal: str

    @classmethod
    def of(cls, account: CohortAccount) -> AccountStatement:
        """Read an account.

        Raises:
            RecordError: It cannot be read, or is not as it was written.
        """
        content, state = account.content(), account.state()
        opening, groups = state.opening, state.groups()
        by_epsilon = sorted(groups, key=lambda group: -group.epsilon(opening.delta))
        most = by_epsilon[0] if by_epsilon else UnitGroup(0, {}, None)
        return cls(
            state=state,
            folder=str(account.folder),
            word=next((run.facts.protects for run in state.runs.values()), opening.unit),
            runs=[_stated(state, account, run) for run in state.runs.values()],
            groups=[StatedGroup(g.size, sum(g.events.values()), g.epsilon(opening.delta)) for g in by_epsilon],
            composed=most.epsilon(opening.delta),
            accountant=accountant(most.events, opening.delta) if most.events else "",
            left=room_left(groups, opening.epsilon, opening.delta),
            lines=len(content.seals),
            seal=content.last,
        )

    @property
    def meaning(self) -> str:
        """What one unit is, in words."""
        return next((text for word, text in MEANINGS.items() if word == self.word), self.word)

    @property
    def spent_text(self) -> str:
        """What all runs together come to."""
        if not self.runs:
            return "nothing has been released or reserved"
        if self.composed == float("inf"):
            return "nothing is proved any more, since a run has released what no proof covers"
        who = f"of the {self.word} with most" if self.state.units > 1 else f"of its {self.word}"
        return f"epsilon {self.composed:.4g} at delta {self.state.opening.delta:g}, {who}, by {self.accountant}"

    @property
    def left_text(self) -> str:
        """What still fits."""
        if self.left == 0:
            return f"nothing that every {self.word} could be in"
        return f"one further release with Gaussian noise of up to epsilon {self.left:.4g} by itself"

    @property
    def odds(self) -> str:
        """What the number means for a test of membership."""
        return odds_text(self.composed, self.state.opening.delta)

    @property
    def open_text(self) -> str:
        """How many runs count by what they may release."""
        waiting = [run for run in self.state.runs.values() if run.is_open]
        if not waiting:
            return ""
        verb = "counts by what it" if len(waiting) == 1 else "count by what they"
        return f"{len(waiting):,} of {count(self.runs, 'run')} {verb} may still release"


def _stated(state: AccountState, account: CohortAccount, run: AccountRun) -> StatedRun:
    counted, facts, delta = run.counted, run.facts, state.opening.delta
    units = frozenset().union(*(state.rosters[roster] for roster in run.rosters.values()))
    laws = {release.mechanism.removesuffix("Mechanism") for events in counted.values() for release in events}
    return StatedRun(
        label=facts.label,
        run=facts.run,
        at=run.at,
        data=facts.kind,
        noise="secret" if facts.secure else "from the seed",
        mechanism=", ".join(sorted(laws)) or "none yet",
        units=len(units),
        releases=max((sum(events.values()) for events in counted.values()), default=0),
        epsilon=float("inf")
        if run.reason
        else max((client_epsilon(events, delta) for events in counted.values()), default=0.0),
        state=_state(account, run),
        config=facts.config,
        reason=run.reason,
    )


def _state(account: CohortAccount, run: AccountRun) -> str:
    if not run.is_open:
        return {"run": "settled", "journal": "settled by its journal", "lost": "counted whole: no journal"}[
            run.outcome or "run"
        ]
    return "at work, reserved" if account.at_work(run.facts.run) else "stopped, reserved"
