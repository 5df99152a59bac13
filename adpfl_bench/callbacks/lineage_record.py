"""Lineage of a run's weights in its record: the runs before it, what each spent, and what they come to by cohort."""

from __future__ import annotations

from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import PrivacyLedger
from adpfl_bench.privacy.lineage import PUBLIC, Ancestor, Lineage, inherit
from adpfl_bench.records.blocks import PrivacyBlock
from adpfl_bench.records.lineage_blocks import AncestorBlock, CohortBlock

_OF_PUBLISHED = ("name", "licence", "trained_on", "digest")


def with_lineage(block: PrivacyBlock, lineage: Lineage) -> PrivacyBlock:
    """Add the runs that the weights came from to the privacy block of a run record."""
    if not lineage.before:
        return block
    before, delta = lineage.before, block.accounted.delta
    runs = [ancestor for ancestor in lineage.all if ancestor.kind != PUBLIC]
    cohorts = dict.fromkeys(run.cohort for run in runs)
    return block.model_copy(
        update={
            "lineage": tuple(_ancestor(ancestor, delta) for ancestor in before),
            "cohorts": tuple(_cohort([run for run in runs if run.cohort == cohort], delta) for cohort in cohorts),
        }
    )


def _ancestor(ancestor: Ancestor, delta: float) -> AncestorBlock:
    ledger = PrivacyLedger()
    ledger.load_state_dict(dict(ancestor.releases))
    spent = max((client_epsilon(ledger.events(client), delta) for client in ledger.clients()), default=0.0)
    return AncestorBlock(
        run=ancestor.run,
        kind=ancestor.kind,
        cohort=ancestor.cohort,
        unit=ancestor.unit,
        epsilon=spent if ancestor.reason is None else None,
        reason=ancestor.reason,
        **{name: value for name in _OF_PUBLISHED if (value := getattr(ancestor, name))},
    )


def _cohort(runs: list[Ancestor], delta: float) -> CohortBlock:
    """What all runs on one cohort come to, for a unit of the last run's."""
    last = runs[-1]
    total = inherit(runs, last.cohort, last.division, last.unit)
    events = total.beside(PrivacyLedger()).values()
    spent = max((client_epsilon(of_client, delta) for of_client in events), default=0.0)
    known = total.reason is None
    return CohortBlock(
        cohort=last.cohort, kind=last.kind, unit=last.unit, epsilon=spent if known else None, reason=total.reason
    )
