"""Who trains on which examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.round_plan import ExampleId, group_examples
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT


class TrainingSet:
    """The training examples of every client that trains, and the units that they make.

    It is worked out anew from the division of the dataset whenever something changes that it depends on: who is held
    out, whether the rest is pooled, and the canaries of an audit.

    Attributes:
        examples: Training examples of each client that trains.
        patients: Patient of each example, canaries included, where units are patients; otherwise ``None``.
    """

    def __init__(self) -> None:
        self.examples: Mapping[str, Sequence[ExampleId]] = {}
        self.patients: Mapping[ExampleId, str] | None = None
        self._division: Mapping[str, Sequence[ExampleId]] = {}
        self._example_patients: Mapping[ExampleId, str] = {}
        self._pooled = False
        self._held_out: tuple[str, ...] = ()
        self._canaries: Canaries | None = None
        self._by_patient = False

    def divide(self, examples: Mapping[str, Sequence[ExampleId]], patients: Mapping[ExampleId, str]) -> None:
        """Take over how the dataset is divided.

        Args:
            examples: Training examples of every client.
            patients: Patient of each example.

        Raises:
            ConfigError: The division lacks a client that is to be held out or to get the canaries, or none is left.
        """
        self._division, self._example_patients = examples, patients
        self._update()

    def use_federation(self, pooled: bool, held_out: Sequence[str]) -> None:
        """Make all training examples those of one client, or hold clients out.

        Raises:
            ConfigError: There is no such client, it is to get the canaries, or none is left.
        """
        self._pooled, self._held_out = pooled, tuple(held_out)
        self._update()

    def use_canaries(self, canaries: Canaries) -> None:
        """Let canaries join a client's examples.

        Raises:
            ConfigError: Their client does not train.
        """
        self._canaries = canaries
        self._update()

    def use_units(self, by_patient: bool) -> None:
        """Make units of whole patients, or of single examples."""
        self._by_patient = by_patient
        self._update()

    def _update(self) -> None:
        if not self._division:
            return
        self._check_held_out()
        examples = {client: own for client, own in self._division.items() if client not in self._held_out}
        patients = self._example_patients
        if self._canaries is not None:
            self._check_canaries(self._canaries)
            examples = dict(self._canaries.join(examples, patients))
            patients = {**patients, **self._canaries.patients}
        if self._pooled:
            examples = {POOLED_CLIENT: [example for own in examples.values() for example in own]}
            if self._canaries is not None:
                self._canaries.client = POOLED_CLIENT
        self.examples, self.patients = examples, patients if self._by_patient else None

    def _check_held_out(self) -> None:
        clients = ", ".join(self._division)
        if unknown := [name for name in self._held_out if name not in self._division]:
            raise ConfigError(f"federated.held_out_clients names {', '.join(unknown)}, but the clients are {clients}.")
        if set(self._held_out) == set(self._division):
            raise ConfigError(
                f"federated.held_out_clients names every client ({clients}), so that none is left to train; leave some"
                " out."
            )

    def _check_canaries(self, canaries: Canaries) -> None:
        if canaries.wanted_client in self._held_out:
            raise ConfigError(
                f"audit.client is {canaries.wanted_client}, which federated.held_out_clients keeps from training; let"
                " the canaries join a client that trains."
            )

    @property
    def clients(self) -> tuple[str, ...]:
        """Names of the clients that train."""
        return tuple(self.examples)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names of the clients that are held out."""
        return self._held_out

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of training examples by client."""
        return {client: len(own) for client, own in self.examples.items()}

    @property
    def unit_sizes(self) -> Mapping[str, int]:
        """Number of units (training examples, or patients with training examples) by client."""
        return {client: len(group_examples(own, self.patients)) for client, own in self.examples.items()}
