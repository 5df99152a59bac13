"""Check of the ledger: against the journal of releases, the last round's link, and the rounds that were planned."""

from __future__ import annotations

import math
from collections.abc import Iterator

from adpfl_bench.errors import BenchError, RecordError
from adpfl_bench.privacy.ledger import PrivacyLedger
from adpfl_bench.records.chain import count_releases, ledger_sha256
from adpfl_bench.records.spent import planned_releases
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding

_NEAR = 1e-9


def check_ledger(evidence: Evidence) -> Iterator[Finding]:
    """Make sure that no release is missing; a record that states no ledger is passed over."""
    privacy = evidence.record.privacy
    try:
        _, ledger = evidence.journal, evidence.ledger
    except RecordError as error:
        yield Finding("ledger", str(error))
        return
    except BenchError as error:
        yield Finding("ledger", f"run.json has an impossible release ({error})")
        return
    if "ledger" not in privacy.model_fields_set:
        return
    if privacy.unit == "none":
        if ledger.clients():
            yield Finding("ledger", "nothing is private, but there are releases")
        return
    yield from _by_journal(evidence, ledger)
    yield from _by_chain(evidence)
    yield from _by_plan(evidence, ledger)


def _by_journal(evidence: Evidence, ledger: PrivacyLedger) -> Iterator[Finding]:
    record = evidence.record
    if not evidence.journal:
        return
    own = {session.key for session in evidence.journal if session.run in ("", record.run)}
    # Under secret noise all counts that was ever released from the folder.
    counted = (
        evidence.journal
        if record.privacy.secure
        else {session: releases for session, releases in evidence.journal.items() if session.key in own}
    )
    if not counted:
        yield Finding("ledger", f"the journal of releases is of other runs than {record.run[:8] or 'this one'}")
        return
    highest: dict[str, PrivacyLedger] = {}
    for session, releases in counted.items():
        highest.setdefault(session.key, PrivacyLedger()).raise_to(releases.state_dict())
    written = PrivacyLedger()
    for releases in highest.values():
        written.add_all(releases)
    for client in sorted({*ledger.clients(), *written.clients()}):
        ours, theirs = ledger.events(client), written.events(client)
        if any(theirs.get(release, 0) < number for release, number in ours.items()):
            yield Finding("ledger", f"the journal has fewer releases of {client} than run.json")
            return
        if evidence.closed and any(ours.get(release, 0) < number for release, number in theirs.items()):
            yield Finding("ledger", f"run.json has fewer releases of {client} than the journal")
            return


def _by_chain(evidence: Evidence) -> Iterator[Finding]:
    record = evidence.record
    if record.digests is None or not record.digests.chain.links:
        return
    last = record.digests.chain.links[-1]
    ledger = evidence.ledger.state_dict()
    found = count_releases(ledger)
    if found < last.releases:
        yield Finding(
            "ledger", f"run.json has {found:,} releases, but there were {last.releases:,} after its last round"
        )
    elif found == last.releases and ledger_sha256(ledger) != last.ledger:
        yield Finding("ledger", "the releases of run.json are not those of its last round")


def _by_plan(evidence: Evidence, ledger: PrivacyLedger) -> Iterator[Finding]:
    """Compare a finished run with its plan, as far as the record tells it."""
    record = evidence.record
    if record.status != "finished":
        return
    try:
        planned = planned_releases(record, ledger)
    except BenchError as error:
        yield Finding("ledger", f"the plan of the rounds is impossible ({error})")
        return
    for client, number in planned.items():
        made = sum(ledger.events(client).values())
        if made < number:
            yield Finding("ledger", f"{client} has {made:,} releases, but its rounds make {number:,}")
            return
    z = record.privacy.noise_multiplier
    if z is not None and not record.privacy.accounted.claimed:
        found = {release.noise_multiplier for client in ledger.clients() for release in ledger.events(client)}
        if found and not any(math.isclose(other, z, rel_tol=_NEAR) for other in found):
            yield Finding("ledger", f"the releases have a noise multiplier of {min(found):g}, but it is {z:g}")
