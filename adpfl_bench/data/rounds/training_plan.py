"""Training plan: what a datamodule has to know of a run's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.fixed_places import FixedPlaces
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.scored_models import ScoredModels
from adpfl_bench.seeding import Draws


class ClientCounts(NamedTuple):
    """What is known of a client that trains elsewhere.

    Attributes:
        examples: Number of its training examples.
        units: Number of units that they make.
    """

    examples: int
    units: int


@dataclass(frozen=True)
class TrainingPlan:
    """Plan of who trains when and on what, and whose models score; FederatedLoop hands it to the datamodule once.

    Attributes:
        schedule: Who takes part in which round; without one nothing can be trained.
        pooled: Whether all training examples become those of one client,
            :data:`~adpfl_bench.federation.round_schedule.POOLED_CLIENT`. Validation and test cases stay with their
            clients.
        held_out: Clients that neither train nor validate; their test cases are scored like everybody's.
        models: Which models score the cases.
        by_patient: Whether all examples of a patient come together, and steps are counted in patients.
        poisson: Whether units are drawn independently for every step.
        places: Where clients are in their fixed orders of batches; ``None`` where batches are drawn anew.
        units_per_step: Units per step (expected units, where they are drawn) in place of the batch size.
        canaries: Canaries that join a client's training examples, for an audit.
        draws: Where the chance of training comes from; by default the schedule's seed.
        views: How often each example is in its step, augmented in another way each time.
        elsewhere: Clients of the federation that train in other places.
        only_round: The one round, counted from 0, that clients train in here where others are elsewhere.
    """

    schedule: RoundSchedule | None = None
    pooled: bool = False
    held_out: tuple[str, ...] = ()
    models: ScoredModels = field(default_factory=ScoredModels)
    by_patient: bool = False
    poisson: bool = False
    places: FixedPlaces | None = None
    units_per_step: int | None = None
    canaries: Canaries | None = None
    draws: Draws | None = None
    views: int = 1
    elsewhere: Mapping[str, ClientCounts] = field(default_factory=dict)
    only_round: int | None = None
