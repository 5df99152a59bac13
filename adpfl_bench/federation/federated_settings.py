"""Settings of a federation, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.errors import ConfigError, check_choice
from adpfl_bench.federation.aggregation import WeightedMean
from adpfl_bench.federation.aggregation_weights import AggregationWeights
from adpfl_bench.federation.aggregator import Aggregator
from adpfl_bench.federation.buffers import BufferPolicy, persistent_buffers
from adpfl_bench.federation.client_methods import ClientMethod
from adpfl_bench.federation.client_optimizer import OptimizerStatePolicy
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.scored_models import ScoredModels, scored_models
from adpfl_bench.federation.server import ServerOptimizer

ClientOptimizer = Callable[[Iterable[Tensor]], Optimizer]


@dataclass(frozen=True)
class FederatedSettings:
    """The parts of a federation.

    Attributes:
        schedule: Who takes part in which round, and for how long.
        client_method: What clients do beside plain local steps.
        client_optimizer: Makes the clients' local optimizer, in place of the task's.
        server_optimizer: Makes the server optimizer.
        client_optimizer_state: What happens to the local optimizer's state between a client's turns.
        buffers: What happens to running statistics.
        aggregator: Makes one delta of the participants'.
        aggregation_weights: The participants' weights.
        local_parameters: Regular expression of parameters, by name, that stay with their client.
        fine_tuning_rate: Learning rate of the fine-tuning round, as a share of the first round's.
        pooled: Whether all clients' examples are trained on together, as one client's.
        held_out_clients: Clients that never train.
        cross_scores: Whether every client's own model is tested on everyone's cases.

    Raises:
        ConfigError: A value is out of range, or two settings do not go together.
    """

    schedule: RoundSchedule
    client_method: ClientMethod
    client_optimizer: ClientOptimizer | None
    server_optimizer: ServerOptimizer
    client_optimizer_state: OptimizerStatePolicy
    buffers: BufferPolicy
    aggregator: Aggregator
    aggregation_weights: AggregationWeights
    local_parameters: str | None
    fine_tuning_rate: float
    pooled: bool
    held_out_clients: tuple[str, ...]
    cross_scores: bool

    def __post_init__(self) -> None:
        check_choice("federated.client_optimizer_state", self.client_optimizer_state, get_args(OptimizerStatePolicy))
        check_choice("federated.buffers", self.buffers, get_args(BufferPolicy))
        method = type(self.client_method).__name__
        if not 0 < self.fine_tuning_rate < float("inf"):
            raise ConfigError(
                "federated.fine_tuning_rate is a share of the first learning rate and must be greater than 0, but it is"
                f" {self.fine_tuning_rate}."
            )
        if "personal" in self.schedule.turns:
            extra = {
                "federated.local_parameters": self.local_parameters is not None,
                "federated.fine_tuning_epochs": self.schedule.fine_tuning_epochs > 0,
            }
            for name, given in extra.items():
                if given:
                    raise ConfigError(
                        f"{method} trains a whole model for each client, and {name} would make another one: leave one"
                        " out."
                    )
        if self.pooled:
            self._check_pooled(method)

    def _check_pooled(self, method: str) -> None:
        schedule = self.schedule
        senseless = {
            f"federated.client_method {method}": type(self.client_method) is not ClientMethod,
            f"federated.aggregator {type(self.aggregator).__name__}": type(self.aggregator) is not WeightedMean,
            "federated.local_parameters": self.local_parameters is not None,
            "federated.buffers local": self.buffers == "local",
            "federated.fine_tuning_epochs": schedule.fine_tuning_epochs > 0,
            "federated.participation": schedule.participation < 1,
            "federated.clients_per_round": schedule.clients_per_round is not None,
            "federated.dropout": bool(schedule.dropout),
            "federated.straggling": bool(schedule.straggling),
        }
        for name, given in senseless.items():
            if given:
                raise ConfigError(
                    f"{name} makes no sense with federated.pooled: pooled training has all examples in one place, and"
                    " no clients. Leave one out."
                )

    def check_participants(self, clients: Sequence[str]) -> None:
        """Refuse, by a ConfigError, rounds with fewer participants than the aggregator needs."""
        if "shared" in self.schedule.turns:
            for round_index in range(self.schedule.rounds):
                self.aggregator.check_participants(len(self.schedule.participants(round_index, clients)))

    def scored_models(self, module: nn.Module) -> ScoredModels:
        """Return the models that score a run's cases."""
        return scored_models(
            personal="personal" in self.schedule.turns,
            shared="shared" in self.schedule.turns,
            local_parts=self.local_parameters is not None
            or (self.buffers == "local" and bool(persistent_buffers(module))),
            fine_tuning=self.schedule.fine_tuning_epochs > 0,
            cross=self.cross_scores,
        )
