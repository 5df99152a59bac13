"""Partitions of a dataset into clients, by patient.

Every partition is by patient: the cases of one patient are never in two clients. The result depends on the cases and
the seed only, not on the order of the cases. :func:`~adpfl_bench.data.partitioning.split.make_clients` goes on
from here.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adpfl_bench.data.case import Case
from adpfl_bench.data.partitioning.partition_file import read_partition
from adpfl_bench.data.partitioning.patients import apportion, group_by_patient
from adpfl_bench.errors import ConfigError
from adpfl_bench.seeding import numpy_generator
from adpfl_bench.text import a_few, count

_log = logging.getLogger(__name__)

#: Client that holds the patients of sites too small to be clients of their own.
POOLED = "other"


class Partition(ABC):
    """A way to divide patients among clients."""

    @property
    def properties(self) -> tuple[str, ...]:
        """Properties of cases that are read from their metadata, so that what has to be measured for it is."""
        return ()

    @abstractmethod
    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Divide ``cases`` among clients by patient.

        Args:
            cases: All cases of the dataset, in any order.
            seed: Seed of the run.

        Returns:
            The cases of each client, sorted by case id; clients sorted by name.

        Raises:
            ConfigError: The dataset cannot be divided like this.
        """


@dataclass(frozen=True)
class NaturalPartition(Partition):
    """One client for each site that the dataset states.

    A patient whose cases come from several sites (nine lesions of HAM10000) belongs to the site with most of them,
    and to the first of these by name where that is a tie.

    Attributes:
        min_patients: Patients that each client holds at least. Smaller sites are pooled, smallest first, into one
            client ``other``, which takes in further sites while it is itself too small; no patient is dropped.
    """

    min_patients: int = 1

    def __post_init__(self) -> None:
        if self.min_patients < 0:
            raise ConfigError(f"min_patients of a partition must not be negative; found {self.min_patients}.")

    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Group patients by site; ``seed`` plays no part."""
        if siteless := sorted(case.case_id for case in cases if case.site is None):
            raise ConfigError(
                f"A natural partition needs the site of each case, but {count(siteless, 'case')} of {len(cases):,} "
                f"have none ({a_few(siteless)}); this dataset does not state it. Use an IID, Dirichlet, sizes or file "
                "partition instead."
            )
        patients = group_by_patient(cases)
        sites: dict[str, list[str]] = {}
        divided = 0
        for patient, theirs in patients.items():
            tally = Counter(str(case.site) for case in theirs)
            divided += len(tally) > 1
            sites.setdefault(min(tally, key=lambda site: (-tally[site], site)), []).append(patient)
        if divided:
            _log.info("%d of %d patients have cases from several sites; each is kept in one.", divided, len(patients))
        if len(patients) < self.min_patients:
            raise ConfigError(
                f"min_patients={self.min_patients} asks for more patients for each client than the dataset has, "
                f"{len(patients)}; lower it."
            )
        return collect_cases(patients, _pool_small_sites(sites, self.min_patients).items())


@dataclass(frozen=True)
class IIDPartition(Partition):
    """Clients of equal size (to within one patient) with patients drawn at random.

    Attributes:
        clients: Number of clients.
    """

    clients: int

    def __post_init__(self) -> None:
        check_positive("clients", self.clients)

    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Deal shuffled patients to ``client-1``, ``client-2``, ..."""
        return _divide_by_shares(cases, [1.0] * self.clients, 1, seed, "iid")


