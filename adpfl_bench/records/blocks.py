"""The blocks of a run record: its data, its federation, its privacy."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Literal

from pydantic import Field, FiniteFloat

from adpfl_bench.federation.aggregation_weights import WeightRule
from adpfl_bench.federation.round_schedule import Availability, RoundSchedule, Turn
from adpfl_bench.federation.scored_models import Headline
from adpfl_bench.privacy.ledger import Norm, PrivacyUnit, Sampling, Trust
from adpfl_bench.records.block import Block
from adpfl_bench.records.lineage_blocks import AncestorBlock, CohortBlock
from adpfl_bench.records.protected import Identity, Protected
from adpfl_bench.records.stated_text import Name


class ObjectBlock(Block):
    """An object by its class; its settings stand beside it."""

    class_name: str = Field(validation_alias="class", serialization_alias="class")
    """Name of the class, ``class`` in the file."""

    @classmethod
    def of(cls, described: dict[str, Any]) -> ObjectBlock:
        """Make a block of what an object says of itself."""
        return cls.model_validate(described)


class ClientSizes(Block):
    """Numbers of a client's cases."""

    train: int
    validation: int
    test: int


class CanariesBlock(Block):
    """The canaries of an audit."""

    client: str
    """Whom they joined."""
    count: int
    included: int
    """How many of them are in."""
    records: int
    """Training examples of each."""


class ContentsBlock(Block):
    """What the files of all cases of a run held: its data's identity."""

    algorithm: str
    """How ``root`` is made of them; ``sha256-tree-1`` is described in ``adpfl_bench/records/file_digests.py``."""
    root: str
    """Root of the Merkle tree over the files' contents, in hexadecimal; data.csv has its leaves."""
    test_root: str
    """The same of the files of the test cases alone; empty where there are none."""
    files: int
    """Number of files."""
    bytes: int
    """Their size in all."""


PlannedOn = Literal["private", "public", "phantom"]
"""What settings were planned on by ``adpfl-bench plan``."""


class DataBlock(Block):
    """The data that a run was trained and scored on."""

    datamodule: str | None = None
    """Name of the datamodule's class."""
    kind: Literal["phantom", "real"]
    fingerprint: str
    """SHA-256 of the relative paths and sizes of the dataset's files, in hexadecimal."""
    contents: ContentsBlock | None = None
    """What the files held; null in records from before this was stated, and where there are no files."""
    cases: int | None = None
    clients: dict[Name, ClientSizes] = Field(default_factory=dict)
    partition: str | None = None
    """How the cases were divided among clients, as Python would show it."""
    split_seed: int | None = None
    canaries: CanariesBlock | None = None
    """Those of an audit; null in every other run."""
    release: str | None = None
    """The publisher's release of a dataset of volumes."""
    example_is: Identity | None = None
    """What a training example is; ``record`` where the dataset does not say."""
    patient_id_is: Identity | None = None
    """What the ids identify by which cases stay together; ``patient id`` where the dataset does not say."""
    planned_on: PlannedOn | None = None
    """What ``adpfl-bench plan`` chose settings by; null where a person chose them."""


class WeightsBlock(Block):
    """Aggregation weights: how much each client update counts."""

    rule: WeightRule
    cap: int | None = None


class FederatedBlock(Block):
    """The federation: who took part in which round, and how client updates became the global model."""

    rounds: int
    seed: int | None = None
    participation: float | None = None
    clients_per_round: int | None = None
    local_epochs: int | None = None
    local_steps: int | None = None
    availability: Availability | None = None
    dropout: float | dict[str, float] | None = None
    straggling: float | dict[str, float] | None = None
    straggler_work: float | None = None
    turns: tuple[Turn, ...] | None = None
    fine_tuning_epochs: int | None = None
    total_rounds: int | None = None
    """The rounds, with that of fine-tuning if there is one."""
    client_method: ObjectBlock | None = None
    aggregator: ObjectBlock | None = None
    aggregation_weights: WeightsBlock | None = None
    client_optimizer: ObjectBlock | Literal["the task's"] | None = None
    server_optimizer: ObjectBlock | None = None
    client_optimizer_state: Literal["reset", "keep"] | None = None
    buffers: Literal["average", "local", "reset"] | None = None
    local_parameters: str | None = None
    """Regular expression for the names of parameters that stay with their client."""
    fine_tuning_rate: float | None = None
    pooled: bool = False
    held_out_clients: tuple[str, ...] = ()
    """Clients that took no part in training and are scored all the same."""
    headline: Headline = "global"
    """Which models' scores tables judge the run by."""

    @property
    def planned_rounds(self) -> int:
        """All rounds, with that of fine-tuning if the record states one."""
        return self.total_rounds or self.rounds

    def schedule(self, seed: int) -> RoundSchedule:
        """Return the schedule of the rounds; a setting that a record lacks had its default."""
        names = [field.name for field in fields(RoundSchedule) if field.name in type(self).model_fields]
        stated = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return RoundSchedule(**{**stated, "seed": seed})


