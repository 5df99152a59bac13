"""Evaluation set: cases in batches that mix neither clients nor the models that score them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Literal, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.evaluation.evaluation_batch import SPARE, EvaluationBatch, EvaluationCase, collate_cases
from adpfl_bench.errors import ConfigError
from adpfl_bench.peers import peers

SplitName = Literal["train", "validation", "test"]


class CaseToScore(NamedTuple):
    """A case with the model that scores it, the client that holds it, and the place of its batch among all."""

    model: str
    client: str
    case: Case
    place: int


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
        """Bring the cases of a split, model after model and client after client.

        The processes that share a run share the cases out, so many of a client's at a time as make a batch, and for all
        models alike.

        Args:
            clients: Who holds the cases.
            pairs: Which models score the cases of which clients, by their names.
            split: Which cases.
            native: Whether labels are on the grid of their own files.

        Raises:
            ConfigError: There are no such cases. While training there may be no validation cases, and then no batch.
        """
        key = (split, native, *pairs)
        if key not in self._loaders:
            cases = {client.name: getattr(client, split) for client in clients}
            batches = list(_batches(cases, pairs, self._batch_size))
            if not batches and (native or split != "validation"):
                raise ConfigError(f"There are no {split} cases; give data.{split}_fraction a value above 0.")
            members = [member for batch in _of_this_process(batches) for member in batch]
            self._loaders[key] = EvaluationLoader(
                DataLoader(
                    _BroughtCases(members, self._bring, native),
                    batch_sampler=_places(members),
                    collate_fn=partial(_collate, split),
                    num_workers=self._num_workers,
                    generator=torch.Generator(),
                )
            )
        return self._loaders[key]


class EvaluationLoader:
    """Loader of a split in batches that mix neither models nor clients.

    It wraps a torch DataLoader, so that the Trainer, which would rebuild its sampler, leaves it as it is.
    """

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._loader)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        """Iterate over the batches."""
        return iter(self._loader)


class _BroughtCases(Dataset[tuple[CaseToScore, EvaluationCase]]):
    def __init__(
        self, members: Sequence[CaseToScore], bring: Callable[[Case, bool], EvaluationCase], native: bool
    ) -> None:
        self._members = members
        self._bring = bring
        self._native = native

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, index: int) -> tuple[CaseToScore, EvaluationCase]:
        member = self._members[index]
        return member, self._bring(member.case, self._native)


def _batches(
    cases: Mapping[str, Sequence[Case]], pairs: Sequence[tuple[str, str]], size: int
) -> Iterator[list[CaseToScore]]:
    """Cases, so many at a time, that one model scores for one client."""
    number = itertools.count()
    for model, client in pairs:
        for start in range(0, len(cases[client]), size):
            place = next(number)
            yield [CaseToScore(model, client, case, place) for case in cases[client][start : start + size]]


def _of_this_process(batches: Sequence[list[CaseToScore]]) -> list[list[CaseToScore]]:
    """The batches that this process scores: those of the same cases together, so that it brings each case alone."""
    if not batches:  # nobody has any, so that nobody waits for others at the end
        return []
    turn = {first: number for number, first in enumerate(dict.fromkeys(_first(batch) for batch in batches))}
    own = [batch for batch in batches if turn[_first(batch)] % peers().count == peers().rank]
    # An evaluation without any batch would be left out, and so would be its end, where all processes meet.
    return own or [[member._replace(place=SPARE) for member in batches[0]]]


def _first(batch: list[CaseToScore]) -> tuple[str, str]:
    return batch[0].client, batch[0].case.case_id


def _places(members: Sequence[CaseToScore]) -> list[list[int]]:
    groups = groupby(range(len(members)), key=lambda index: members[index].place)
    return [list(indices) for _, indices in groups]


def _collate(split: str, members: list[tuple[CaseToScore, EvaluationCase]]) -> EvaluationBatch:
    owners, cases = zip(*members, strict=True)
    ids, patients = [owner.case.case_id for owner in owners], [owner.case.patient_id for owner in owners]
    return collate_cases(cases, ids, patients, owners[0].client, split, owners[0].model, owners[0].place)
