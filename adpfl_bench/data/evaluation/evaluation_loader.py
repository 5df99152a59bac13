"""Evaluation loader: cases in batches that mix neither clients nor the models that score them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch, EvaluationCase, collate_cases

SplitName = Literal["train", "validation", "test"]


class CaseToScore(NamedTuple):
    """A case with the model that scores it and the client that holds it."""

    model: str
    client: str
    case: Case


class EvaluationCases(Dataset[tuple[CaseToScore, EvaluationCase]]):
    """The cases of one split, model after model and client after client.

    Args:
        bring: Brings a case, with its label on the grid of its own file or on the network's.
        pairs: Which models score whose cases.
        split: Which cases.
        native: Whether labels are on the grid of their own files.
    """

    def __init__(
        self,
        bring: Callable[[Case, bool], EvaluationCase],
        pairs: Sequence[tuple[str, Client]],
        split: SplitName,
        native: bool,
    ) -> None:
        self._bring = bring
        self._native = native
        self.split = split
        self._members = [
            CaseToScore(model, client.name, case) for model, client in pairs for case in getattr(client, split)
        ]

    def __len__(self) -> int:
        """Number of cases, each counted for every model that scores it."""
        return len(self._members)

    def __getitem__(self, index: int) -> tuple[CaseToScore, EvaluationCase]:
        """Bring a case, and say whose it is."""
        member = self._members[index]
        return member, self._bring(member.case, self._native)

    def batches(self, size: int) -> list[list[int]]:
        """Group the cases into batches that mix neither models nor clients."""
        return list(_batches([(model, client) for model, client, _ in self._members], size))


class EvaluationLoader:
    """Loader of a split in batches that mix neither models nor clients.

    It wraps a torch DataLoader, so that the Trainer, which would rebuild its sampler, leaves it as it is.

    Args:
        cases: The cases.
        batch_size: Cases per batch.
        num_workers: Worker processes.
    """

    def __init__(self, cases: EvaluationCases, batch_size: int, num_workers: int) -> None:
        self._loader: DataLoader[tuple[CaseToScore, EvaluationCase]] = DataLoader(
            cases,
            batch_sampler=cases.batches(batch_size),
            collate_fn=partial(_collate, cases.split),
            num_workers=num_workers,
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._loader)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        """Iterate over the batches."""
        return iter(self._loader)


def _batches(owners: Sequence[tuple[str, str]], size: int) -> Iterator[list[int]]:
    batch: list[int] = []
    for index, owner in enumerate(owners):
        if batch and (len(batch) == size or owners[batch[0]] != owner):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _collate(split: str, members: list[tuple[CaseToScore, EvaluationCase]]) -> EvaluationBatch:
    owners, cases = zip(*members, strict=True)
    ids, patients = [owner.case.case_id for owner in owners], [owner.case.patient_id for owner in owners]
    return collate_cases(cases, ids, patients, owners[0].client, split, owners[0].model)
