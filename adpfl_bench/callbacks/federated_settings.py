"""What a federation is made of: the ``federated`` block of a configuration."""

from __future__ import annotations

from typing import get_args

import torch
from lightning.pytorch.cli import OptimizerCallable

from adpfl_bench.callbacks.federation_checks import check_federation
from adpfl_bench.callbacks.scored_models import ScoredModels
from adpfl_bench.callbacks.trainer_checks import check_choice
from adpfl_bench.federation.aggregation import AggregationWeights, Aggregator, WeightedMean
from adpfl_bench.federation.aggregation_weights import WeightRule
from adpfl_bench.federation.buffers import BufferPolicy
from adpfl_bench.federation.client_methods import ClientMethod
from adpfl_bench.federation.client_optimizer import OptimizerStatePolicy
from adpfl_bench.federation.round_schedule import Availability, RoundSchedule


class FederatedSettings(ScoredModels):
    """The settings of a :class:`~adpfl_bench.callbacks.federated_loop.FederatedLoop`, checked.

    Args:
        rounds: Number of federated rounds.
        participation: Fraction of the clients that take part in a round, in (0, 1].
        clients_per_round: Number of participants instead of a fraction.
        local_epochs: Passes over its training records that a participant makes in a turn.
        local_steps: Optimizer steps of a participant in a turn, instead of whole passes.
        client_optimizer: The clients' local optimizer, in place of the task's. Its schedule stays the task's.
        server_optimizer: Steps the global weights on the pseudo-gradient; ``SGD(lr=1)`` is FedAvg. Others are in
            :mod:`adpfl_bench.federation.server_optimizers`.
        client_optimizer_state: ``reset`` clears the local optimizer's state for each turn of a client, ``keep`` gives
            each client its own back.
        buffers: What happens to running statistics, if the network has any; see
            :class:`~adpfl_bench.federation.buffers.FederatedBuffers`.
        seed: Seed of everything random in the federation; the command line links it to ``seed_everything``.
        client_method: What clients do beside plain local steps: FedProx, Scaffold, Ditto or LocalTraining of
            :mod:`adpfl_bench.federation.client_methods`.
        aggregator: Makes one delta of the participants'; the weighted mean by default.
        aggregation_weights: The participants' weights: ``cases`` (numbers of training records), ``uniform``, or
            ``capped`` (numbers of training records up to ``weight_cap``). They are public.
        weight_cap: As above.
        local_parameters: Regular expression of parameters, by name, that stay with their client.
        fine_tuning_epochs: Passes that every client makes, from the final weights and in one further round, to adapt
            them to itself.
        fine_tuning_rate: Learning rate of that round, as a share of the first round's.
        pooled: Train on all clients' records together, as one client: the centralised reference.
        held_out_clients: Clients that never train; their test cases are scored as an unseen hospital's.
        availability: ``uniform`` or ``cyclic`` participation; see
            :class:`~adpfl_bench.federation.round_schedule.RoundSchedule`.
        dropout: Probability that a drawn client fails in a round, of all or by client.
        straggling: Probability that a participant is slow in a round, of all or by client.
        straggler_work: Share of its local steps that a slow participant makes.
        cross_scores: Score every client's own model on everyone's test cases, and not only on its own.

    Raises:
        ConfigError: A value is out of range, or two settings do not go together.
    """

    def __init__(
        self,
        rounds: int = 25,
        participation: float = 1.0,
        clients_per_round: int | None = None,
        local_epochs: int = 1,
        local_steps: int | None = None,
        client_optimizer: OptimizerCallable | None = None,
        server_optimizer: OptimizerCallable = lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        client_optimizer_state: OptimizerStatePolicy = "reset",
        buffers: BufferPolicy = "average",
        seed: int = 0,
        client_method: ClientMethod | None = None,
        aggregator: Aggregator | None = None,
        aggregation_weights: WeightRule = "cases",
        weight_cap: int | None = None,
        local_parameters: str | None = None,
        fine_tuning_epochs: int = 0,
        fine_tuning_rate: float = 0.1,
        pooled: bool = False,
        held_out_clients: list[str] | None = None,
        availability: Availability = "uniform",
        dropout: float | dict[str, float] = 0.0,
        straggling: float | dict[str, float] = 0.0,
        straggler_work: float = 0.5,
        cross_scores: bool = True,
    ) -> None:
        check_choice("federated.client_optimizer_state", client_optimizer_state, get_args(OptimizerStatePolicy))
        check_choice("federated.buffers", buffers, get_args(BufferPolicy))
        self.client_method = client_method or ClientMethod()
        self.schedule = RoundSchedule(
            rounds,
            seed,
            participation,
            clients_per_round,
            local_epochs,
            local_steps,
            availability=availability,
            dropout=dropout,
            straggling=straggling,
            straggler_work=straggler_work,
            turns=self.client_method.turns,
            fine_tuning_epochs=fine_tuning_epochs,
        )
        self.client_optimizer = client_optimizer
        self.server_optimizer = server_optimizer
        self.client_optimizer_state: OptimizerStatePolicy = client_optimizer_state
        self.buffer_policy: BufferPolicy = buffers
        self.aggregator = aggregator or WeightedMean()
        self.aggregation_weights = AggregationWeights(aggregation_weights, weight_cap)
        self.local_parameters = local_parameters
        self.fine_tuning_rate = fine_tuning_rate
        self.pooled = pooled
        self.held_out_clients = list(held_out_clients or ())
        self.cross_scores = cross_scores
        check_federation(self)
