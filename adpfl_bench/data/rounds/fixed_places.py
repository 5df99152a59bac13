"""Fixed places: how many steps each client has made before a round, where its batches have a fixed order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from adpfl_bench.federation.round_schedule import RoundSchedule, Turn

Places = Mapping[tuple[str, Turn], int]
"""The number of steps that a client has made in turns of each kind."""


class FixedPlaces:
    """Places of all clients, counted from the schedule: whoever misses a round, or stops within a pass, goes on there.

    Args:
        schedule: Who takes part, and for how long.
    """

    def __init__(self, schedule: RoundSchedule) -> None:
        self._schedule = schedule
        self._rounds = 0
        self._made: Counter[tuple[str, Turn]] = Counter()

    def before(self, round_index: int, units: Mapping[str, int], units_per_step: int) -> Places:
        """Count the steps that were made before a round; rounds that were counted once are not counted again.

        Args:
            round_index: Round, counted from 0.
            units: Number of units by client, always the same.
            units_per_step: Units of a step, always the same.
        """
        if round_index < self._rounds:
            self._rounds, self._made = 0, Counter()
        for index in range(self._rounds, round_index):
            for visit in self._schedule.visits(index, list(units)):
                self._made[visit.client, visit.turn] += visit.steps(units[visit.client], units_per_step)
        self._rounds = round_index
        return Counter(self._made)
