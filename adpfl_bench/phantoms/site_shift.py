"""The sites of a phantom: how far apart they are, and which cases come from each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from adpfl_bench.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    _Site = TypeVar("_Site", bound=DataclassInstance)


@dataclass(frozen=True)
class Trait:
    """Something that sites differ in.

    Attributes:
        factor: Whether sites differ by factors (of a gain, a noise level), or by amounts (of a probability).
        low: Smallest value that still makes an image.
        high: Largest such value.
    """

    factor: bool
    low: float
    high: float


def factor(low: float, high: float) -> Trait:
    """A positive trait that sites differ in by factors."""
    return Trait(True, low, high)


def amount(low: float, high: float) -> Trait:
    """A trait that sites differ in by amounts."""
    return Trait(False, low, high)


def check_shift(shift: float) -> None:
    """Refuse a strength that means nothing.

    Raises:
        ConfigError: It is negative or not finite.
    """
    if not 0 <= shift < float("inf"):
        raise ConfigError(
            f"The shift between a phantom's sites must be 0 (none) or more, 1 being the usual one, but it is {shift}."
        )


def shift_sites(
    sites: Mapping[str, _Site],
    traits: Mapping[str, Trait],
    shift: float,
    share: Callable[[_Site], float],
    mixtures: Sequence[str] = (),
) -> Mapping[str, _Site]:
    """Move sites away from the cohort's average, or towards it.

    Each trait x of a site with the average m over the cohort becomes m + shift (x - m), or m (x / m)^shift where sites
    differ by factors (m is then the geometric average). Of a range both its middle and its width move.

    Args:
        sites: The sites by name.
        traits: Fields that move: numbers, ranges (two numbers) or gains of channels (three).
        shift: 1 leaves the sites as they are, 0 makes them alike, more than 1 moves them apart.
        share: A site's weight in the average.
        mixtures: Fields that move and hold how often something occurs, by its name.
    """
    if shift == 1:
        return dict(sites)
    weights = np.array([share(site) for site in sites.values()], dtype=np.float64)
    weights /= weights.sum()
    moved: dict[str, dict[str, Any]] = {name: {} for name in sites}
    for field, trait in traits.items():
        rows = np.array([np.atleast_1d(getattr(site, field)) for site in sites.values()], dtype=np.float64)
        for (name, site), row in zip(sites.items(), _move(rows, weights, shift, trait), strict=True):
            values = tuple(float(value) for value in row)
            moved[name][field] = values if isinstance(getattr(site, field), tuple) else values[0]
    for field in mixtures:
        moved = {
            name: {**own, field: mixture}
            for (name, own), mixture in zip(moved.items(), _mix(sites, field, weights, shift), strict=True)
        }
    return {name: replace(site, **moved[name]) for name, site in sites.items()}


def _move(rows: np.ndarray[Any, Any], weights: np.ndarray[Any, Any], shift: float, trait: Trait) -> Any:
    """Move one trait of all sites, [sites, values]."""
    values = np.log(rows) if trait.factor else rows
    if values.shape[1] == 2:  # a range: its middle, and half its width
        values = np.stack([values.mean(axis=1), (values[:, 1] - values[:, 0]) / 2], axis=1)
    average = weights @ values
    values = average + shift * (values - average)
    if rows.shape[1] == 2:
        middle, half = values[:, 0], np.maximum(values[:, 1], 0)
        values = np.stack([middle - half, middle + half], axis=1)
    return np.clip(np.exp(values) if trait.factor else values, trait.low, trait.high)


def _mix(sites: Mapping[str, Any], field: str, weights: np.ndarray[Any, Any], shift: float) -> list[dict[str, float]]:
    """Move how often things occur: shares of each site, none below 0."""
    names = list(dict.fromkeys(name for site in sites.values() for name in getattr(site, field)))
    rows = np.array([[getattr(site, field).get(name, 0) for name in names] for site in sites.values()], dtype=float)
    rows /= rows.sum(axis=1, keepdims=True)
    average = weights @ rows
    rows = np.maximum(average + shift * (rows - average), 0)
    rows /= rows.sum(axis=1, keepdims=True)
    return [dict(zip(names, row.tolist(), strict=True)) for row in rows]


class HasShare(Protocol):
    """A site with its share of the cohort."""

    @property
    def share(self) -> float:
        """Share of the cohort, in (0, 1]."""


def assign_sites(cases: int, sites: Mapping[str, HasShare], fewest: int = 3) -> Sequence[str]:
    """Say which site each case comes from; the answer for a case does not depend on how many follow it.

    The first cases go around, so that no site is left with fewer than ``fewest`` where there are enough cases. Each
    later case goes to the site that is furthest below its share.

    Example:
        >>> from collections import Counter
        >>> from adpfl_bench.phantoms.volumes.ct_scanner import SITES
        >>> Counter(assign_sites(12, SITES)) == {"site-0": 3, "site-1": 3, "site-2": 3, "site-3": 3}
        True
        >>> Counter(assign_sites(100, SITES)) == {"site-0": 36, "site-1": 28, "site-2": 22, "site-3": 14}
        True
    """
    names = list(sites)
    counts = dict.fromkeys(names, 0)
    assigned = []
    for index in range(cases):
        missing = {name: sites[name].share * (index + 1) - counts[name] for name in names}
        name = names[index % len(names)] if index < fewest * len(names) else max(names, key=missing.__getitem__)
        counts[name] += 1
        assigned.append(name)
    return assigned
