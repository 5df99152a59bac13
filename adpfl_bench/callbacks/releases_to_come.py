"""What a run is going to release, client by client, as an account is asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.federation.round_schedule import RoundSchedule, Visit
from adpfl_bench.privacy.account.account_entries import Releases
from adpfl_bench.privacy.release_plan import ReleasePlan


@dataclass(frozen=True)
class PlannedReleases:
    """What a run is going to release, and of whose data.

    Attributes:
        plan: What each turn of a client releases.
        noise_multiplier: z.
        schedule: Who takes part in which round.
        sizes: Number of units by client.
        names: Their names, by client that trains here; only what these release is planned.
        protects: The dataset's word for one.
        kind: Kind of the data.
    """

    plan: ReleasePlan
    noise_multiplier: float
    schedule: RoundSchedule
    sizes: Mapping[str, int]
    names: Mapping[str, tuple[str, ...]]
    protects: str
    kind: str

    @classmethod
    def of(
        cls,
        plan: ReleasePlan,
        noise_multiplier: float,
        schedule: RoundSchedule,
        datamodule: FederatedDataModule,
        protects: str,
    ) -> PlannedReleases:
        """Ask a datamodule that knows who trains on what.

        Raises:
            ConfigError: It cannot name the units.
        """
        sizes, names, kind = datamodule.unit_sizes, datamodule.unit_names(plan.unit), datamodule.describe().kind
        return cls(plan, noise_multiplier, schedule, sizes, names, protects, kind)

    def between(self, completed: int, rounds: int) -> Releases:
        """Return what is released after some rounds until a run of so many ends, fine-tuning included."""
        schedule, visits = replace(self.schedule, rounds=rounds), dict[Visit, int]()
        for index in range(completed, schedule.total_rounds):
            for visit in schedule.visits(index, list(self.sizes)):
                if visit.client in self.names:
                    visits[visit] = visits.get(visit, 0) + 1
        return self.plan.events(self.noise_multiplier, self.sizes, visits)
