"""The accountant beside numbers that are computed in another way, as a table in Markdown.

    python benchmarks/accountant_check.py

What the other way is, ``benchmarks/mellin.py`` says. The exit status is 1 if an epsilon is below the independent one,
or above it by more than the last column says. In two settings the independent number is that of one direction of the
shift and not of the worst, so that the bound may be above it by more.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from mellin import (
    LogMoment,
    correlated_mu,
    exact_gaussian,
    gaussian,
    gaussian_nodes,
    group,
    laplace,
    laplace_nodes,
    mellin_epsilon,
    plane,
    sampled,
    single_laplace,
)
from scipy.linalg import toeplitz

from adpfl_bench.privacy.accounting import accountant, client_epsilon, group_epsilon
from adpfl_bench.privacy.ledger import PrivacyUnit, Release

EXACT, BOUND = 1.005, 1.2
GAUSSIAN, LAPLACE = "GaussianMechanism", "LaplaceMechanism"


@dataclass(frozen=True)
class Setting:
    """A ledger and its independent epsilon.

    Attributes:
        name: What it is, for the table.
        events: The ledger.
        delta: The delta of both epsilons.
        independent: Computes the other number.
        tolerance: Largest ratio of ours to it.
        size: Units of a person.
        unit: The privacy unit.
    """

    name: str
    events: Mapping[Release, int]
    delta: float
    independent: Callable[[], float]
    tolerance: float = EXACT
    size: int = 1
    unit: PrivacyUnit = "patient"

    def ours(self) -> float:
        """The package's epsilon."""
        if self.size == 1:
            return client_epsilon(self.events, self.delta)
        return group_epsilon(self.events, self.delta, self.size, self.unit)


def L1(z: float, sensitivity: float = 1.0, q: float = 1.0) -> Release:
    """Laplace noise under L1 clipping."""
    return Release(LAPLACE, z, sensitivity, q, "l1")


def G(z: float, sensitivity: float = 1.0, q: float = 1.0) -> Release:
    """Gaussian noise."""
    return Release(GAUSSIAN, z, sensitivity, q)


def _mellin(delta: float, *parts: tuple[LogMoment, int]) -> Callable[[], float]:
    return lambda: mellin_epsilon(list(parts), delta)


def _gaussian(t: float, q: float) -> LogMoment:
    return sampled(q, *gaussian_nodes(t))


def _laplace(t: float, q: float) -> LogMoment:
    return sampled(q, *laplace_nodes(t))


