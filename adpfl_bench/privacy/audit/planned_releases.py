"""Planned releases: what a run should have released and entered after so many rounds, by public numbers alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice

from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.release_plan import ReleasePlan


def planned_releases(
    plan: ReleasePlan, noise_multiplier: float, schedule: RoundSchedule, units: Mapping[str, int], rounds: int
) -> tuple[Mapping[str, int], Mapping[str, Mapping[Release, int]]]:
    """Count releases, and ledger entries, by client.

    Args:
        plan: What each turn releases.
        noise_multiplier: z of each release.
        schedule: Who takes part when.
        units: Number of units by client.
        rounds: Number of rounds that were made, at least 1.
    """
    releases: Counter[str] = Counter()
    for round_index in range(rounds):
        for visit in schedule.visits(round_index, list(units)):
            if plan.unit == "client":
                releases[visit.client] += int(visit.turn == "shared")
            else:
                releases[visit.client] += visit.steps(units[visit.client], plan.units_per_step)
    *_, entries = islice(plan.events_by_round(noise_multiplier, schedule, units), rounds)
    return releases, entries
