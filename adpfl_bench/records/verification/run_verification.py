"""Verification of a run: every check that needs no data, and what they come to in a few words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from adpfl_bench.records.verification.audit_check import check_audit
from adpfl_bench.records.verification.checkpoint_check import check_checkpoint_record
from adpfl_bench.records.verification.cohort_check import check_cohorts
from adpfl_bench.records.verification.configuration_check import check_configuration
from adpfl_bench.records.verification.contents_check import check_contents
from adpfl_bench.records.verification.data_check import check_data, check_lineage, check_partition
from adpfl_bench.records.verification.epsilon_check import check_epsilon
from adpfl_bench.records.verification.evidence import Evidence
from adpfl_bench.records.verification.finding import Finding
from adpfl_bench.records.verification.guarantee_check import check_guarantee
from adpfl_bench.records.verification.history_check import check_digests, check_rounds
from adpfl_bench.records.verification.ledger_check import check_ledger
from adpfl_bench.records.verification.score_check import check_cases, check_scores

VERIFIED = "verified"
BEFORE_DIGESTS = "recorded before digests"

_CHECKS: tuple[Callable[[Evidence], Iterator[Finding]], ...] = (
    check_scores,  # first, as it reads and hashes cases.csv at once
    check_configuration,
    check_data,
    check_partition,
    check_lineage,
    check_rounds,
    check_cases,
    check_ledger,
    check_epsilon,
    check_guarantee,
    check_audit,
    check_digests,
)
_THOROUGH = (check_contents, check_checkpoint_record, check_cohorts)
"""Checks that take long where data sets or networks are large, for which no table waits; and that of cohorts: where it
fails, tables leave out the cohort and not the run."""


@dataclass(frozen=True)
class Verification:
    """What was found of a run.

    Attributes:
        findings: What is wrong; nothing of a sound record.
        unverifiable: Why a sound record proves less than it could, or ``None``.
        absent: Files that the record has digests of, and that are not there.
    """

    findings: tuple[Finding, ...] = ()
    unverifiable: str | None = None
    absent: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """The outcome in a word or two: ``verified``, or ``not verifiable: ...``, or by which checks it failed."""
        if self.findings:
            return f"fails: {', '.join(dict.fromkeys(finding.check for finding in self.findings))}"
        return VERIFIED if self.unverifiable is None else f"not verifiable: {self.unverifiable}"

    @property
    def text(self) -> str:
        """All that was found, in a sentence."""
        if self.findings:
            return "; ".join(map(str, self.findings))
        return self.state + (f" (without {', '.join(self.absent)}, not here)" if self.absent else "")

    def with_findings(self, *more: Finding) -> Verification:
        """Return it with what was found elsewhere."""
        return replace(self, findings=(*self.findings, *more))


def verify_evidence(evidence: Evidence, thorough: bool = False) -> Verification:
    """Recompute all that a run's folder proves without the data.

    Args:
        evidence: The folder.
        thorough: Also compute the root of the data's contents from data.csv, and look into the checkpoint and
            the cohorts.
    """
    checks = (*_CHECKS, *_THOROUGH) if thorough else _CHECKS
    findings = tuple(finding for check in checks for finding in check(evidence))
    digests = evidence.record.digests
    if digests is None:
        return Verification(findings, BEFORE_DIGESTS)
    absent = tuple(sorted(name for name in digests.files if not (evidence.directory.path / name).exists()))
    links = digests.chain.links
    if links and links[0].round > 1:
        return Verification(findings, f"rounds 1 to {links[0].round - 1} were {BEFORE_DIGESTS}", absent)
    return Verification(findings, None, absent)
