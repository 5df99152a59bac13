"""The federation's description in a run record."""

from __future__ import annotations

from dataclasses import asdict

from torch import nn

from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.server import describe_optimizer
from adpfl_bench.records.blocks import FederatedBlock, ObjectBlock, WeightsBlock


def describe_federation(settings: FederatedSettings, module: nn.Module) -> FederatedBlock:
    """Return the federated block of a run record."""
    method = settings.client_method
    optimizer = settings.client_optimizer
    return FederatedBlock(
        **asdict(settings.schedule),
        total_rounds=settings.schedule.total_rounds,
        client_method=ObjectBlock.of({"class": type(method).__name__, **method.describe()}),
        aggregator=ObjectBlock.of(settings.aggregator.describe()),
        aggregation_weights=WeightsBlock(**asdict(settings.aggregation_weights)),
        client_optimizer=ObjectBlock.of(describe_optimizer(optimizer)) if optimizer else "the task's",
        server_optimizer=ObjectBlock.of(describe_optimizer(settings.server_optimizer)),
        client_optimizer_state=settings.client_optimizer_state,
        buffers=settings.buffers,
        local_parameters=settings.local_parameters,
        fine_tuning_rate=settings.fine_tuning_rate,
        pooled=settings.pooled,
        held_out_clients=settings.held_out_clients,
        headline=settings.scored_models(module).headline,
    )
