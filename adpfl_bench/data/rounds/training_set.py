"""Who trains on which records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.round_loader import group_records
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT


class TrainingSet:
    """The training records of every client that trains, and the units that they make.

    It is worked out anew from the division of the dataset whenever something changes that it depends on: who is held
    out, whether the rest is pooled, and the canaries of an audit.

    Attributes:
        records: Training records of each client that trains.
        patients: Patient of each record, canaries included, where units are patients; otherwise ``None``.
    """

    def __init__(self) -> None:
        self.records: Mapping[str, Sequence[int]] = {}
        self.patients: Mapping[int, str] | None = None
        self._division: Mapping[str, Sequence[int]] = {}
        self._record_patients: Mapping[int, str] = {}
        self._pooled = False
        self._held_out: tuple[str, ...] = ()
        self._canaries: Canaries | None = None
        self._by_patient = False

    def divide(self, records: Mapping[str, Sequence[int]], patients: Mapping[int, str]) -> None:
        """Take over how the dataset is divided.

        Args:
            records: Training records of every client.
            patients: Patient of each record.

        Raises:
            ConfigError: The division lacks a client that is to be held out or to get the canaries, or none is left.
        """
        self._division, self._record_patients = records, patients
        self._update()

    def use_federation(self, pooled: bool, held_out: Sequence[str]) -> None:
        """Make all training records those of one client, or hold clients out.

        Raises:
            ConfigError: There is no such client, it is to get the canaries, or none is left.
        """
        self._pooled, self._held_out = pooled, tuple(held_out)
        self._update()

    def use_canaries(self, canaries: Canaries) -> None:
        """Let canaries join a client's records.

        Raises:
            ConfigError: Their client does not train.
        """
        self._canaries = canaries
        self._update()

    def use_units(self, by_patient: bool) -> None:
        """Make units of whole patients, or of single records."""
        self._by_patient = by_patient
        self._update()

    def _update(self) -> None:
        if not self._division:
            return
        self._check_held_out()
        records = {client: own for client, own in self._division.items() if client not in self._held_out}
        patients = self._record_patients
        if self._canaries is not None:
            self._check_canaries(self._canaries)
            records = dict(self._canaries.join(records, patients))
            patients = {**patients, **self._canaries.patients}
        if self._pooled:
            records = {POOLED_CLIENT: [record for own in records.values() for record in own]}
            if self._canaries is not None:
                self._canaries.client = POOLED_CLIENT
        self.records, self.patients = records, patients if self._by_patient else None

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
        return tuple(self.records)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names of the clients that are held out."""
        return self._held_out

    @property
    def sizes(self) -> Mapping[str, int]:
        """Number of training records by client."""
        return {client: len(own) for client, own in self.records.items()}

    @property
    def unit_sizes(self) -> Mapping[str, int]:
        """Number of units (training records, or patients with training records) by client."""
        return {client: len(group_records(own, self.patients)) for client, own in self.records.items()}
