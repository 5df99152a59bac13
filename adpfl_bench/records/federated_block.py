"""The federated block of a run record."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal

from adpfl_bench.federation.aggregation_weights import WeightRule
from adpfl_bench.federation.round_schedule import Availability, RoundSchedule, Turn
from adpfl_bench.federation.scored_models import Headline
from adpfl_bench.records.block import Block, ObjectBlock


class WeightsBlock(Block):
    """Aggregation weights: how much each client update counts."""

    rule: WeightRule
    cap: int | None = None


class FederatedBlock(Block):
    """The federation: who took part in which round, and how client updates became the global model."""

    rounds: int
    seed: int | None = None
    participation: float | None = None
    clients_per_round: int | None = None
    local_epochs: int | None = None
    local_steps: int | None = None
    availability: Availability | None = None
    dropout: float | dict[str, float] | None = None
    straggling: float | dict[str, float] | None = None
    straggler_work: float | None = None
    turns: tuple[Turn, ...] | None = None
    fine_tuning_epochs: int | None = None
    total_rounds: int | None = None
    """The rounds, with that of fine-tuning if there is one."""
    client_method: ObjectBlock | None = None
    aggregator: ObjectBlock | None = None
    aggregation_weights: WeightsBlock | None = None
    client_optimizer: ObjectBlock | Literal["the task's"] | None = None
    server_optimizer: ObjectBlock | None = None
    client_optimizer_state: Literal["reset", "keep"] | None = None
    buffers: Literal["average", "local", "reset"] | None = None
    local_parameters: str | None = None
    """Regular expression for the names of parameters that stay with their client."""
    fine_tuning_rate: float | None = None
    pooled: bool = False
    held_out_clients: tuple[str, ...] = ()
    """Clients that took no part in training and are scored all the same."""
    headline: Headline = "global"
    """Which models' scores tables judge the run by."""

    @property
    def planned_rounds(self) -> int:
        """All rounds, with that of fine-tuning if the record states one."""
        return self.total_rounds or self.rounds

    def schedule(self, seed: int) -> RoundSchedule:
        """The schedule of the rounds; a setting that an older record lacks had its default."""
        names = {field.name for field in fields(RoundSchedule)} & self.model_fields_set
        stated = {name: getattr(self, name) for name in names if name != "seed"}
        return RoundSchedule(**stated, seed=seed)
