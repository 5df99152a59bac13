"""Training set: which client trains on which examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adpfl_bench.data.rounds.round_plan import ExampleId, group_examples
from adpfl_bench.data.rounds.training_plan import ClientCounts, TrainingPlan
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT


@dataclass(frozen=True)
class TrainingSet:
    """The training examples of every client that trains, and the units that they make.

    Attributes:
        examples: Training examples of each client that trains.
        patients: Patient of each example, canaries included, where units are patients; otherwise ``None``.
        elsewhere: Clients that train in other places, whose examples nobody has here.
    """

    examples: Mapping[str, Sequence[ExampleId]]
    patients: Mapping[ExampleId, str] | None
    elsewhere: Mapping[str, ClientCounts] = field(default_factory=dict)

    @property
    def of_all(self) -> Mapping[str, Sequence[ExampleId]]:
        """Training examples of every client of the federation, none of those elsewhere."""
        return {**self.examples, **dict.fromkeys(self.elsewhere, ())}

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of training examples by client."""
        here = {client: len(own) for client, own in self.examples.items()}
        return {**here, **{client: counts.examples for client, counts in self.elsewhere.items()}}

    @property
    def unit_sizes(self) -> Mapping[str, int]:
        """Number of units (training examples, or patients with training examples) by client."""
        here = {client: len(group_examples(own, self.patients)) for client, own in self.examples.items()}
        return {**here, **{client: counts.units for client, counts in self.elsewhere.items()}}


def training_set(
    division: Mapping[str, Sequence[ExampleId]], patients: Mapping[ExampleId, str], plan: TrainingPlan
) -> TrainingSet:
    """Give each client that trains its examples.

    Args:
        division: Training examples of every client.
        patients: Patient of each example.
        plan: Who is held out, whether the rest is pooled, and the canaries of an audit.

    Raises:
        ConfigError: The division lacks a client that is to be held out or to get the canaries, or none is left.
    """
    _check_held_out(plan, division)
    examples = {client: own for client, own in division.items() if client not in plan.held_out}
    if plan.canaries is not None:
        examples = dict(plan.canaries.join(examples, patients))
        patients = {**patients, **plan.canaries.patients}
    if plan.pooled:
        examples = {POOLED_CLIENT: [example for own in examples.values() for example in own]}
        if plan.canaries is not None:
            plan.canaries.client = POOLED_CLIENT
    elsewhere = {client: counts for client, counts in plan.elsewhere.items() if client not in plan.held_out}
    return TrainingSet(examples, patients if plan.by_patient else None, elsewhere)


def most_examples(examples: Mapping[str, Sequence[ExampleId]], patients: Mapping[ExampleId, str]) -> Mapping[str, int]:
    """Count the examples of the patient who has most of them, for each client; canaries are nobody's."""
    owners = {client: Counter(patients[e] for e in own if e in patients) for client, own in examples.items()}
    return {client: max(found.values(), default=1) for client, found in owners.items()}


def _check_held_out(plan: TrainingPlan, here: Mapping[str, Sequence[ExampleId]]) -> None:
    division = sorted({*here, *plan.elsewhere})
    clients = ", ".join(division)
    if unknown := [name for name in plan.held_out if name not in division]:
        raise ConfigError(f"federated.held_out_clients names {', '.join(unknown)}, but the clients are {clients}.")
    if set(plan.held_out) == set(division):
        raise ConfigError(
            f"federated.held_out_clients names every client ({clients}), so that none is left to train; leave some out."
        )
    if plan.canaries is not None and plan.canaries.wanted_client in plan.held_out:
        raise ConfigError(
            f"audit.client is {plan.canaries.wanted_client}, which federated.held_out_clients keeps from training; let"
            " the canaries join a client that trains."
        )
