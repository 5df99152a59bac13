"""Round shares: which process of a run trains which of a round's participants."""

from __future__ import annotations

from collections.abc import Mapping

from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.data.rounds.training_set import TrainingSet
from adpfl_bench.federation.round_schedule import RoundSchedule, Turn
from adpfl_bench.peers import peers

PlannedTurns = Mapping[tuple[str, Turn], int]
"""The local steps of each turn of a round."""


def planned_turns(
    schedule: RoundSchedule, round_index: int, training: TrainingSet, units_per_step: int
) -> PlannedTurns:
    """Count the local steps of every turn of a round, in the order of the turns; nothing is drawn for it."""
    sizes = training.unit_sizes
    visits = schedule.visits(round_index, list(training.of_all))
    return {(visit.client, visit.turn): visit.steps(sizes[visit.client], units_per_step) for visit in visits}


def own_share(turns: PlannedTurns, plan: TrainingPlan, round_index: int) -> tuple[str, ...]:
    """Return the participants that this process trains: its share of all, or whoever is here where others are not."""
    if not plan.elsewhere:
        return share_out(turns, peers().count)[peers().rank]
    here = dict.fromkeys(client for client, _ in turns if client not in plan.elsewhere)
    return tuple(here) if round_index == plan.only_round else ()


def share_out(turns: PlannedTurns, processes: int) -> list[tuple[str, ...]]:
    """Share participants out over processes, whoever has most local steps first, each to who has least to do by then.

    It follows from the numbers of steps and the names alone, so that every process finds the same. The first process
    gets the participant with most steps; where there are fewer participants than processes, some get none.

    >>> share_out({("a", "shared"): 5, ("b", "shared"): 3, ("c", "shared"): 3}, 2)
    [('a',), ('b', 'c')]
    """
    work: dict[str, int] = {}
    for (client, _), steps in turns.items():
        work[client] = work.get(client, 0) + steps
    shares: list[list[str]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for client in sorted(work, key=lambda name: (-work[name], name)):
        least = loads.index(min(loads))
        shares[least].append(client)
        loads[least] += work[client]
    return [tuple(sorted(share)) for share in shares]
