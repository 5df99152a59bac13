"""Membership of a batch: which units are in it, told from its examples, and the same batch with another membership."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adpfl_bench.data.rounds.round_plan import CanaryExample, ExampleId, Key, PlannedStep
from adpfl_bench.federation.training_batch import Example, PlannedCanaries, TrainingBatch


class Membership:
    """Who is in a batch, by an audit's own look at its examples: each is loaded again and compared.

    Args:
        dataset: The examples, those of canaries included.
        examples: Every client's training examples.
        patients: Patient of each example where units are patients; otherwise ``None``.
    """

    def __init__(
        self,
        dataset: Dataset[Example],
        examples: Mapping[str, Sequence[ExampleId]],
        patients: Mapping[ExampleId, str] | None,
    ) -> None:
        self._dataset = dataset
        self._patients = patients
        self._units = {client: {self._unit(example) for example in own} for client, own in examples.items()}

    def population(self, client: str) -> int:
        """Number of a client's units."""
        return len(self._units.get(client, ()))

    def _unit(self, example: ExampleId) -> Hashable:
        return self._patients[example] if self._patients is not None else example

    def see(self, step: PlannedStep, batch: TrainingBatch) -> tuple[list[Hashable], str | None]:
        """Return the units of a step, those of canaries that are planned but out included, and what is wrong with it.

        Args:
            step: What the plan says that it holds.
            batch: What was trained on.
        """
        examples = [_example(key) for key in step.keys]
        units = [self._unit(example) for example in examples]
        planned = batch.canaries.slots if batch.canaries is not None else ()
        drawn = {*units, *(self._unit(CanaryExample(slot, 0)) for slot in planned)}
        problem = self._wrong_examples(step, batch)
        if problem is None and any(times != batch.views for times in Counter(examples).values()):
            problem = "an example is in one batch twice"
        if problem is None and not _one_to_one(units, batch.units.tolist()):
            problem = "examples of a batch are divided into other units than they belong to"
        if problem is None and not drawn <= self._units.get(batch.client, set()):
            problem = "a batch holds units of another client"
        return list(drawn), problem

    def _wrong_examples(self, step: PlannedStep, batch: TrainingBatch) -> str | None:
        if len(batch.image) != len(step.keys):
            return f"a batch holds {len(batch.image)} examples, but {len(step.keys)} are planned"
        for place, key in enumerate(step.keys):
            example = self._dataset[key]
            if not (_same(batch.image[place], example.image) and _same(batch.label[place], example.label)):
                return "a batch holds another example than is planned"
        return None


def _example(key: Key) -> ExampleId:
    return key if isinstance(key, CanaryExample) else key.example


def _same(loaded: Tensor, again: Tensor) -> bool:
    return torch.equal(loaded.cpu(), again.to(loaded.dtype).cpu())


def _one_to_one(units: Sequence[Hashable], numbers: Sequence[int]) -> bool:
    pairs = set(zip(units, numbers, strict=True))
    return len(pairs) == len(set(units)) == len(set(numbers))


def flipped(batch: TrainingBatch, canary: int, examples: Sequence[Example]) -> TrainingBatch:
    """Return a batch with one of its canaries out if it is in, and in if it is out; public numbers stay.

    Args:
        batch: A step's batch, with canaries.
        canary: One of those that are planned for it.
        examples: The canary's examples.
    """
    assert batch.canaries is not None
    owners = list(batch.canaries.owners)
    own = torch.tensor([owner == canary for owner in owners], dtype=torch.bool, device=batch.image.device)
    if batch.weights is not None:
        return replace(batch, weights=torch.where(own, 1 - batch.weights, batch.weights))
    if bool(own.any()):
        kept = ~own
        units = batch.units[kept]
        numbers = torch.unique_consecutive(units, return_inverse=True)[1] if len(units) else units
        left = [owner for owner in owners if owner != canary]
        canaries = PlannedCanaries(batch.canaries.slots, left)
        return replace(batch, image=batch.image[kept], label=batch.label[kept], units=numbers, canaries=canaries)
    seen = [example for example in examples for _ in range(batch.views)]  # which are not augmented
    image, label = (
        torch.cat([held, torch.stack(values).to(held)])
        for held, values in zip((batch.image, batch.label), zip(*seen, strict=True), strict=True)
    )
    following = int(batch.units[-1]) + 1 if len(batch.units) else 0
    added = batch.units.new_full((len(seen),), following)
    return replace(
        batch,
        image=image,
        label=label,
        units=torch.cat([batch.units, added]),
        canaries=PlannedCanaries(batch.canaries.slots, [*owners, *[canary] * len(seen)]),
    )
