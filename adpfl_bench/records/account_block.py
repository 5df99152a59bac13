"""Account of a cohort in a run record."""

from __future__ import annotations

from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.records.block import Block


class AccountBlock(Block):
    """The account of the cohort that a run has released under; it names no unit."""

    account: str
    """Id of the account."""
    name: str
    unit: PrivacyUnit
    epsilon: float
    """What all runs together may reach, for every unit."""
    delta: float
    """The delta that all epsilons here hold at."""
    simulation: bool
    """Whether it takes repeatable noise, and so promises nothing to persons."""
    reservation: str
    """Id of the run's reservation."""
    settled: str | None = None
    """Seal of the line by which the run was settled; null while its reservation counts."""
    run_epsilon: float | None = None
    """What the run alone has spent, the largest of its clients'; null before it is settled."""
    composed_epsilon: float | None = None
    """What all runs of the account had spent by then, what others hold reserved included, of the unit with most among
    those of this run."""
