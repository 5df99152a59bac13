"""The privacy block of a run record."""

from __future__ import annotations

from pydantic import Field, FiniteFloat

from adpfl_bench.privacy.ledger import Norm, PrivacyUnit, Sampling
from adpfl_bench.records.block import Block

LedgerEntry = tuple[str, float, float, float, Norm, int] | tuple[str, float, float, int]
"""A release and how often it was made: mechanism, noise multiplier, sensitivity, sampling rate, norm, count; an older
one lacks sampling rate and norm."""


class AccountedBlock(Block):
    """The guarantee that is proved for everything that was released."""

    epsilon: float | None
    """The largest of the clients'; null where nothing is proved."""
    delta: float
    reason: str | None
    """Why nothing is proved."""
    accountant: str | None = None
    """The proof that epsilon comes from."""
    by_client: dict[str, float] = Field(default_factory=dict)
    not_covered: tuple[str, ...] = ()
    """What else private data was used for."""


class CheckBlock(Block):
    """The outcome of one of an audit's checks; the figures that it was decided by stand beside it."""

    passed: bool | None = None
    """Null where there is nothing to check."""
    reason: str | None = None
    """Why there is nothing to check, or what failed."""

    @property
    def figures(self) -> dict[str, float | int]:
        """What was decided by."""
        return dict(self.model_extra or {})


class AuditedBlock(Block):
    """What an audit found: a lower bound on the epsilon of one client."""

    epsilon: FiniteFloat
    confidence: float
    """Probability that the bound is not too high."""
    delta: float
    canaries: int
    included: int | None = None
    guesses: int | None = None
    correct: int | None = None
    guesses_tried: tuple[int, ...] = ()
    ceiling: float | None = None
    """The largest bound that so many canaries can give."""
    client: str
    accounted: float | None = None
    """What is accounted for this client of this run; null where nothing is proved."""
    checks: dict[str, CheckBlock] = Field(default_factory=dict)
    verdict: str | None = None


class PrivacyBlock(Block):
    """Privacy of a run: what leaves a client, and its nominal, accounted and audited epsilon."""

    unit: PrivacyUnit
    """What one neighbour differs in."""
    adjacency: str | None = None
    mechanism: str | None = None
    """Name of the mechanism's class."""
    clipping_norm: Norm | None = None
    threshold: str | None = None
    """Name of the threshold's class."""
    noise_multiplier: float | None = None
    target_epsilon: float | None = None
    sampling: Sampling | None = None
    units_per_step: int | None = None
    secure: bool | None = None
    """Whether noise comes from the operating system, and not from the seed."""
    nominal_epsilon: float | None
    """What the method's authors state."""
    accounted: AccountedBlock
    audited: AuditedBlock | None = None
    ledger: dict[str, tuple[LedgerEntry, ...]] = Field(default_factory=dict)
    """Releases by client, compressed to counts."""