@dataclass(frozen=True)
class DirichletPartition(Partition):
    """Clients of unequal size with patients drawn at random (quantity skew).

    The clients' shares of the patients are drawn once from a symmetric Dirichlet distribution; what a client's
    patients look like does not depend on the client. See Li et al., "Federated learning on non-IID data silos: an
    experimental study" (ICDE 2022), section 4.3, where alpha is 0.5.

    Attributes:
        clients: Number of clients.
        alpha: Concentration; the smaller, the more unequal. 0.1 to 1 is usual, 100 is nearly equal.
        min_patients: Patients that each client holds at least, taken from the largest clients.
    """

    clients: int
    alpha: float
    min_patients: int = 1

    def __post_init__(self) -> None:
        check_positive("clients", self.clients)
        check_positive("alpha", self.alpha)
        check_positive("min_patients", self.min_patients)

    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Draw shares, then deal shuffled patients to ``client-1``, ``client-2``, ..."""
        generator = numpy_generator(seed, "partition", "dirichlet", "shares")
        shares = generator.dirichlet([self.alpha] * self.clients)
        return _divide_by_shares(cases, shares.tolist(), self.min_patients, seed, "dirichlet")


@dataclass(frozen=True)
class SizesPartition(Partition):
    """Clients of stated relative sizes with patients drawn at random.

    Attributes:
        sizes: Patients of each client. They are proportions: (380, 270, 190, 120) gives exactly these counts for
            960 patients, and counts in the same proportions (at least one) for any other number.
    """

    sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.sizes:
            raise ConfigError("sizes must name at least one client, e.g. [380, 270, 190, 120]; it is empty.")
        for size in self.sizes:
            check_positive("each of sizes", size)

    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Deal shuffled patients to ``client-1``, ``client-2``, ..."""
        return _divide_by_shares(cases, self.sizes, 1, seed, "sizes")


@dataclass(frozen=True)
class FilePartition(Partition):
    """Clients and splits as a partition file states them; see :mod:`adpfl_bench.data.partitioning.partition_file`.

    Attributes:
        path: The CSV file. Cases that it does not name are left out.
    """

    path: Path

    def assign(self, cases: Sequence[Case], seed: int) -> dict[str, list[Case]]:
        """Read the clients from the file; ``seed`` plays no part."""
        clients = read_partition(self.path, cases)
        return {client.name: sorted(client.cases, key=lambda case: case.case_id) for client in clients}


def _pool_small_sites(sites: dict[str, list[str]], min_patients: int) -> dict[str, list[str]]:
    pooled: list[str] = []
    kept: dict[str, list[str]] = {}
    for site in sorted(sites, key=lambda site: (len(sites[site]), site)):
        if len(sites[site]) < min_patients or 0 < len(pooled) < min_patients:
            pooled += sites[site]
        else:
            kept[site] = sites[site]
    if pooled:
        kept[POOLED] = kept.get(POOLED, []) + pooled
    return kept


def _divide_by_shares(
    cases: Sequence[Case], shares: Sequence[float], at_least: int, seed: int, purpose: str
) -> dict[str, list[Case]]:
    patients = group_by_patient(cases)
    check_room(len(patients), len(shares), at_least)
    ids = list(patients)
    shuffled = [ids[i] for i in numpy_generator(seed, "partition", purpose, "patients").permutation(len(ids))]
    members = []
    start = 0
    for name, size in zip(client_names(len(shares)), apportion(len(ids), shares, at_least), strict=True):
        members.append((name, shuffled[start : start + size]))
        start += size
    return collect_cases(patients, members)


def client_names(clients: int) -> list[str]:
    """Name made-up clients ``client-1``, ``client-2``, ..., with leading zeros so that they sort."""
    width = len(str(clients))
    return [f"client-{number:0{width}d}" for number in range(1, clients + 1)]


def check_room(patients: int, clients: int, at_least: int) -> None:
    """Refuse, by a ConfigError, more clients than there are patients for."""
    if patients < at_least * clients:
        raise ConfigError(
            f"{clients} clients of at least {at_least} patient(s) need {at_least * clients} patients, but the "
            f"dataset has {patients}; ask for fewer clients."
        )


def collect_cases(
    patients: dict[str, list[Case]], members: Iterable[tuple[str, Sequence[str]]]
) -> dict[str, list[Case]]:
    """Turn each client's patients into its cases, in canonical order."""
    return {
        client: sorted((case for patient in theirs for case in patients[patient]), key=lambda case: case.case_id)
        for client, theirs in sorted(members)
    }


def check_positive(name: str, value: float) -> None:
    """Refuse, by a ConfigError, a setting of a partition that is not a positive number."""
    if not (value > 0 and math.isfinite(value)):
        raise ConfigError(f"{name} of a partition must be a positive number; found {value}.")
