"""Room that is left in an account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.account.account_state import UnitGroup, over_budget
from adpfl_bench.privacy.calibration import solve_noise_multiplier
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.ledger import Release


def room_left(groups: Iterable[UnitGroup], epsilon: float, delta: float) -> float:
    """Return the epsilon, by itself, of the largest further release with Gaussian noise that all units can be in.

    Epsilons do not add up, so this is not the difference of two: after epsilon 6 of 8 there is room for more than 2.

    Args:
        groups: The units, with what they have been in.
        epsilon: The budget.
        delta: The delta that every epsilon holds at.

    Returns:
        0 where no noise is large enough, to a thousandth of the noise below what fits.
    """
    found = list(groups)
    if over_budget(found, epsilon, delta):
        return 0.0

    def planned(z: float) -> list[Mapping[Release, int]]:
        release = Release("GaussianMechanism", z)
        return [{**group.events, release: group.events.get(release, 0) + 1} for group in found] or [{release: 1}]

    try:
        return gaussian_epsilon(1 / solve_noise_multiplier(planned, epsilon, delta), delta)
    except ConfigError:
        return 0.0
