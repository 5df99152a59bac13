"""The loaders of validation and test cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.evaluation.evaluation_loader import EvaluationCases, EvaluationLoader, SplitName
from adpfl_bench.errors import ConfigError


class EvaluationSet:
    """The loaders of validation and test cases, made when first asked for.

    Args:
        bring: Brings a case, with its label on the grid of its own file or on the network's.
        batch_size: Cases per batch.
        num_workers: Worker processes.
    """

    def __init__(self, bring: Callable[[Case, bool], EvaluationCase], batch_size: int, num_workers: int) -> None:
        self._bring = bring
        self._batch_size = batch_size
        self._num_workers = num_workers
        self._loaders: dict[tuple[Any, ...], EvaluationLoader] = {}

    def loader(
        self, clients: Sequence[Client], pairs: Sequence[tuple[str, str]], split: SplitName, native: bool
    ) -> EvaluationLoader:
        """Bring the cases of a split.

        Args:
            clients: Who holds the cases.
            pairs: Which models score the cases of which clients, by their names.
            split: Which cases.
            native: Whether labels are on the grid of their own files.

        Raises:
            ConfigError: There are no such cases.
        """
        key = (split, native, *pairs)
        if key not in self._loaders:
            named = {client.name: client for client in clients}
            members = [(model, named[client]) for model, client in pairs]
            dataset = EvaluationCases(self._bring, members, split, native)
            if len(dataset) == 0:
                raise ConfigError(f"There are no {split} cases; give data.{split}_fraction a value above 0.")
            self._loaders[key] = EvaluationLoader(dataset, self._batch_size, self._num_workers)
        return self._loaders[key]
