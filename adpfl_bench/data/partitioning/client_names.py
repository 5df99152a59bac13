"""Names of clients, patients and cases that records and tables can state without being taken for something else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from adpfl_bench.data.case import Client
from adpfl_bench.errors import DataError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT
from adpfl_bench.federation.scored_models import GLOBAL_MODEL
from adpfl_bench.records.round_metrics import ALL_CLIENTS
from adpfl_bench.text import name_problem

RESERVED: Mapping[str, str] = MappingProxyType(
    {
        ALL_CLIENTS: "all clients together in rounds.csv",
        GLOBAL_MODEL: "the model that all clients share in cases.csv",
        POOLED_CLIENT: "the one client of a run on pooled data",
    }
)
"""Words of the records that no client may be called by, and what they stand for."""


def check_names(clients: Iterable[Client]) -> None:
    """Refuse names that would mean something else in records, or that tables cannot state.

    Raises:
        DataError: A client has a name of :data:`RESERVED`, or none; a name of a client, patient or case contains a
            control character or is too long.
    """
    for client in clients:
        if client.name in RESERVED:
            raise DataError(
                f"A client cannot be called {client.name}, which stands for {RESERVED[client.name]}; rename the site,"
                " or the client in the partition file."
            )
        names = {client.name: "client"}
        for case in client.cases:
            names |= {case.patient_id: "patient", case.case_id: "case"}
        for name, what in names.items():
            if problem := name_problem(name):
                raise DataError(f"The {what} {name[:80]!r} has a name that {problem}; rename it.")
