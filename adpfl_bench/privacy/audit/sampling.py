"""Sampling as it was seen: how often each unit was in a step, against what the ledger counts on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from adpfl_bench.privacy.audit.checks import Check
from adpfl_bench.privacy.audit.error_rates import ALPHA, binomial_p_value, gamma_p_values
from adpfl_bench.seeding import numpy_generator

_EDGE = 1e-12


@dataclass
class _Passes:
    """Steps of one client that were entered with one sampling rate.

    Attributes:
        population: Number of the client's units.
        rate: The sampling rate that was entered; 1 where nothing is sampled.
        passes: Units of each step, by pass.
    """

    population: int
    rate: float
    passes: dict[int, list[frozenset[Hashable]]] = field(default_factory=dict)

    @property
    def steps(self) -> list[frozenset[Hashable]]:
        return [step for steps in self.passes.values() for step in steps]


class ObservedSampling:
    """Memberships of units in steps, as batches show them."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, float], _Passes] = {}
        self._visits: dict[str, Counter[Hashable]] = {}
        self._problems: dict[str, None] = {}

    def see(self, client: str, units: Sequence[Hashable], problem: str | None) -> int:
        """Note who is in a step; returns how many of the client's steps the most frequent unit has been in.

        Args:
            client: Whose step it is.
            units: Its units, each once, those of canaries that are out included.
            problem: What is wrong with the batch itself.
        """
        if problem is not None:
            self._problems[f"client {client}: {problem}"] = None
        visits = self._visits.setdefault(client, Counter())
        visits.update(set(units))
        return max(visits.values(), default=0)

    def count(self, client: str, units: Sequence[Hashable], population: int, rate: float, this_pass: int) -> None:
        """Count a step under the rate that was entered for it.

        Args:
            client: Whose step it is.
            units: As :meth:`see`.
            population: Number of the client's units.
            rate: The sampling rate that was entered.
            this_pass: Number of the pass: how much had been entered when it began.
        """
        seen = self._clients.setdefault((client, rate), _Passes(population, rate))
        seen.passes.setdefault(this_pass, []).append(frozenset(units))

    def check(self) -> Check:
        """Check that units come as often as was entered, and no more than once in a pass that is not sampled."""
        if not self._clients and not self._problems:
            return Check(None, reason="what is protected are clients, which are not sampled")
        reasons, p_values = list(self._problems), [1.0]
        sampled = [(client, seen) for (client, rate), seen in self._clients.items() if rate < 1]
        for (client, rate), seen in self._clients.items():
            if rate >= 1 and (twice := _most_in_a_pass(seen)) > 1:
                reasons.append(f"client {client}: a unit is in {twice} steps of one pass")
        for client, seen in sampled:
            for text, p_value in _tests(seen, client):
                p_values.append(len(sampled) * p_value)
                if len(sampled) * p_value < ALPHA:
                    reasons.append(f"client {client}: {text}")
                    break
        figures: dict[str, float | int] = {
            "steps": sum(len(seen.steps) for seen in self._clients.values()),
            "units": sum(seen.population for seen in self._clients.values()),
        }
        if sampled:
            figures["smallest_p_value"] = min(p_values)
        return Check(not reasons, figures, "; ".join(reasons) or None)


def _most_in_a_pass(seen: _Passes) -> int:
    counts = [Counter(unit for step in steps for unit in step) for steps in seen.passes.values()]
    return max((most for count in counts for most in count.values()), default=0)


def _tests(seen: _Passes, client: str) -> list[tuple[str, float]]:
    """What the draws would be if each unit were drawn by itself, with the stated probability; exact p-values."""
    steps, rate, population = seen.steps, seen.rate, seen.population
    trials, sizes = len(steps), [len(step) for step in steps]
    visits = Counter(unit for step in steps for unit in step)
    counts = sorted({*visits.values(), *([0] if len(visits) < population else [])})
    often = [binomial_p_value(count, trials, rate, population) for count in counts]
    worst = counts[int(np.argmin(often))]
    pairs = list(zip(steps[::2], steps[1::2], strict=False))
    overlaps = sum(len(one & other) for one, other in pairs)
    return [
        (
            f"units are drawn with a rate of {sum(sizes) / (trials * population):.3g}, but {rate:.3g} was entered",
            binomial_p_value(sum(sizes), trials * population, rate),
        ),
        (f"a unit is in {worst} of {trials} steps, but a rate of {rate:.3g} was entered", min(often)),
        ("batches are not of the sizes that independent draws have", _spread_of_sizes(sizes, population, rate, client)),
        ("units come twice in a pass more or less often than independent draws would", _twice(seen)),
        (
            "units come in two steps in a row more or less often than independent draws would",
            binomial_p_value(overlaps, population * len(pairs), rate**2) if pairs else 1.0,
        ),
    ]


def _spread_of_sizes(sizes: Sequence[int], population: int, rate: float, client: str) -> float:
    """P-value of the spread of batch sizes: with a random part they become exactly uniform, and then normal."""
    law = stats.binom(population, rate)
    chance = numpy_generator(0, "audit of sizes", client).random(len(sizes))
    places = law.cdf(np.array(sizes) - 1) + chance * law.pmf(np.array(sizes))
    scores = stats.norm.ppf(np.clip(places, _EDGE, 1 - _EDGE))
    return float(gamma_p_values(np.array([scores @ scores / 2]), len(sizes) / 2)[0])


def _twice(seen: _Passes) -> float:
    """P-value of how many units come more than once in a pass, over all passes of one length."""
    p_values = []
    lengths = Counter(len(steps) for steps in seen.passes.values())
    for length, passes in lengths.items():
        if length > 1:
            counts = [
                Counter(unit for step in steps for unit in step)
                for steps in seen.passes.values()
                if len(steps) == length
            ]
            twice = sum(times > 1 for count in counts for times in count.values())
            often = float(stats.binom(length, seen.rate).sf(1))
            p_values.append(binomial_p_value(twice, passes * seen.population, often))
    return min(1.0, len(p_values) * min(p_values)) if p_values else 1.0
