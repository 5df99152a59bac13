"""How cases are spread over the sites of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol


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
