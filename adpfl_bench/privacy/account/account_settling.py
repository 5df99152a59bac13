"""Settling of a run: what it has released counts in the place of what it was promised."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from adpfl_bench.errors import RecordError
from adpfl_bench.privacy.account.account_entries import Outcome, Releases, Settlement
from adpfl_bench.privacy.account.account_state import AccountRun, raised
from adpfl_bench.privacy.journal import LedgerJournal
from adpfl_bench.privacy.ledger import PrivacyLedger


def settlement(run: AccountRun, outcome: Outcome, released: Releases, reason: str | None) -> Settlement:
    """Return the line that settles a run: never less than an earlier one, unless that knew nothing of the run.

    Args:
        run: The run, as its account has it.
        outcome: Who settles it.
        released: What it has released.
        reason: Why nothing is proved of that, or ``None``.
    """
    known = {} if run.outcome == "lost" or run.settled is None else run.settled
    return Settlement(run.reservation, run.facts.run, outcome, reason, raised(released, known), now())


def settled_by_journal(run: AccountRun) -> Settlement:
    """Settle a stopped run by the journal in its folder; where that is gone, the whole reservation counts."""
    journaled = journal_of(run)
    if journaled is None or set(journaled) - set(run.rosters):
        return settlement(run, "lost", run.counted, None)
    return settlement(run, "journal", journaled, None)


def journal_of(run: AccountRun) -> Releases | None:
    """Read what the journal in a run's folder has of it; ``None`` where it is gone or cannot be read."""
    try:
        sessions = LedgerJournal(Path(run.facts.folder)).read()
    except RecordError:
        return None
    own = [ledger for session, ledger in sessions.items() if session.run == run.facts.run]
    total = PrivacyLedger()
    for ledger in own:
        total.add_all(ledger)
    return {client: total.events(client) for client in total.clients()} if own else None


def now() -> str:
    """Return the time, in UTC and ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
