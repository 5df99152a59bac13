"""Clients whose patients differ in a property: age, diagnosis, size of the lesion, ..."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adpfl_bench.data.case import Case
from adpfl_bench.data.partitioning.case_properties import patient_values
from adpfl_bench.data.partitioning.partition import Partition, check_positive, check_room, client_names, collect_cases
from adpfl_bench.data.partitioning.patients import apportion, group_by_patient
from adpfl_bench.errors import ConfigError
from adpfl_bench.seeding import numpy_generator


class _ByProperty(Partition):
    """Base of partitions by a property."""

    clients: int
    by: str
    keep_unstated: bool

    @property
    def properties(self) -> tuple[str, ...]:
        """The property, which is measured if it is one that no dataset states."""
        return (self.by,)

    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Deal patients to ``client-1``, ``client-2``, ..."""
        patients = group_by_patient(cases)
        self._check(len(patients))
        values = patient_values(patients, self.by, self.keep_unstated)
        members = self._deal(values, [patient for patient in patients if patient not in values], seed)
        return collect_cases(patients, zip(client_names(self.clients), members, strict=True))

    @abstractmethod
    def _check(self, patients: int) -> None:
        """Refuse a dataset of too few patients."""

    @abstractmethod
    def _deal(self, values: Mapping[str, float] | Mapping[str, str], unstated: list[str], seed: int) -> list[list[str]]:
        """Divide patients with a value, and those without, among the clients."""


@dataclass(frozen=True)
class PropertyPartition(_ByProperty):
    """Clients whose shares of each range of a property are drawn at random (label skew).

    Patients are put into bins by the property, and each bin is divided among the clients by shares that are drawn from
    a symmetric Dirichlet distribution: the distribution-based label imbalance of Li et al., "Federated learning on
    non-IID data silos: an experimental study" (ICDE 2022), section 4.1, with the bin in place of the class. Hsu et al.
    (2019, arXiv 1909.06335) draw the other way round, a mixture of classes for each client. Clients differ in size.

    Attributes:
        clients: Number of clients.
        by: ``lesion_size`` or a column of the dataset's metadata; see
            :mod:`adpfl_bench.data.partitioning.case_properties`.
        alpha: Concentration; the smaller, the more unequal. 0.1 to 1 is usual, 100 is nearly equal.
        bins: Number of bins of equal size that patients are put into where the property is a number. Categories stay
            as they are.
        min_patients: Patients that each client holds at least, drawn from the largest clients.
        keep_unstated: Whether patients for whom the property is not stated are kept, as a bin of their own.
    """

    clients: int
    by: str
    alpha: float = 0.5
    bins: int = 5
    min_patients: int = 1
    keep_unstated: bool = False

    def __post_init__(self) -> None:
        for name in ("clients", "alpha", "bins", "min_patients"):
            check_positive(name, getattr(self, name))

    def _check(self, patients: int) -> None:
        check_room(patients, self.clients, self.min_patients)

    def _deal(self, values: Mapping[str, float] | Mapping[str, str], unstated: list[str], seed: int) -> list[list[str]]:
        generator = numpy_generator(seed, "partition", "property", self.by)
        order = _sorted_patients(values, generator)
        if all(isinstance(value, float) for value in values.values()):
            bins = [part.tolist() for part in np.array_split(order, self.bins)]
        else:
            bins = [[p for p in order if values[p] == category] for category in dict.fromkeys(values[p] for p in order)]
        members: list[list[str]] = [[] for _ in range(self.clients)]
        for group in [*bins, unstated]:
            shuffled = generator.permutation(group).tolist()
            start = 0
            shares = generator.dirichlet([self.alpha] * self.clients)
            for own, size in zip(members, apportion(len(group), shares.tolist()), strict=True):
                own += shuffled[start : start + size]
                start += size
        for own in members:
            while len(own) < self.min_patients:
                largest = max(members, key=len)
                own.append(largest.pop(int(generator.integers(len(largest)))))
        return members


@dataclass(frozen=True)
class ShardPartition(_ByProperty):
    """Clients of equal size with a few ranges of a property each (pathological label skew).

    Patients are sorted by the property and cut into shards of equal size, and each client gets the same number of
    shards, at random. See McMahan et al., "Communication-efficient learning of deep networks from decentralized data"
    (AISTATS 2017), section 3, where 100 clients get two shards of digits each.

    Attributes:
        clients: Number of clients.
        by: ``lesion_size`` or a column of the dataset's metadata; see
            :mod:`adpfl_bench.data.partitioning.case_properties`.
        shards_per_client: Number of shards of a client; 1 gives each client one range of its own.
        keep_unstated: Whether patients for whom the property is not stated are kept, behind those with the largest
            values.
    """

    clients: int
    by: str
    shards_per_client: int = 2
    keep_unstated: bool = False

    def __post_init__(self) -> None:
        for name in ("clients", "shards_per_client"):
            check_positive(name, getattr(self, name))

    def _check(self, patients: int) -> None:
        if patients < self.clients * self.shards_per_client:
            raise ConfigError(
                f"{self.clients} clients with {self.shards_per_client} shards each need at least"
                f" {self.clients * self.shards_per_client} patients, but the dataset has {patients}; ask for fewer."
            )

    def _deal(self, values: Mapping[str, float] | Mapping[str, str], unstated: list[str], seed: int) -> list[list[str]]:
        generator = numpy_generator(seed, "partition", "shards", self.by)
        order = [*_sorted_patients(values, generator), *generator.permutation(unstated).tolist()]
        shards = [part.tolist() for part in np.array_split(order, self.clients * self.shards_per_client)]
        hands = generator.permutation(len(shards)).reshape(self.clients, self.shards_per_client)
        return [[patient for shard in hand for patient in shards[shard]] for hand in hands.tolist()]


def _sorted_patients(values: Mapping[str, float] | Mapping[str, str], generator: np.random.Generator) -> list[str]:
    """Sort patients by value; those of the same value, whose ids may tell when they came, in random order."""
    ids = sorted(values)
    shuffled: list[str] = generator.permutation(ids).tolist()
    return sorted(shuffled, key=lambda patient: values[patient])
