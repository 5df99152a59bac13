"""The blocks of a run record on what its weights came from."""

from __future__ import annotations

from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.records.block import Block


class AncestorBlock(Block):
    """A run that trained the first weights, or published weights that they are."""

    run: str
    """Id of the run; empty where its checkpoint states none."""
    kind: str
    """Kind of its data: ``phantom``, ``real`` or ``unknown``; ``public`` of published weights."""
    cohort: str
    """Fingerprint of its data; empty where it is not known."""
    unit: PrivacyUnit
    epsilon: float | None
    """What it spent until these weights, at the delta of ``accounted``; null where nothing is proved."""
    reason: str | None
    """Why nothing is proved."""
    name: str = ""
    """What published weights are called."""
    licence: str = ""
    """Licence of published weights."""
    trained_on: str = ""
    """What is stated of the data that published weights were trained on."""
    digest: str = ""
    """SHA-256 of the file that held the published weights."""


class CohortBlock(Block):
    """What all runs of a lineage have spent of one cohort."""

    cohort: str
    """Fingerprint of the data."""
    kind: str
    unit: PrivacyUnit
    epsilon: float | None
    """At the delta of ``accounted``; null where nothing is proved of one of them."""
    reason: str | None
