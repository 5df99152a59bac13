"""Checks of an account: what its lines say against each other, its key and the journals of its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.account.account_entries import Entry, Reservation, Settlement
from adpfl_bench.privacy.account.account_settling import journal_of
from adpfl_bench.privacy.account.account_state import AccountState, exceeds, over_budget
from adpfl_bench.privacy.account.cohort_account import CohortAccount
from adpfl_bench.privacy.account.sealed_lines import AccountDamaged

ACCOUNT_CHECKS: Mapping[str, str] = MappingProxyType(
    {
        "key": "the key is that of the account, and its owner's alone",
        "head": "the head is that of the lines",
        "line": "every line is as it was written, behind the one it was written behind",
        "end": "no line is missing at the end",
        "seal": "a seal that somebody has kept is still in the account",
        "reservation": "no reservation went beyond the budget when it was made",
        "settlement": "no settlement is above what was reserved, or below an earlier one",
        "journal": "no journal that is still there has more than the account",
        "proof": "something is proved of everything that was released",
        "budget": "all runs together are within the budget for every unit",
    }
)
"""What is checked, by name."""


class AccountFinding(NamedTuple):
    """Something wrong.

    Attributes:
        check: Name of the check.
        text: A sentence.
    """

    check: str
    text: str


def check_account(account: CohortAccount, seal: str = "") -> list[AccountFinding]:
    """Check an account; a list without entries says that nothing is wrong.

    Args:
        account: The account.
        seal: A seal that somebody has kept, of a receipt or a run record; empty for none.
    """
    try:
        content, entries = account.content(), account.entries()
        findings = list(_replayed(entries))
        state = AccountState.of(entries)
    except AccountDamaged as error:
        return [AccountFinding(error.part if error.part in ACCOUNT_CHECKS else "line", str(error))]
    except RecordError as error:
        return [AccountFinding("line", str(error))]
    if seal and seal not in content.seals:
        findings.append(
            AccountFinding(
                "seal",
                f"the seal {seal[:16]}... is of no line of the account, so that the account was put back to an earlier"
                " state, or is another one",
            )
        )
    return [*findings, *_of_journals(state), *_of_budget(state)]


def _replayed(entries: Sequence[Entry]) -> Iterator[AccountFinding]:
    state = AccountState.of(entries[:1])
    epsilon, delta = state.opening.epsilon, state.opening.delta
    for number, entry in enumerate(entries[1:], 2):
        before, state = state, state.after(entry)
        if isinstance(entry, Reservation):
            groups = state.groups(set(entry.rosters.values()))
            if over := sum(group.size for group in over_budget(groups, epsilon, delta)):
                yield AccountFinding("reservation", f"line {number} promises {over:,} units more than the budget")
        if isinstance(entry, Settlement):
            own = before.runs[entry.run]
            if exceeds(entry.releases, own.counted):
                yield AccountFinding(
                    "settlement", f"line {number} settles run {entry.run} for more releases than it had reserved"
                )
            known = own.settled if own.settled is not None and own.outcome != "lost" else {}
            if exceeds(known, entry.releases):
                yield AccountFinding(
                    "settlement", f"line {number} settles run {entry.run} for fewer releases than a line before it"
                )


def _of_journals(state: AccountState) -> Iterator[AccountFinding]:
    for run, own in state.runs.items():
        journaled = journal_of(own)
        if journaled is not None and exceeds(journaled, own.counted):
            yield AccountFinding(
                "journal", f"the journal in {own.facts.folder} has more releases of run {run} than the account counts"
            )


def _of_budget(state: AccountState) -> Iterator[AccountFinding]:
    epsilon, delta = state.opening.epsilon, state.opening.delta
    groups = state.groups()
    for reason in dict.fromkeys(run.reason for run in state.runs.values() if run.reason):
        yield AccountFinding("proof", f"nothing is proved of a run: {reason}")
    over = [group for group in over_budget(groups, epsilon, delta) if not group.reason]
    if over:
        most = max(group.epsilon(delta) for group in over)
        number = sum(group.size for group in over)
        yield AccountFinding("budget", f"{number:,} units are above epsilon {epsilon:g} (up to {most:.4g})")
