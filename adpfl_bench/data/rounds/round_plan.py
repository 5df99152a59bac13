"""Round plan: every participant's local steps, in sequence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from adpfl_bench.data.rounds.fixed_places import Places
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.training_batch import SequencePlace, StepPlace
from adpfl_bench.seeding import Draws, SeededDraws


class CanaryExample(NamedTuple):
    """One example of a canary: which canary's, and the number of the example among its own. It is not augmented."""

    canary: int
    number: int


class ExampleKey(NamedTuple):
    """Key of one example: its place among the dataset's, and the seed that it is augmented with."""

    example: int
    seed: int


ExampleId = int | CanaryExample
"""An example of the dataset, by its place, or of a canary that an audit has added."""
Key = ExampleKey | CanaryExample
"""Asks a dataset with canaries for one example."""


@dataclass(kw_only=True)
class PlannedStep(StepPlace):
    """One local step of a client, before its examples are loaded.

    Attributes:
        keys: The batch's examples, those of one unit side by side; none where Poisson sampling drew none.
        units: Unit of each example, counted from 0 within the batch.
        shaped_like: An example of the client, whose shape a batch without any has.
        weights: Weight of each example in the mean loss; ``None`` where all count alike.
    """

    keys: list[Key]
    units: list[int]
    shaped_like: Key
    weights: list[float] | None = None


def plan_round(
    schedule: RoundSchedule,
    round_index: int,
    examples: Mapping[str, Sequence[ExampleId]],
    batch_size: int,
    patients: Mapping[ExampleId, str] | None = None,
    poisson: bool = False,
    draws: Draws | None = None,
    clients: Collection[str] | None = None,
    begun: Places | None = None,
    views: int = 1,
) -> list[PlannedStep]:
    """Plan every participant's local steps of a round, turn after turn.

    The units of a client are its examples or, when ``patients`` are given, its patients with all their examples. A pass
    visits them in an order drawn from (seed, round, client, pass) or, under Poisson sampling, draws each of them
    independently for every step, with probability batch size / units. So the plan of a client does not depend on who
    else takes part, or exists.

    Args:
        schedule: Who takes part, and for how long.
        round_index: Round, counted from 0.
        examples: Each client's training examples.
        batch_size: Units per step; the last batch of a pass may be smaller. Expected units under Poisson sampling.
        patients: Patient of each example; ``None`` makes each example a unit of its own.
        poisson: Whether units are sampled.
        draws: Where chance comes from; by default the schedule's seed.
        clients: The participants whose steps are asked for; by default all.
        begun: The steps that each client has made before, where its batches have a fixed order: its units are dealt
            out once, by the schedule's seed, to as many batches as a pass has, and these take turns over all rounds.
        views: How often each example is in its step, side by side, with a seed of its own each time.

    Returns:
        The steps, client after client and turn after turn.
    """
    draws = draws or SeededDraws(schedule.seed)
    steps: list[PlannedStep] = []
    passes_done: dict[str, int] = {}
    made = Counter(begun or {})
    for visit in schedule.visits(round_index, list(examples)):
        client, own = visit.client, examples[visit.client]
        if clients is not None and client not in clients:
            continue
        members = group_examples(own, patients)
        count = visit.steps(len(members), batch_size)
        batches_per_pass = -(-len(members) // batch_size)
        divisor = min(batch_size, len(members))
        first_pass = passes_done.get(client, 0)
        passes_done[client] = first_pass + -(-count // batches_per_pass)
        for step in range(count):
            index, position = divmod(step, batches_per_pass)
            purpose = (round_index, client, first_pass + index)
            sequence = None
            if begun is not None:
                sequence = SequencePlace(made[client, visit.turn], batches_per_pass)
                made[client, visit.turn] += 1
                batch = _fixed_batch(schedule.seed, client, len(members), *sequence)
            elif poisson:
                drawn = draws.uniform(len(members), "poisson", *purpose, position)
                batch = [i for i, chance in enumerate(drawn) if chance < divisor / len(members)]
            else:
                if position == 0:
                    order = draws.permutation(len(members), "order", *purpose)
                batch = order[position * batch_size : (position + 1) * batch_size].tolist()
            places = [(unit, i, v) for unit, member in enumerate(batch) for i in members[member] for v in range(views)]
            # Seeded by the place among the client's own examples, whatever other clients there are. An example that is
            # sampled twice in a pass is augmented in two ways.
            again = (position,) if poisson else ()
            seeds = (draws.seed("augment", *purpose, *again, i, *(("view", v) if v else ())) for _, i, v in places)
            keys = [_key(own[i], seed) for (_, i, _), seed in zip(places, seeds, strict=True)]
            steps.append(
                PlannedStep(
                    client=client,
                    local_epoch=first_pass + index,
                    turn=visit.turn,
                    last=step == count - 1,
                    keys=keys,
                    units=[unit for unit, _, _ in places],
                    planned_units=divisor if poisson else len(batch),
                    divisor=divisor,
                    pass_steps=min(batches_per_pass, count - index * batches_per_pass),
                    sampling_rate=divisor / len(members) if poisson else 1.0,
                    shaped_like=_key(own[0], 0),
                    sequence=sequence,
                    views=views,
                )
            )
    return steps


def _fixed_batch(seed: int, client: str, units: int, step: int, batches: int) -> list[int]:
    """The units of a step: always the same ones, also where other chance is secret, and as many as of any other."""
    order: list[int] = SeededDraws(seed).permutation(units, "fixed order", client).tolist()
    return order[step % batches :: batches]


def _key(example: ExampleId, seed: int) -> Key:
    return example if isinstance(example, CanaryExample) else ExampleKey(example, seed)


def group_examples(examples: Sequence[ExampleId], patients: Mapping[ExampleId, str] | None) -> list[list[int]]:
    """Places of the examples of each unit, in the order in which units first appear."""
    if patients is None:
        return [[i] for i in range(len(examples))]
    members: dict[str, list[int]] = {}
    for i, example in enumerate(examples):
        members.setdefault(patients[example], []).append(i)
    return list(members.values())
