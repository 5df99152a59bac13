"""Round loader: the batches of a round, in sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from adpfl_bench.data.rounds.round_plan import Key, PlannedStep
from adpfl_bench.data.rounds.round_shares import PlannedTurns
from adpfl_bench.federation.training_batch import Example, StepPlace, TrainingBatch


class RoundLoader:
    """Loader of the batches of one round that this process trains.

    Where no participant is this process's it brings ``None`` once: no step is made, and the round has an end all the
    same.

    Args:
        dataset: Maps an :class:`~adpfl_bench.data.rounds.round_plan.ExampleKey` to an example.
        steps: The plan of this process's participants.
        round_index: Round, counted from 0.
        workers: Keeps worker processes from round to round; ``None`` loads in the calling process.
        turns: The local steps of every turn of the round, where other processes make some of them.
    """

    def __init__(
        self,
        dataset: Dataset[Example],
        steps: Sequence[PlannedStep],
        round_index: int,
        workers: PersistentWorkers | None = None,
        turns: PlannedTurns | None = None,
    ) -> None:
        self.dataset = dataset
        self.steps = steps
        self.round_index = round_index
        self.turns = turns or Counter((step.client, step.turn) for step in steps)
        self.workers = workers

    @property
    def clients(self) -> tuple[str, ...]:
        """The participants that this process trains, in the order of their turns."""
        return tuple(dict.fromkeys(step.client for step in self.steps))

    def __len__(self) -> int:
        """Number of local steps of this process's participants; 1 where there are none."""
        return len(self.steps) or 1

    def __iter__(self) -> Iterator[TrainingBatch | None]:
        """Iterate over the batches."""
        if not self.steps:
            yield None
        loaded = self._load([step.keys for step in self.steps if step.keys])
        for step in self.steps:
            image, label = next(loaded) if step.keys else self._none_of(step.shaped_like)
            yield TrainingBatch(
                image=image,
                label=label,
                units=torch.tensor(step.units, dtype=torch.long),
                round=self.round_index,
                weights=torch.tensor(step.weights) if step.weights is not None else None,
                **{field.name: getattr(step, field.name) for field in fields(StepPlace)},
            )

    def _load(self, batches: list[list[Key]]) -> Iterator[Example]:
        if self.workers is not None:
            return self.workers.load(batches)
        return (default_collate([self.dataset[key] for key in keys]) for keys in batches)

    def _none_of(self, key: Key) -> Example:
        """No examples, of the shape that one has."""
        return Example(*(value.new_zeros(0, *value.shape) for value in self.dataset[key]))


class PersistentWorkers:
    """One torch DataLoader whose worker processes live as long as the run and load whatever batches are asked for.

    Args:
        dataset: Maps a key to an example; workers inherit it when they start.
        count: Number of worker processes.
        pin_memory: Whether batches are put into page-locked memory for a faster copy to a GPU.
    """

    def __init__(self, dataset: Dataset[Example], count: int, pin_memory: bool) -> None:
        self._batches: list[list[Key]] = []
        self._loader: DataLoader[Example] = DataLoader(
            dataset,
            batch_sampler=self._batches,  # filled anew for each round; the workers are sent keys, never the list
            num_workers=count,
            persistent_workers=True,
            pin_memory=pin_memory,
            generator=torch.Generator(),
        )

    def close(self) -> None:
        """End the worker processes; the next :meth:`load` would start new ones.

        Left to the garbage collector, each is waited for by itself, for seconds.
        """
        self._loader._iterator = None

    def load(self, batches: list[list[Key]]) -> Iterator[Example]:
        """Load the given batches, in order."""
        self._batches[:] = batches
        return iter(self._loader)
