"""What a federation refuses before it starts, a sentence each, and what its record says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from torch import nn

from adpfl_bench.callbacks.scored_models import Scopes
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.aggregation import WeightedMean
from adpfl_bench.federation.buffers import persistent_buffers
from adpfl_bench.federation.client_methods import ClientMethod
from adpfl_bench.federation.server import describe_optimizer
from adpfl_bench.records.block import ObjectBlock
from adpfl_bench.records.federated_block import FederatedBlock, WeightsBlock

if TYPE_CHECKING:
    from adpfl_bench.callbacks.federated_settings import FederatedSettings


def check_federation(loop: FederatedSettings) -> None:
    """Refuse settings of a federation that do not go together.

    Raises:
        ConfigError: The first pair found.
    """
    method = type(loop.client_method).__name__
    if not 0 < loop.fine_tuning_rate < float("inf"):
        raise ConfigError(
            "federated.fine_tuning_rate is a share of the first learning rate and must be greater than 0, but it is"
            f" {loop.fine_tuning_rate}."
        )
    if "personal" in loop.schedule.turns:
        extra = {
            "federated.local_parameters": loop.local_parameters is not None,
            "federated.fine_tuning_epochs": loop.schedule.fine_tuning_epochs > 0,
        }
        for name, given in extra.items():
            if given:
                raise ConfigError(
                    f"{method} trains a whole model for each client, and {name} would make another one: leave one out."
                )
    if loop.pooled:
        _check_pooled(loop, method)


def _check_pooled(loop: FederatedSettings, method: str) -> None:
    schedule = loop.schedule
    senseless = {
        f"federated.client_method {method}": type(loop.client_method) is not ClientMethod,
        f"federated.aggregator {type(loop.aggregator).__name__}": type(loop.aggregator) is not WeightedMean,
        "federated.local_parameters": loop.local_parameters is not None,
        "federated.buffers local": loop.buffer_policy == "local",
        "federated.fine_tuning_epochs": schedule.fine_tuning_epochs > 0,
        "federated.participation": schedule.participation < 1,
        "federated.clients_per_round": schedule.clients_per_round is not None,
        "federated.dropout": bool(schedule.dropout),
        "federated.straggling": bool(schedule.straggling),
    }
    for name, given in senseless.items():
        if given:
            raise ConfigError(
                f"{name} makes no sense with federated.pooled: pooled training has all records in one place, and no"
                " clients. Leave one out."
            )


def check_participants(loop: FederatedSettings, clients: Sequence[str]) -> None:
    """Refuse rounds with fewer participants than the aggregator needs.

    Raises:
        ConfigError: As above.
    """
    if "shared" in loop.schedule.turns:
        for round_index in range(loop.schedule.rounds):
            loop.aggregator.check_participants(len(loop.schedule.participants(round_index, clients)))


def model_scopes(loop: FederatedSettings, module: nn.Module, fine_tuned: bool) -> Scopes:
    """Which models score a run's cases.

    Args:
        loop: The federation.
        module: The network.
        fine_tuned: Whether the fine-tuning round is under way or over.
    """
    turns = loop.schedule.turns
    if turns == ("personal",):
        return Scopes("own", "everyone", "everyone") if loop.cross_scores else Scopes("own", "own", "own")
    if loop.local_parameters is not None or (loop.buffer_policy == "local" and persistent_buffers(module)):
        return Scopes("own", "everyone" if loop.cross_scores else "own", "own")
    if "personal" in turns or loop.schedule.fine_tuning_epochs:
        ready = "personal" in turns or fine_tuned
        return Scopes(
            "own" if ready else "global", "global and everyone" if loop.cross_scores else "global and own", "own"
        )
    return Scopes("global", "global", "global")


def describe_federation(loop: FederatedSettings, module: nn.Module) -> FederatedBlock:
    """The federated block of a run record."""
    method = loop.client_method
    optimizer = loop.client_optimizer
    return FederatedBlock(
        **asdict(loop.schedule),
        total_rounds=loop.schedule.total_rounds,
        client_method=ObjectBlock.of({"class": type(method).__name__, **method.describe()}),
        aggregator=ObjectBlock.of(loop.aggregator.describe()),
        aggregation_weights=WeightsBlock(**asdict(loop.aggregation_weights)),
        client_optimizer=ObjectBlock.of(describe_optimizer(optimizer)) if optimizer else "the task's",
        server_optimizer=ObjectBlock.of(describe_optimizer(loop.server_optimizer)),
        client_optimizer_state=loop.client_optimizer_state,
        buffers=loop.buffer_policy,
        local_parameters=loop.local_parameters,
        fine_tuning_rate=loop.fine_tuning_rate,
        pooled=loop.pooled,
        held_out_clients=tuple(loop.held_out_clients),
        headline=model_scopes(loop, module, fine_tuned=True).headline,
    )
