"""Release plan: what a run will release, known before it starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from adpfl_bench.federation.round_schedule import RoundSchedule, Turn, Visit
from adpfl_bench.privacy.calibration import solve_noise_multiplier
from adpfl_bench.privacy.ledger import PrivacyUnit, Release, Sampling
from adpfl_bench.privacy.mechanisms import Mechanism

PRIVACY_UNITS = get_args(PrivacyUnit)
SAMPLINGS = get_args(Sampling)

# Replacing one example of a batch by nothing can move the clipped gradient of the batch's mean loss anywhere in a ball
# of radius C, so two neighbouring releases lie up to 2C apart.
BATCH_SENSITIVITY = 2.0


@dataclass(frozen=True)
class ReleasePlan:
    """Plan of the releases that one unit can influence.

    * ``batch``: an example is in one batch of each pass, and moves it by up to 2C.
    * ``record`` and ``patient``: a unit is in one batch of each pass, and moves the sum by up to C. Under Poisson
      sampling every step is a release that it may be in.
    * ``fixed`` sampling: batches take turns, also over rounds, so a unit is in one of every so many steps in a row as
      there are batches, and these are one release. A client's shared and personal turns have an order each.
    * ``client``: one release for each shared turn; what is trained in a personal one stays with the client.

    Personal turns release what shared ones do: every local step is made private, and the model is what is protected.

    Attributes:
        unit: The privacy unit; not ``none``.
        sampling: How units are drawn into steps.
        units_per_step: Units per step.
        mechanism: Law of the noise.
    """

    unit: PrivacyUnit
    sampling: Sampling
    units_per_step: int
    mechanism: Mechanism

    def pass_event(self, noise_multiplier: float, sampling_rate: float, steps: int) -> tuple[Release, int]:
        """The ledger's entry for one pass of so many steps (or, for clients, one turn): which release, and how many."""
        if self.unit == "batch":
            return self.mechanism.event(noise_multiplier, BATCH_SENSITIVITY), 1
        if self.unit != "client" and self.sampling == "poisson":
            return self.mechanism.event(noise_multiplier, sampling_rate=sampling_rate), steps
        return self.mechanism.event(noise_multiplier), 1

    def visit_events(self, noise_multiplier: float, units: int, visit: Visit) -> Mapping[Release, int]:
        """Return the ledger's entries for one turn of a client with so many units in a round."""
        if self.unit == "client":
            return {self.pass_event(noise_multiplier, 1.0, 1)[0]: 1} if visit.turn == "shared" else {}
        steps = visit.steps(units, self.units_per_step)
        steps_per_pass = -(-units // self.units_per_step)
        rate = min(1.0, self.units_per_step / units)
        events: dict[Release, int] = {}
        for done in range(0, steps, steps_per_pass):
            event, count = self.pass_event(noise_multiplier, rate, min(steps_per_pass, steps - done))
            events[event] = events.get(event, 0) + count
        return events

    def events(
        self, noise_multiplier: float, units: Mapping[str, int], visits: Mapping[Visit, int]
    ) -> Mapping[str, Mapping[Release, int]]:
        """Return all that each client releases in the given turns, each made so many times."""
        if self.sampling == "fixed":
            return self._fixed_events(noise_multiplier, units, visits)
        ledger: dict[str, Counter[Release]] = {client: Counter() for client in units}
        for visit, times in visits.items():
            events = self.visit_events(noise_multiplier, units[visit.client], visit)
            ledger[visit.client].update({event: times * count for event, count in events.items()})
        return {client: dict(events) for client, events in ledger.items()}

    def _fixed_events(
        self, noise_multiplier: float, units: Mapping[str, int], visits: Mapping[Visit, int]
    ) -> Mapping[str, Mapping[Release, int]]:
        """As :meth:`events`: passes are counted over all turns of a kind, and one that was begun is one."""
        steps: Counter[tuple[str, Turn]] = Counter()
        for visit, times in visits.items():
            steps[visit.client, visit.turn] += times * visit.steps(units[visit.client], self.units_per_step)
        ledger: dict[str, dict[Release, int]] = {client: {} for client in units}
        for (client, _), made in steps.items():
            event, _ = self.pass_event(noise_multiplier, 1.0, 1)
            passes = -(-made // -(-units[client] // self.units_per_step))
            ledger[client][event] = ledger[client].get(event, 0) + passes
        return ledger

    def events_by_round(
        self, noise_multiplier: float, schedule: RoundSchedule, units: Mapping[str, int]
    ) -> Iterator[Mapping[str, Mapping[Release, int]]]:
        """Return all that each client has released after each round, that of fine-tuning included, round by round."""
        visits: Counter[Visit] = Counter()
        for round_index in range(schedule.total_rounds):
            visits.update(schedule.visits(round_index, list(units)))
            yield self.events(noise_multiplier, units, visits)

    def calibrate(self, epsilon: float, delta: float, schedule: RoundSchedule, units: Mapping[str, int]) -> float:
        """Solve for the noise multiplier z with which the planned run spends at most ``epsilon`` in any client.

        Raises:
            ConfigError: No noise reaches the target.
        """
        rounds = range(schedule.total_rounds)
        visits = Counter(visit for index in rounds for visit in schedule.visits(index, list(units)))

        def planned(noise_multiplier: float) -> Iterable[Mapping[Release, int]]:
            return self.events(noise_multiplier, units, visits).values()

        return solve_noise_multiplier(planned, epsilon, delta)
