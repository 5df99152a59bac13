"""Sites of a phantom: how far apart they are, and which cases come from each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from adpfl_bench.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    _Site = TypeVar("_Site", bound=DataclassInstance)

_Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Trait:
    """A trait in which sites differ.

    Attributes:
        factor: Whether sites differ by factors (of a gain, a noise level), or by amounts (of a probability).
        low: Smallest value that still makes an image.
        high: Largest such value.
    """

    factor: bool
    low: float
    high: float


def factor(low: float, high: float) -> Trait:
    """Make a positive trait that sites differ in by factors."""
    return Trait(True, low, high)


def amount(low: float, high: float) -> Trait:
    """Make a trait that sites differ in by amounts."""
    return Trait(False, low, high)


MIXTURE = "mixture"
"""Annotates a field that holds how often things occur, by their names."""


def check_shift(shift: float) -> None:
    """Refuse a shift that is negative or not finite."""
    if not 0 <= shift < float("inf"):
        raise ConfigError(
            f"The shift between a phantom's sites must be 0 (none) or more, 1 being the usual one, but it is {shift}."
        )


def shift_sites(sites: Mapping[str, _Site], shift: float, share: Callable[[_Site], float]) -> Mapping[str, _Site]:
    """Move sites away from the cohort's average, or towards it.

    The fields that move are those annotated with a :class:`Trait` (numbers, ranges of two, or gains of three channels)
    or with :data:`MIXTURE`. Each trait x of a site with the average m over the cohort becomes m + shift (x - m), or
    m (x / m)^shift where sites differ by factors (m is then the geometric average). Of a range both its middle and its
    width move.

    Args:
        sites: The sites by name.
        shift: 1 leaves the sites as they are, 0 makes them alike, more than 1 moves them apart.
        share: A site's weight in the average.
    """
    if shift == 1:
        return dict(sites)
    weights = np.array([share(site) for site in sites.values()], dtype=np.float64)
    weights /= weights.sum()
    moved: dict[str, dict[str, Any]] = {name: {} for name in sites}
    for field, hint in get_type_hints(type(next(iter(sites.values()))), include_extras=True).items():
        values = [getattr(site, field) for site in sites.values()]
        for kind in getattr(hint, "__metadata__", ()):
            shifted = _mix(values, weights, shift) if kind == MIXTURE else _move(values, weights, shift, kind)
            for own, value in zip(moved.values(), shifted, strict=True):
                own[field] = value
    return {name: replace(site, **moved[name]) for name, site in sites.items()}


def _move(values: list[Any], weights: _Weights, shift: float, trait: Trait) -> list[Any]:
    """Move one trait of all sites."""
    rows = np.array([np.atleast_1d(value) for value in values], dtype=np.float64)
    scaled = np.log(rows) if trait.factor else rows
    is_range = rows.shape[1] == 2
    if is_range:  # its middle, and half its width
        scaled = np.stack([scaled.mean(axis=1), (scaled[:, 1] - scaled[:, 0]) / 2], axis=1)
    average = weights @ scaled
    scaled = average + shift * (scaled - average)
    if is_range:
        middle, half = scaled[:, 0], np.maximum(scaled[:, 1], 0)
        scaled = np.stack([middle - half, middle + half], axis=1)
    moved = np.clip(np.exp(scaled) if trait.factor else scaled, trait.low, trait.high).tolist()
    return [tuple(row) if isinstance(value, tuple) else row[0] for value, row in zip(values, moved, strict=True)]


def _mix(values: list[Mapping[str, float]], weights: _Weights, shift: float) -> list[dict[str, float]]:
    """Move how often things occur: shares of each site, none below 0."""
    names = list(dict.fromkeys(name for value in values for name in value))
    rows = np.array([[value.get(name, 0) for name in names] for value in values], dtype=float)
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
