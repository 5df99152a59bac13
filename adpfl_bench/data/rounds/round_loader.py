"""All local steps of a round, in sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from adpfl_bench.federation.round_schedule import RoundSchedule, Turn
from adpfl_bench.seeding import derive_seed, numpy_generator


class RecordKey(NamedTuple):
    """Asks a dataset for one record: which, and with which seed it is augmented."""

    record: int
    seed: int


class LocalStep(NamedTuple):
    """One local step of a client.

    Attributes:
        client: Name of the client.
        local_epoch: The client's pass over its records in this round, counted from 0 and on through its turns. Batches
            do not straddle passes, so a record is in at most one batch of a pass.
        turn: What the client trains: the global model or its own.
        last: Whether this is the last step of the client's turn.
        keys: The batch's records, those of one unit side by side; none where Poisson sampling drew none.
        units: Unit of each record, counted from 0 within the batch.
        planned_units: Number of units of the step, expected where they are sampled: a public number.
        divisor: What a private sum over the units is divided by, the same at every step of the client.
        pass_steps: Number of steps of this pass.
        sampling_rate: Probability of each unit to be in the batch; 1 where a pass visits every unit.
    """

    client: str
    local_epoch: int
    turn: Turn
    last: bool
    keys: list[RecordKey]
    units: list[int]
    planned_units: int
    divisor: int
    pass_steps: int
    sampling_rate: float = 1.0


def plan_round(
    schedule: RoundSchedule,
    round_index: int,
    records: Mapping[str, Sequence[int]],
    batch_size: int,
    patients: Mapping[int, str] | None = None,
    poisson: bool = False,
) -> list[LocalStep]:
    """Plan every participant's local steps of a round, turn after turn.

    The units of a client are its records or, when ``patients`` are given, its patients with all their records. A pass
    visits them in an order drawn from (seed, round, client, pass) or, under Poisson sampling, draws each of them
    independently for every step, with probability batch size / units. So the plan of a client does not depend on who
    else takes part, or exists.

    Args:
        schedule: Who takes part, and for how long.
        round_index: Round, counted from 0.
        records: Each client's training records.
        batch_size: Units per step; the last batch of a pass may be smaller. Expected units under Poisson sampling.
        patients: Patient of each record; ``None`` makes each record a unit of its own.
        poisson: Whether units are sampled.

    Returns:
        The steps, client after client and turn after turn.
    """
    steps: list[LocalStep] = []
    passes_done: dict[str, int] = {}
    for visit in schedule.visits(round_index, list(records)):
        client, own = visit.client, records[visit.client]
        members = group_records(own, patients)
        count = visit.steps(len(members), batch_size)
        batches_per_pass = -(-len(members) // batch_size)
        divisor = min(batch_size, len(members))
        first_pass = passes_done.get(client, 0)
        passes_done[client] = first_pass + -(-count // batches_per_pass)
        for step in range(count):
            index, position = divmod(step, batches_per_pass)
            purpose = (round_index, client, first_pass + index)
            if poisson:
                drawn = numpy_generator(schedule.seed, "poisson", *purpose, position).random(len(members))
                batch = [i for i, chance in enumerate(drawn) if chance < divisor / len(members)]
            else:
                if position == 0:
                    order = numpy_generator(schedule.seed, "order", *purpose).permutation(len(members))
                batch = order[position * batch_size : (position + 1) * batch_size].tolist()
            places = [(unit, i) for unit, member in enumerate(batch) for i in members[member]]
            # Seeded by the place among the client's own records, whatever other clients there are. A record that is
            # sampled twice in a pass is augmented in two ways.
            again = (position,) if poisson else ()
            keys = [RecordKey(own[i], derive_seed(schedule.seed, "augment", *purpose, *again, i)) for _, i in places]
            steps.append(
                LocalStep(
                    client,
                    first_pass + index,
                    visit.turn,
                    step == count - 1,
                    keys,
                    units=[unit for unit, _ in places],
                    planned_units=divisor if poisson else len(batch),
                    divisor=divisor,
                    pass_steps=min(batches_per_pass, count - index * batches_per_pass),
                    sampling_rate=divisor / len(members) if poisson else 1.0,
                )
            )
    return steps


def group_records(records: Sequence[int], patients: Mapping[int, str] | None) -> list[list[int]]:
    """Places of the records of each unit, in the order in which units first appear."""
    if patients is None:
        return [[i] for i in range(len(records))]
    members: dict[str, list[int]] = {}
    for i, record in enumerate(records):
        members.setdefault(patients[record], []).append(i)
    return list(members.values())


class RoundLoader:
    """Brings the batches of one round; each says whose it is and whether it is its turn's last.

    A batch is a dictionary with ``image`` [B, C, *spatial], ``label`` [B, R, *spatial], ``units`` [B] and the other
    fields of its :class:`LocalStep` by name, and ``round``. B is 0 where Poisson sampling drew nobody.

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
            tags = {**step._asdict(), "units": torch.tensor(step.units, dtype=torch.long), "round": self.round_index}
            del tags["keys"]
            # An empty batch was loaded with a record of someone's, for its shape, which goes no further.
            yield {**{name: value[: len(step.keys)] for name, value in batch.items()}, **tags}

    def _batches(self) -> Iterator[dict[str, torch.Tensor]]:
        batches = [step.keys or [RecordKey(0, 0)] for step in self.steps]
        if self.workers is not None:
            return self.workers.load(batches)
        return (default_collate([self.dataset[key] for key in keys]) for keys in batches)


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