class ProcessesBlock(Block):
    """The processes that trained a run from some round on.

    How many they are changes how long the run takes and nothing of what comes out; sums within a step have the same
    bits where each computes with as many threads, on the same kind of processor.
    """

    from_round: int
    """The first round that they trained, counted from 1."""
    number: int
    devices: tuple[str, ...]
    """Each one's device, such as ``cpu`` or ``cuda:3``, numbered as on its own machine."""
    threads: tuple[int, ...]
    """Threads that each one computes with on the CPU."""
    backend: str | None = None
    """What they add up sums by, ``gloo`` or ``nccl``; null of one process."""


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
    group_epsilon: float | None = None
    """Epsilon, at the same delta, of a person with ``units_per_person`` units, the largest of the clients'; null where
    that number is not known or nothing is proved."""
    not_covered: tuple[str, ...] = ()
    """What else private data was used for."""
    claimed: tuple[str, ...] = ()
    """What epsilon rests on that the author of a class states, and no proof of this suite: *claimed by the author*."""


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
    """The audited epsilon, a lower bound for one client, and what else an audit found."""

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
    mu: float | None = None
    """A lower bound on mu, at the same confidence for itself; null unless the releases are unsampled Gaussian ones."""
    epsilon_f_dp: float | None = None
    """What mu amounts to at delta: a second lower bound on epsilon."""
    client: str
    accounted: float | None = None
    """What is accounted for this client of this run; null where nothing is proved."""
    checks: dict[str, CheckBlock] = Field(default_factory=dict)
    verdict: str | None = None


class PrivacyBlock(Block):
    """Privacy of a run: what leaves a client, and its nominal, accounted and audited epsilon."""

    unit: PrivacyUnit
    """What one neighbour differs in."""
    protects: Protected | None = None
    """The same in the dataset's word; null without privacy."""
    units_per_person: int | None = None
    """The largest number of units that one person has at a client; null where the dataset's ids are no persons'."""
    adjacency: str | None = None
    mechanism: str | None = None
    """Name of the mechanism's class."""
    clipping_norm: Norm | None = None
    trust: Trust | None = None
    """Whom the guarantee is against: a server that sees what each client sends (in records that do not say it, too), or
    one that sees no more than the sum over clients."""
    threshold: str | None = None
    """Name of the threshold's class."""
    noise_multiplier: float | None = None
    target_epsilon: float | None = None
    sampling: Sampling | None = None
    units_per_step: int | None = None
    views: int | None = None
    """How often each example was in its step, augmented anew; null where no example is clipped by itself."""
    secure: bool | None = None
    """Whether noise comes from the operating system, and not from the seed."""
    nominal_epsilon: float | None
    """What the method's authors state."""
    accounted: AccountedBlock
    audited: AuditedBlock | None = None
    post_processing: tuple[str, ...] | None = None
    """What callbacks did to what had been released, with public data alone: it costs no epsilon. Null where that is not
    known, as in older records, or nothing is private."""
    ledger: dict[str, tuple[LedgerEntry, ...]] = Field(default_factory=dict)
    """Releases by client, compressed to counts."""
    lineage: tuple[AncestorBlock, ...] = ()
    """The runs that the first weights came from, the first of them first; what they released of the same data is in
    ``accounted``."""
    cohorts: tuple[CohortBlock, ...] = ()
    """What the weights have cost each cohort that trained them, this run included; only where runs came before it."""
