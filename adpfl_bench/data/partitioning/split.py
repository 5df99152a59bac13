"""Split of each client's patients into training, validation and test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.partitioning.partition import FilePartition, Partition
from adpfl_bench.data.partitioning.partition_file import read_partition
from adpfl_bench.data.partitioning.patients import apportion, group_by_patient
from adpfl_bench.errors import ConfigError
from adpfl_bench.seeding import numpy_generator


@dataclass(frozen=True)
class Split:
    """Fractions of each client's patients that are kept for validation and test; the rest trains.

    Attributes:
        validation: Fraction of the patients, in [0, 1).
        test: Fraction of the patients, in [0, 1).
    """

    validation: float = 0.1
    test: float = 0.2

    def __post_init__(self) -> None:
        for name, fraction in (("validation", self.validation), ("test", self.test)):
            if not 0 <= fraction < 1:
                raise ConfigError(f"The {name} fraction of a split must be in [0, 1); found {fraction}.")
        if self.validation + self.test >= 1:
            raise ConfigError(
                f"The validation and test fractions of a split must leave patients to train on; found "
                f"{self.validation} + {self.test} >= 1."
            )

    def divide(self, name: str, cases: Sequence[Case], seed: int) -> Client:
        """Split one client's cases by patient; each split is sorted by case id.

        The choice depends on the client's name, its cases and the seed, not on other clients or on any order. A
        client with at least as many patients as there are splits has a patient in each; with fewer, training comes
        first, then test, then validation.
        """
        patients = group_by_patient(cases)
        ids = list(patients)
        shuffled = [ids[i] for i in numpy_generator(seed, "partition", "split", name).permutation(len(ids))]
        train, test, _ = self._sizes(len(ids))

        def collect(members: list[str]) -> tuple[Case, ...]:
            return tuple(sorted((case for id_ in members for case in patients[id_]), key=lambda case: case.case_id))

        return Client(
            name=name,
            train=collect(shuffled[:train]),
            validation=collect(shuffled[train + test :]),
            test=collect(shuffled[train : train + test]),
        )

    def divide_as_stated(self, name: str, cases: Sequence[Case], stated: Collection[str], seed: int) -> Client:
        """Split one client's cases, each with its split, as the dataset states it.

        Patients that train are divided further where no case of the dataset is in a split: it is then drawn from them
        by its fraction.

        Args:
            name: The client.
            cases: Its cases.
            stated: The splits that cases of the dataset are in.
            seed: Seed of what is drawn.
        """
        drawn = Split(0.0 if "validation" in stated else self.validation, 0.0 if "test" in stated else self.test)
        own = drawn.divide(name, [case for case in cases if case.split == "train"], seed)
        validation, test = (
            tuple(sorted((case for case in cases if case.split == split), key=lambda case: case.case_id))
            for split in ("validation", "test")
        )
        return Client(name, own.train, own.validation + validation, own.test + test)

    def _sizes(self, patients: int) -> tuple[int, int, int]:
        """Count the patients for training, test and validation."""
        shares = (1.0 - self.validation - self.test, self.test, self.validation)
        wanted = [i for i, share in enumerate(shares) if share > 0]
        sizes = [0, 0, 0]
        if patients < len(wanted):
            counts = [1] * patients + [0] * (len(wanted) - patients)
        else:
            counts = apportion(patients, [shares[i] for i in wanted], at_least=1)
        for i, number in zip(wanted, counts, strict=True):
            sizes[i] = number
        return sizes[0], sizes[1], sizes[2]


def make_clients(cases: Sequence[Case], partition: Partition, split: Split, seed: int) -> tuple[Client, ...]:
    """Divide a dataset into clients with training, validation and test cases.

    Args:
        cases: All cases of the dataset, in any order.
        partition: Who holds which patients.
        split: Fractions for validation and test, of each client's patients. A :class:`FilePartition` states the
            splits itself; ``split`` and ``seed`` then play no part. Splits that the dataset states stand.
        seed: Seed of the run.

    Returns:
        The clients, sorted by name.

    Raises:
        ConfigError: There are no cases, the partition does not fit the dataset, or a client has nothing to train on.
        DataError: A partition file is wrong.
    """
    if not cases:
        raise ConfigError("There are no cases to divide among clients; check the folder of the dataset.")
    if isinstance(partition, FilePartition):
        clients = read_partition(partition.path, cases)
    else:
        assigned = partition.assign(cases, seed)
        stated = {case.split for case in cases if case.split is not None}
        clients = tuple(
            split.divide_as_stated(name, theirs, stated, seed) if stated else split.divide(name, theirs, seed)
            for name, theirs in sorted(assigned.items())
        )
    for client in clients:
        if not client.train:
            raise ConfigError(
                f"The client {client.name} has no training cases (validation {len(client.validation)}, test "
                f"{len(client.test)}); give it more patients, merge it with another client, or leave it out."
            )
    return clients
