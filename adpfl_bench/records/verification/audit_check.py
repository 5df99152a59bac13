"""Check of an audit: its numbers are possible, and of its canaries."""

from __future__ import annotations

from collections.abc import Iterator

from adpfl_bench.privacy.audit.verdict import SOUND
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding

_ROUNDED = 1e-6


def check_audit(evidence: Evidence) -> Iterator[Finding]:
    """Look at what an audit found; a run without one is passed over."""
    record = evidence.record
    found, canaries = record.privacy.audited, record.data.canaries
    if found is None:
        return
    if canaries is not None and (found.canaries, found.client) != (canaries.count, canaries.client):
        yield Finding(
            "audit",
            f"it is of {found.canaries} canaries of {found.client}, but the data had {canaries.count} of"
            f" {canaries.client}",
        )
    if found.epsilon < 0 or not 0 < found.confidence < 1 or not 0 < found.delta < 1:
        yield Finding("audit", "its bound, confidence or delta is out of range")
    if found.ceiling is not None and found.epsilon > found.ceiling + _ROUNDED:
        text = (
            f"it bounds epsilon by {found.epsilon:.4g}, but {found.canaries} canaries give {found.ceiling:.4g} at most"
        )
        yield Finding("audit", text)
    if None not in (found.guesses, found.correct) and (found.correct or 0) > (found.guesses or 0):
        yield Finding("audit", f"{found.correct} of {found.guesses} guesses are right")
    failed = sorted(name for name, check in found.checks.items() if check.passed is False)
    if failed and found.verdict in SOUND:
        yield Finding("audit", f"its check {failed[0]} failed, but it calls the run {found.verdict}")
