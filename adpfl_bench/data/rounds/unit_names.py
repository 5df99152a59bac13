"""Names of the units that train, which stay the same in whatever way the data are divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adpfl_bench.data.case import Client
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.round_schedule import POOLED_CLIENT
from adpfl_bench.privacy.ledger import PrivacyUnit


def unit_names(
    unit: PrivacyUnit, clients: Sequence[Client], plan: TrainingPlan, sizes: Mapping[str, int], example_is_patient: bool
) -> Mapping[str, tuple[str, ...]]:
    """Name the units of each client that trains here; an audit's canaries are nobody.

    A patient is named by its id, an example by its case or, where all cases of a patient make one example, by its
    patient, and a client by its own name.

    Args:
        unit: The privacy unit; not ``none``.
        clients: All clients, with their cases.
        plan: Who is held out or pooled, and the canaries.
        sizes: Number of units by client that trains, canaries included.
        example_is_patient: Whether all cases of a patient make one example.

    Raises:
        ConfigError: A client has other units than its cases make.
    """
    sizes = {name: size for name, size in sizes.items() if name not in plan.elsewhere}
    if unit == "client":
        return {name: (name,) for name in sizes}
    patients = unit == "patient" or example_is_patient
    names = {
        client.name: {case.patient_id if patients else case.case_id for case in client.train}
        for client in clients
        if client.name not in plan.held_out
    }
    if plan.pooled:
        names = {POOLED_CLIENT: set().union(*names.values())}
    for name, size in sizes.items():
        canaries = plan.canaries.count if plan.canaries is not None and plan.canaries.client == name else 0
        if len(names.get(name, ())) != size - canaries:
            raise ConfigError(
                f"An account has to know whose data every unit is, but client {name} trains on {size - canaries} units"
                f" and its training cases make {len(names.get(name, ()))}: leave out privacy.account, or choose another"
                " privacy.unit."
            )
    return {name: tuple(sorted(names[name])) for name in sizes}
