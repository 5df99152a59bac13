"""Which models score whose cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.evaluation.evaluation_loader import EvaluationCases, EvaluationLoader, ModelScope, SplitName
from adpfl_bench.data.rounds.training_set import TrainingSet
from adpfl_bench.errors import ConfigError
from adpfl_bench.records.case_score import GLOBAL_MODEL


class EvaluationSet:
    """The loaders of validation and test cases, made when first asked for.

    Attributes:
        scopes: Which models score the cases of a split; see :func:`pair_models`.

    Args:
        bring: Brings a case, with its label on the grid of its own file or on the network's.
        batch_size: Cases per batch.
        num_workers: Worker processes.
    """

    def __init__(self, bring: Callable[[Case, bool], EvaluationCase], batch_size: int, num_workers: int) -> None:
        self.scopes: dict[SplitName, ModelScope] = {"validation": "global", "test": "global"}
        self._bring = bring
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._loaders: dict[tuple[Any, ...], EvaluationLoader] = {}

    def loader(
        self, clients: Sequence[Client], training: TrainingSet, split: SplitName, native: bool, once: bool = False
    ) -> EvaluationLoader:
        """Bring the cases of a split.

        Args:
            clients: Who holds the cases.
            training: Which clients train, and so have models. Who is held out does not validate.
            split: Which cases.
            native: Whether labels are on the grid of their own files.
            once: Whether each case comes for one model only; see :func:`pair_predictors`.

        Raises:
            ConfigError: There are no such cases, or no model for them.
        """
        away = training.held_out if split == "validation" else ()
        scored = [client for client in clients if client.name not in away]
        pairs = (pair_predictors if once else pair_models)(self.scopes[split], scored, list(training.examples))
        key = (split, native, *((model, client.name) for model, client in pairs))
        if key not in self._loaders:
            dataset = EvaluationCases(self._bring, pairs, split, native)
            if len(dataset) == 0:
                raise ConfigError(f"There are no {split} cases; give data.{split}_fraction a value above 0.")
            self._loaders[key] = EvaluationLoader(dataset, self._batch_size, self._num_workers)
        return self._loaders[key]


def pair_models(scope: ModelScope, clients: Sequence[Client], trained: Sequence[str]) -> list[tuple[str, Client]]:
    """Say which models score whose cases, model after model.

    Args:
        scope: ``global``: every case once, by the global model. ``own``: every case by its own client's model, cases of
            a client that has none (it is held out) by everyone's. ``everyone``: every case by every client's model. Of
            two, the global model comes first.
        clients: Whose cases are scored.
        trained: The clients that train, and so have models.

    Returns:
        Pairs of a model, :data:`~adpfl_bench.records.case_score.GLOBAL_MODEL` or a client's name, and a client.
    """
    scopes = scope.split(" and ")
    pairs = [(GLOBAL_MODEL, client) for client in clients if "global" in scopes]
    for model in trained:
        for client in clients:
            own = client.name == model or client.name not in trained
            if "everyone" in scopes or ("own" in scopes and own):
                pairs.append((model, client))
    return pairs


def pair_predictors(scope: ModelScope, clients: Sequence[Client], trained: Sequence[str]) -> list[tuple[str, Client]]:
    """Say which one model segments each client's cases: its own where clients have models, else the global one.

    Args:
        scope: The models that there are, as of :func:`pair_models`.
        clients: Whose cases are segmented.
        trained: The clients that train.

    Raises:
        ConfigError: There is neither a model of a client's own nor a global one.
    """
    if scope == "global":
        return pair_models(scope, clients, trained)
    without = [client for client in clients if client.name not in trained]
    if without and not scope.startswith("global"):
        raise ConfigError(
            f"No single model segments the cases of {', '.join(client.name for client in without)}: held out, they have"
            " none of their own, and there is no global one. Predict with a method that trains one, or score them with"
            " adpfl-bench test."
        )
    own = pair_models("own", [client for client in clients if client.name in trained], trained)
    return [*((GLOBAL_MODEL, client) for client in without), *own]
