"""What a run states of its privacy: the guarantee in its record, and the line at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.privacy.accounting import Accounted, group_epsilon
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.records.blocks import AccountedBlock
from adpfl_bench.records.protected import Protected, protected

SEEDED_NOISE = "noise from the seed: whoever knows it can take it off (privacy.secure: true for a model that leaves)"
SECRET_NOISE = "noise from the operating system"


@dataclass(frozen=True)
class ProtectedUnits:
    """What a run's units are, as its dataset states them.

    Attributes:
        word: The dataset's word for a unit; ``None`` without privacy.
        counted: The word for what numbers of units count: the units, or the examples of a batch or a client.
        per_person: By client the largest number of units that one person has; ``None`` where that is not known.
    """

    word: Protected | None
    counted: str = "record"
    per_person: Mapping[str, int] | None = None

    @classmethod
    def of(cls, unit: PrivacyUnit, datamodule: FederatedDataModule | None = None) -> ProtectedUnits:
        """Ask a datamodule that knows who trains on what; without one the words are those of the settings."""
        if datamodule is None:
            return cls(protected(unit, "record", "patient id"))
        example, patient_id = datamodule.example_is, datamodule.patient_id_is
        counted = patient_id if unit == "patient" else example
        return cls(protected(unit, example, patient_id), counted, datamodule.units_per_person(unit))

    @property
    def most_per_person(self) -> int | None:
        """The largest number of units that one person has at any client."""
        return None if self.per_person is None else max(self.per_person.values(), default=1)

    def group_epsilon(self, accounted: Accounted, books: PrivacyBooks, unit: PrivacyUnit) -> float | None:
        """Return what the person with most units gets, the largest over clients; ``None`` where it is not known.

        Where a run before this one divided the same data in another way, a person may have had more units in it.
        """
        if self.per_person is None or accounted.epsilon is None:
            return None
        sizes, released = self.per_person, books.events()
        if unit in ("record", "batch") and not {*released, *books.inherited.by_client} <= set(sizes):
            return None
        found = (
            group_epsilon(events, accounted.delta, sizes.get(client, 1), unit) for client, events in released.items()
        )
        return max(found, default=0.0)


def accounted_block(accounted: Accounted, group: float | None) -> AccountedBlock:
    """Return the guarantee as a record states it."""
    return AccountedBlock(
        epsilon=accounted.epsilon,
        delta=accounted.delta,
        reason=accounted.reason,
        accountant=accounted.accountant,
        by_client=dict(accounted.by_client),
        group_epsilon=group,
        not_covered=accounted.not_covered,
        claimed=accounted.claimed,
    )
