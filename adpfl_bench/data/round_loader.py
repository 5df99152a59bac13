"""All local steps of a round, in sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.seeding import derive_seed, numpy_generator


class RecordKey(NamedTuple):
    """Asks a dataset for one record: which, and with which seed it is augmented."""

    record: int
    seed: int


class LocalStep(NamedTuple):
    """One local step of a client.

    Attributes:
        client: Name of the client.
        local_epoch: The client's pass over its records in this round, counted from 0. Batches do not straddle passes,
            so a record is in at most one batch of a pass.
        last: Whether this is the client's last step of the round.
        keys: The batch's records.
    """

    client: str
    local_epoch: int
    last: bool
    keys: list[RecordKey]


def plan_round(
    schedule: RoundSchedule, round_index: int, records: Mapping[str, Sequence[int]], batch_size: int
) -> list[LocalStep]:
    """Plan every participant's local steps of a round.

    Each pass of a client visits its records in an order drawn from (seed, round, client, pass), so the plan of a
    client does not depend on who else takes part, or exists.

    Args:
        schedule: Who takes part, and for how long.
        round_index: Round, counted from 0.
        records: Each client's training records.
        batch_size: Records per step; the last batch of a pass may be smaller.

    Returns:
        The steps, client after client.
    """
    steps = []
    for client in schedule.participants(round_index, list(records)):
        own = records[client]
        count = schedule.steps(len(own), batch_size)
        batches_per_pass = -(-len(own) // batch_size)
        for step in range(count):
            local_epoch, position = divmod(step, batches_per_pass)
            purpose = (round_index, client, local_epoch)
            if position == 0:
                order = numpy_generator(schedule.seed, "order", *purpose).permutation(len(own))
            batch = order[position * batch_size : (position + 1) * batch_size].tolist()
            # Seeded by the place among the client's own records, whatever other clients there are.
            keys = [RecordKey(own[i], derive_seed(schedule.seed, "augment", *purpose, i)) for i in batch]
            steps.append(LocalStep(client, local_epoch, step == count - 1, keys))
    return steps


class RoundLoader:
    """Brings the batches of one round; each says whose it is and whether it is its client's last.

    A batch is a dictionary with ``image`` [B, C, *spatial], ``label`` [B, R, *spatial], ``client``, ``local_epoch``,
    ``last`` and ``round``.

    Args:
        dataset: Maps a :class:`RecordKey` to a dictionary of tensors.
        steps: The round's plan.
        round_index: Round, counted from 0.
        workers: Keeps worker processes from round to round; ``None`` loads in the calling process.
    """

    def __init__(
        self,
        dataset: Dataset[dict[str, torch.Tensor]],
        steps: Sequence[LocalStep],
        round_index: int,
        workers: PersistentWorkers | None = None,
    ) -> None:
        self.dataset = dataset
        self.steps = steps
        self.round_index = round_index
        self.workers = workers

    def __len__(self) -> int:
        """Number of local steps of all participants."""
        return len(self.steps)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the batches."""
        for step, batch in zip(self.steps, self._batches(), strict=True):
            tags = {"client": step.client, "local_epoch": step.local_epoch, "last": step.last}
            yield {**batch, **tags, "round": self.round_index}

    def _batches(self) -> Iterator[dict[str, torch.Tensor]]:
        if self.workers is not None:
            return self.workers.load([step.keys for step in self.steps])
        return (default_collate([self.dataset[key] for key in step.keys]) for step in self.steps)


class PersistentWorkers:
    """One torch DataLoader whose worker processes live as long as the run and load whatever batches are asked for.

    Args:
        dataset: Maps a key to a dictionary of tensors; workers inherit it when they start.
        count: Number of worker processes.
        pin_memory: Whether batches are put into page-locked memory for a faster copy to a GPU.
    """

    def __init__(self, dataset: Dataset[dict[str, torch.Tensor]], count: int, pin_memory: bool) -> None:
        self._batches: list[list[RecordKey]] = []
        self._loader: DataLoader[dict[str, torch.Tensor]] = DataLoader(
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

    def load(self, batches: list[list[RecordKey]]) -> Iterator[dict[str, torch.Tensor]]:
        """Load the given batches, in order."""
        self._batches[:] = batches
        return iter(self._loader)
