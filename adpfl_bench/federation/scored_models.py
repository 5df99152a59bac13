"""Scored models: whose model scores whose cases while rounds are validated, at the end, and in tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from adpfl_bench.errors import ConfigError

GLOBAL_MODEL = "global"
"""The model that all clients share, where models have names."""

Headline = Literal["global", "own", "everyone"]
"""``global``: each case by the global model. ``own``: each case by its own client's model, and the cases of clients
that were held out of training by every training client's. ``everyone``: each case by every training client's model."""

OwnModels = Literal["none", "own", "everyone"]
"""Which clients' own models score a case: none, its own client's (where that has none, all of them), or all."""


@dataclass(frozen=True)
class ModelScope:
    """The models that score a case.

    Attributes:
        of_all: Whether the global model does.
        own: Which clients' own models do.
    """

    of_all: bool = True
    own: OwnModels = "none"

    def pairs(self, clients: Sequence[str], trained: Sequence[str]) -> list[tuple[str, str]]:
        """Pair models with the clients whose cases they score, model after model, the global one first."""
        pairs = [(GLOBAL_MODEL, client) for client in clients if self.of_all]
        for model in trained:
            for client in clients:
                own = client == model or client not in trained
                if self.own == "everyone" or (self.own == "own" and own):
                    pairs.append((model, client))
        return pairs

    def predictors(self, clients: Sequence[str], trained: Sequence[str]) -> list[tuple[str, str]]:
        """Pair each client with the one model that segments its cases: its own where it has one, else the global one.

        Raises:
            ConfigError: There is neither a model of a client's own nor a global one.
        """
        if self.own == "none":
            return self.pairs(clients, trained)
        without = [client for client in clients if client not in trained]
        if without and not self.of_all:
            raise ConfigError(
                f"No single model segments the cases of {', '.join(without)}: held out, they have none of their own,"
                " and there is no global one. Predict with a method that trains one, or score them with adpfl-bench"
                " test."
            )
        own = ModelScope(False, "own").pairs([client for client in clients if client in trained], trained)
        return [*((GLOBAL_MODEL, client) for client in without), *own]


@dataclass(frozen=True)
class ScoredModels:
    """The models that score the cases of a run.

    Attributes:
        validation: Those of the validation cases.
        fine_tuned: Those of the validation cases once clients fine-tune, and after it.
        test: Those of the test cases.
        headline: The scores that tables judge the run by.
    """

    validation: ModelScope = ModelScope()
    fine_tuned: ModelScope = ModelScope()
    test: ModelScope = ModelScope()
    headline: Headline = "global"


def scored_models(personal: bool, shared: bool, local_parts: bool, fine_tuning: bool, cross: bool) -> ScoredModels:
    """Say which models score a federation's cases.

    Args:
        personal: Whether clients train models of their own.
        shared: Whether they train the global one.
        local_parts: Whether parameters or running statistics stay with their client.
        fine_tuning: Whether clients adapt the final global model to themselves.
        cross: Whether a client's own model is tested on everyone's cases too.
    """
    own = ModelScope(False, "own")
    tested = ModelScope(False, "everyone" if cross else "own")
    if not shared:
        return ScoredModels(own, own, tested, "everyone" if cross else "own")
    if local_parts:
        return ScoredModels(own, own, tested, "own")
    if personal or fine_tuning:
        return ScoredModels(own if personal else ModelScope(), own, ModelScope(True, tested.own), "own")
    return ScoredModels()


def counting_models(
    headline: Headline, client: str, held_out: Collection[str], trained: Collection[str]
) -> Collection[str]:
    """Say which models' scores of a client's cases count for a run."""
    if headline == "global":
        return {GLOBAL_MODEL}
    return trained if headline == "everyone" or client in held_out else {client}
