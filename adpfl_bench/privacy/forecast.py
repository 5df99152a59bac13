"""Privacy forecast: epsilon of a planned run by round and client, before anything is trained."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from adpfl_bench.federation.round_schedule import RoundSchedule, Visit
from adpfl_bench.privacy.accounting import accountant, client_epsilon
from adpfl_bench.privacy.calibration import affordable_rounds
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.private_sum import PrivateSum
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.privacy.thresholds import Threshold

MOST_ROUNDS = 100_000
"""Longer runs than this are not looked at when a budget is turned into rounds."""

_MOST_EPSILONS = 3000


class ClientRound(NamedTuple):
    """Privacy that one client has spent after one round.

    Attributes:
        round: Round, counted from 1.
        client: The client.
        participates: Whether it takes part in the round.
        releases: Number of releases that one of its units may have been in, up to here.
        epsilon: What they amount to at the forecast's delta.
        accountant: The proof that epsilon comes from; empty where nothing was released.
    """

    round: int
    client: str
    participates: bool
    releases: int
    epsilon: float
    accountant: str


@dataclass(frozen=True)
class Forecast:
    """Forecast of what a run is going to release and what that amounts to.

    Attributes:
        plan: What each turn of a client releases.
        schedule: Who takes part in which round, and for how long.
        units: Number of units by client.
        noise_multiplier: z.
        delta: The delta that epsilon holds at.
        threshold: Rule for the clipping threshold, which may take a share of the budget.
    """

    plan: ReleasePlan
    schedule: RoundSchedule
    units: Mapping[str, int]
    noise_multiplier: float
    delta: float
    threshold: Threshold
    _turns: _Turns = field(default_factory=lambda: _Turns(), init=False, repr=False, compare=False)

    def rows(self) -> list[ClientRound]:
        """Account for every client after every round, rounds first.

        Where that would be more than 3000 epsilons, whose computation takes up to 50 ms each, rounds in between are
        left out evenly; the first and the last never are.
        """
        stride = -(-self.schedule.total_rounds * len(self.units) // _MOST_EPSILONS)
        rows = []
        ledgers = self.plan.events_by_round(self.noise_multiplier, self.schedule, self.units)
        for index, ledger in enumerate(ledgers):
            if index % stride and index != self.schedule.total_rounds - 1:
                continue
            present = self.schedule.participants(index, list(self.units))
            for client, events in sorted(ledger.items()):
                rows.append(
                    ClientRound(
                        index + 1,
                        client,
                        client in present,
                        sum(events.values()),
                        client_epsilon(events, self.delta),
                        accountant(events, self.delta) if events else "",
                    )
                )
        return rows

    @property
    def final(self) -> float:
        """The federation's epsilon after the last round: the largest of its clients'."""
        *_, last = self.plan.events_by_round(self.noise_multiplier, self.schedule, self.units)
        return max(client_epsilon(events, self.delta) for events in last.values())

    def with_noise(self, noise_multiplier: float) -> Forecast:
        """Return the same run with another z."""
        return replace(self, noise_multiplier=noise_multiplier)

    def parts(self) -> tuple[float, float]:
        """The noise multipliers of the sum and of the threshold's statistic, infinite where there is no statistic.

        Raises:
            ConfigError: The statistic would leave nothing of the budget.
        """
        released = PrivateSum(self.threshold, self.plan.mechanism, self.noise_multiplier)
        return released.sum_multiplier, released.statistic_multiplier

    def needed_noise(self, epsilon: float) -> float:
        """Return the noise multiplier with which the planned rounds stay within a budget.

        Raises:
            ConfigError: There is none.
        """
        return self.plan.calibrate(epsilon, self.delta, self.schedule, self.units)

    def affordable(self, epsilon: float) -> int:
        """Return the number of rounds that a budget affords at the planned noise; :data:`MOST_ROUNDS` stands for more.

        Who takes part in rounds after the planned ones is drawn as in the planned ones. Fine-tuning, where it is
        planned, follows the last of them.

        Raises:
            ConfigError: The budget is not positive.
        """

        def planned(rounds: int) -> Iterable[Mapping[Release, int]]:
            return self.plan.events(self.noise_multiplier, self.units, self._visits_in(rounds)).values()

        return affordable_rounds(planned, epsilon, self.delta, MOST_ROUNDS)

    def _visits_in(self, rounds: int) -> Mapping[Visit, int]:
        """How often each turn is made in this many rounds and the fine-tuning after them."""
        names, schedule = list(self.units), replace(self.schedule, fine_tuning_epochs=0)
        everyone = len(schedule.drawn(0, names)) == len(names)
        if everyone and not schedule.dropout and not schedule.straggling:
            visits = dict.fromkeys(schedule.visits(0, names), rounds)
        else:
            visits = self._turns.count(schedule, names, rounds)
        if self.schedule.fine_tuning_epochs:
            visits.update(dict.fromkeys(self.schedule.visits(self.schedule.rounds, names), 1))
        return visits


class _Turns:
    """The rounds in which each turn is made, drawn as far as they are asked for."""

    def __init__(self) -> None:
        self._drawn = 0
        self._rounds: dict[Visit, list[int]] = {}

    def count(self, schedule: RoundSchedule, names: Sequence[str], rounds: int) -> dict[Visit, int]:
        """Count how often each turn is made in the first rounds."""
        for index in range(self._drawn, rounds):
            for visit in schedule.visits(index, names):
                self._rounds.setdefault(visit, []).append(index)
        self._drawn = max(self._drawn, rounds)
        return {visit: bisect_left(made, rounds) for visit, made in self._rounds.items()}