def _settings() -> list[Setting]:
    banded = toeplitz([1.0, 0.5, 0.25, 0.125, *[0.0] * 28], np.zeros(32))
    roots = np.cumprod([1.0, *((2 * np.arange(1, 32) - 1) / (2 * np.arange(1, 32)))])
    root = toeplitz(roots, np.zeros(32))
    many = 10**4
    return [
        Setting("Gaussian", {G(1.0): 1}, 1e-5, lambda: exact_gaussian(1.0, 1e-5)),
        Setting("Gaussian, many", {G(50.0): many}, 1e-6, lambda: exact_gaussian(2.0, 1e-6)),
        Setting("Gaussian, unit `batch`", {G(4.0, 2.0): 30}, 1e-5, lambda: exact_gaussian(30**0.5 / 2, 1e-5)),
        Setting("Gaussian of two scales", {G(2.0): 3, G(10.0): 7}, 1e-3, lambda: exact_gaussian(0.82**0.5, 1e-3)),
        Setting(
            "Gaussian, sum and count apart",
            {G(1 / math.sqrt(1 / 4 + 1 / 100)): 20},
            1e-5,
            lambda: exact_gaussian(math.sqrt(20 * (1 / 4 + 1 / 100)), 1e-5),
        ),
        Setting("Gaussian, q = 0.01", {G(1.0, q=0.01): 1000}, 1e-5, _mellin(1e-5, (_gaussian(1.0, 0.01), 1000))),
        Setting("Gaussian, q = 0.1", {G(4.0, q=0.1): 500}, 1e-6, _mellin(1e-6, (_gaussian(0.25, 0.1), 500))),
        Setting("Gaussian, q = 0.5", {G(2.0, q=0.5): 10}, 1e-3, _mellin(1e-3, (_gaussian(0.5, 0.5), 10))),
        Setting("Gaussian, q = 1e-4", {G(0.6, q=1e-4): many}, 1e-5, _mellin(1e-5, (_gaussian(1 / 0.6, 1e-4), many))),
        Setting(
            "Gaussian, q = 0.02, and unsampled",
            {G(1.0, q=0.02): 300, G(20.0): 9},
            1e-5,
            _mellin(1e-5, (_gaussian(1.0, 0.02), 300), (gaussian(1 / 20), 9)),
        ),
        Setting(
            "Gaussian, q = 0.05, sum and count apart",
            {G(1 / math.sqrt(1 / 4 + 1 / 100), q=0.05): 200},
            1e-5,
            _mellin(1e-5, (sampled(0.05, *plane(gaussian_nodes(1 / 2, 161), gaussian_nodes(1 / 10, 161))), 200)),
        ),
        Setting("Laplace, L1", {L1(2.0): 1}, 1e-5, lambda: single_laplace(0.5, 1e-5)),
        Setting("Laplace, L1, several", {L1(4.0): 50}, 1e-5, _mellin(1e-5, (laplace(0.25), 50))),
        Setting("Laplace, L1, many", {L1(20.0): 2000}, 1e-9, _mellin(1e-9, (laplace(0.05), 2000))),
        Setting("Laplace, L1, unit `batch`", {L1(40.0, 2.0): 100}, 1e-3, _mellin(1e-3, (laplace(0.05), 100))),
        Setting("Laplace, L1, q = 0.3", {L1(1.0, q=0.3): 50}, 1e-5, _mellin(1e-5, (_laplace(1.0, 0.3), 50))),
        Setting("Laplace, L1, q = 0.01", {L1(0.1, q=0.01): 50}, 1e-5, _mellin(1e-5, (_laplace(10.0, 0.01), 50))),
        Setting("Laplace, L1, q = 0.001", {L1(0.5, q=1e-3): 2000}, 1e-6, _mellin(1e-6, (_laplace(2.0, 1e-3), 2000))),
        Setting(
            "Laplace, L1, q = 0.2, sum and count apart",
            {L1(1 / (1 / 4 + 1 / 40), q=0.2): 100},
            1e-5,
            _mellin(1e-5, (sampled(0.2, *plane(laplace_nodes(1 / 4, 40), laplace_nodes(1 / 40, 40))), 100)),
            BOUND,
        ),
        Setting(
            "Laplace, L1, q = 0.1, and Gaussian",
            {L1(2.0, q=0.1): 60, G(5.0): 4, G(2.0, q=0.1): 30},
            1e-5,
            _mellin(1e-5, (_laplace(0.5, 0.1), 60), (gaussian(0.2), 4), (_gaussian(0.5, 0.1), 30)),
        ),
        Setting(
            "Laplace, L2, shift over 10^4 coordinates",
            {Release(LAPLACE, 2.0): 20},
            1e-5,
            _mellin(1e-5, (laplace(0.5 / 100), 20 * many)),
            BOUND,
        ),
        Setting("Gaussian, a person of 3", {G(10.0): 9}, 1e-5, lambda: exact_gaussian(0.9, 1e-5), size=3),
        Setting(
            "Gaussian, q = 0.01, a person of 3",
            {G(1.0, q=0.01): 500},
            1e-5,
            _mellin(1e-5, (group(1.0, 0.01, 3), 500)),
            size=3,
        ),
        Setting(
            "Gaussian, unit `batch`, a person of 4",
            {G(10.0, 2.0): 9},
            1e-5,
            lambda: exact_gaussian(1.2, 1e-5),
            size=4,
            unit="batch",
        ),
        Setting("Laplace, L1, a person of 3", {L1(60.0): 100}, 1e-5, _mellin(1e-5, (laplace(0.05), 100)), size=3),
        Setting(
            "Gaussian, correlated, 4 bands, in 4 of 32 steps",
            {G(3.0, float(np.linalg.norm(banded[:, 0]))): 4},
            1e-5,
            lambda: exact_gaussian(correlated_mu(banded, 3.0, [0, 8, 16, 24]), 1e-5),
        ),
        Setting(
            "Gaussian, correlated, square root of 32 sums, in 1 step",
            {G(2.0, float(np.linalg.norm(roots))): 1},
            1e-5,
            lambda: exact_gaussian(correlated_mu(root, 2.0, [0]), 1e-5),
        ),
    ]


SETTINGS = _settings()


def row(setting: Setting) -> tuple[str, bool]:
    """A line of the table, and whether the two numbers agree."""
    ours, other = setting.ours(), setting.independent()
    name = accountant(setting.events, setting.delta)
    cells = (
        setting.name,
        f"{sum(setting.events.values())}",
        f"{setting.delta:g}",
        name,
        f"{ours:#.5g}",
        f"{other:#.5g}",
        f"{ours / other:.4f}",
        f"{setting.tolerance:g}",
    )
    return f"| {' | '.join(cells)} |", 1 - 1e-6 <= ours / other <= setting.tolerance


def main() -> int:
    """Print the table."""
    print("| setting | releases | delta | accountant | epsilon | independent | ratio | at most |")
    print("|---|---:|---:|---|---:|---:|---:|---:|")
    right = True
    for setting in SETTINGS:
        line, agrees = row(setting)
        print(line)
        right = right and agrees
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
