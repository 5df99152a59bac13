"""Validation and test cases in batches that mix neither clients nor the models that score them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch.utils.data import DataLoader, Dataset

from adpfl_bench.data.case import Case, Client

SplitName = Literal["train", "validation", "test"]
ModelScope = Literal["global", "own", "everyone", "global and own", "global and everyone"]


class EvaluationCases(Dataset[dict[str, Any]]):
    """The cases of one split, model after model and client after client.

    Args:
        bring: Brings a case, with its label on the grid of its own file or on the network's.
        pairs: Which models score whose cases.
        split: Which cases.
        native: Whether labels are on the grid of their own files.
    """

    def __init__(
        self,
        bring: Callable[[Case, bool], dict[str, Any]],
        pairs: Sequence[tuple[str, Client]],
        split: SplitName,
        native: bool,
    ) -> None:
        self._bring = bring
        self._native = native
        self._split = split
        self._members = [(model, client.name, case) for model, client in pairs for case in getattr(client, split)]

    def __len__(self) -> int:
        """Number of cases, each counted for every model that scores it."""
        return len(self._members)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Bring a case with what its row in cases.csv says of it."""
        model, client, case = self._members[index]
        tags = {
            "case": case.case_id,
            "patient": case.patient_id,
            "client": client,
            "split": self._split,
            "model": model,
        }
        return {**self._bring(case, self._native), **tags}

    def batches(self, size: int) -> list[list[int]]:
        """Group the cases into batches that mix neither models nor clients."""
        return list(_batches([(model, client) for model, client, _ in self._members], size))


class EvaluationLoader:
    """Brings a split in batches that mix neither models nor clients.

    It wraps a torch DataLoader, so that the Trainer, which would rebuild its sampler, leaves it as it is.

    Args:
        cases: The cases.
        batch_size: Cases per batch.
        num_workers: Worker processes.
    """

    def __init__(self, cases: EvaluationCases, batch_size: int, num_workers: int) -> None:
        self._loader: DataLoader[dict[str, Any]] = DataLoader(
            cases,
            batch_sampler=cases.batches(batch_size),
            collate_fn=_collate_cases,
            num_workers=num_workers,
            generator=torch.Generator(),
        )

    def __len__(self) -> int:
        """Number of batches."""
        return len(self._loader)

    def __iter__(self) -> Iterator[dict[str, Any]]:
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


def _collate_cases(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Stack the images; labels keep their own sizes."""
    columns: dict[str, Any] = {key: [case[key] for case in cases] for key in cases[0]}
    columns["image"] = torch.stack(columns["image"])
    for tag in ("client", "split", "model"):
        columns[tag] = columns[tag][0]
    return columns
