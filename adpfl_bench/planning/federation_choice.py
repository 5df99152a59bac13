"""Federation choice: who holds which patients, and what the smallest of them trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.partitioning.partition import IIDPartition, NaturalPartition
from adpfl_bench.data.partitioning.patients import group_by_patient
from adpfl_bench.data.partitioning.split import Split, make_clients
from adpfl_bench.errors import DataError
from adpfl_bench.text import count

SPLIT = Split(validation=0.1, test=0.2)
"""Shares of each client's patients, where the data state no splits."""

_EACH = 3  # patients that a client has at least: one to train on, one to validate by, one to test
_CLIENTS = 4


class FederationChoice(NamedTuple):
    """Who the clients are.

    Attributes:
        partition: The partition, as a task file has it.
        clients: Number of clients.
        smallest: Training examples of the smallest of them.
        reason: What the choice stands on, a sentence without a full stop.
    """

    partition: Mapping[str, Any]
    clients: int
    smallest: int
    reason: str


def choose_federation(cases: Sequence[Case], by_patient: bool) -> FederationChoice:
    """Make clients of the sites that the data state, and else four of equal size, or as many as there is room for.

    Args:
        cases: The cases.
        by_patient: Whether a training example is a patient, as of volumes, and not a case.

    Raises:
        DataError: There are too few patients to train, validate and test.
    """
    patients = len(group_by_patient(cases))
    if patients < _EACH:
        raise DataError(
            f"There are {count(cases, 'case')} of {count(patients, 'patient')} that can be read; a plan needs at least"
            f" {_EACH}, to train, validate and test."
        )
    sites = {case.site for case in cases}
    if None not in sites and len(sites) > 1:
        partition, clients = _by_site(cases)
        reason = f"the data state {count(len(sites), 'site')}"
        if partition.min_patients > 1:
            reason += f"; those of fewer than {partition.min_patients} patients become one"
        arguments, name = {"min_patients": partition.min_patients}, "NaturalPartition"
    else:
        arguments, name = {"clients": min(_CLIENTS, patients // _EACH)}, "IIDPartition"
        clients = make_clients(cases, IIDPartition(**arguments), SPLIT, 0)
        stated = "only one site" if None not in sites else "no site of every case"
        reason = f"the data state {stated}, so patients are dealt out at random"
    train = [len(group_by_patient(client.train) if by_patient else client.train) for client in clients]
    described = {"class_path": f"adpfl_bench.{name}", "init_args": arguments}
    return FederationChoice(described, len(clients), min(train), reason)


def _by_site(cases: Sequence[Case]) -> tuple[NaturalPartition, Sequence[Client]]:
    """A client for each site, small ones together as long as that leaves two."""
    for least in range(_EACH, 0, -1):
        partition = NaturalPartition(least)
        clients = make_clients(cases, partition, SPLIT, 0)
        if len(clients) > 1:
            break
    return partition, clients
