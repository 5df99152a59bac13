"""Looks of methods: one colour, line style and marker for a method in all plots of all groups."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from adpfl_bench.leaderboard.groups import MOST_SHOWN, Group
from adpfl_bench.leaderboard.method_order import method_order


def share_looks(groups: Sequence[Group]) -> list[Group]:
    """Give the methods of all groups their looks, by name, so that a name looks the same wherever it is drawn.

    The order is that of tables, without scores: a look does not change when a number does. No two methods look alike
    as long as there are not more names than looks; with more of them, those that no plot shows together may.

    Returns:
        The same groups in the same order.
    """
    variants = {variant.label: variant for group in groups for variant in group.variants}
    labels = sorted(variants, key=lambda label: _order(label, variants[label].method, variants[label].is_private))
    if len(labels) <= MOST_SHOWN:
        looks = {label: place for place, label in enumerate(labels)}
    else:
        looks = _looks_of_many([list(group.places) for group in groups], labels)
    return [
        replace(group, looks={v.label: looks[v.label] for v in group.variants if v.label in looks}) for group in groups
    ]


def _order(label: str, method: str, private: bool) -> tuple[int, bool, float, str]:
    return method_order(method, "some" if private else "none", 0.0, label)


def _looks_of_many(shown: Sequence[Sequence[str]], labels: Sequence[str]) -> dict[str, int]:
    """The lowest look that no method has which is shown together with this one, for each method that is shown."""
    together: dict[str, set[str]] = {}
    for of_group in shown:
        for label in of_group:
            together.setdefault(label, set()).update(of_group)
    looks: dict[str, int] = {}
    for label in (label for label in labels if label in together):
        taken = {looks[other] for other in together[label] if other in looks}
        looks[label] = next(place for place in count() if place not in taken)
    return looks
