"""Label schemes made of what people state: values of classes, and regions that are unions of classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.errors import ConfigError
from adpfl_bench.text import folder_name_problem

LARGEST_LABEL = 255
"""As label maps are kept, in bytes."""

Regions = Mapping[str, Sequence[int | str]]
"""Regions by name, each with the values or the names of its classes."""


def make_scheme(
    name: str,
    labels: Mapping[str, int],
    regions: Regions | None = None,
    order: Sequence[int] | None = None,
    tolerances: Mapping[str, float] | None = None,
    source: str = "",
) -> LabelScheme:
    """Make a label scheme whose classes are sorted by their values.

    Without an order, larger regions are painted before those that they hold, each with the first class that no later
    one takes; a region that is made up by others is not predicted, but scored. Whatever the order, regions that are
    predicted without a fault are scored as such.

    Args:
        name: Name of the scheme.
        labels: Value of each class in the files; background, 0, is not among them.
        regions: Regions by name; by default each class is one.
        order: Value that each region is painted with, in the order of the regions, as nnU-Net's
            ``regions_class_order``.
        tolerances: Tolerance of some regions' normalised surface distance, in mm, or in pixels of pictures.
        source: Where this is stated, for errors and records.

    Raises:
        ConfigError: A name or a value cannot be, a region has a class that is not there, or painting would lose one.
    """
    where = source or name
    check_labels(labels, where)
    classes = tuple(sorted(labels, key=lambda cls: labels[cls]))
    made = {region: _classes_of(region, stated, labels, where) for region, stated in (regions or {}).items()}
    made = made or {cls: (cls,) for cls in classes}
    for region in made:
        _check_name("region", region, where)
    painting = _stated_painting(made, order, labels, where) if order is not None else _painting(made, where)
    _check_painting(made, painting, classes, where)
    for region, tolerance in (tolerances or {}).items():
        if region not in made:
            raise ConfigError(f"{where} has a tolerance of {region}, but its regions are {', '.join(made)}.")
        if not 0 <= tolerance < float("inf"):
            raise ConfigError(f"{where} has the tolerance {tolerance} of {region}; expected at least 0.")
    return LabelScheme(name, classes, made, painting, dict(tolerances or {}), source)


def check_labels(labels: Mapping[str, int], where: str) -> None:
    """Check the values of classes.

    Raises:
        ConfigError: There are none, or one is no value of a label map or that of two classes.
    """
    if not labels:
        raise ConfigError(f"{where} has no labels beside background; expected at least one class with its value.")
    for cls, value in labels.items():
        _check_name("class", cls, where)
        if isinstance(value, bool) or not 1 <= value <= LARGEST_LABEL:
            raise ConfigError(
                f"{where} gives {cls} the value {value}; expected 1 to {LARGEST_LABEL} (0 is background)."
            )
    values = list(labels.values())
    if twice := [value for value in values if values.count(value) > 1]:
        names = " and ".join(cls for cls, value in labels.items() if value == twice[0])
        raise ConfigError(f"{where} gives {names} the same value, {twice[0]}; give each class its own.")


def describe_values(labels: Mapping[str, int]) -> str:
    """List values and classes, e.g. ``"1 kidney, 2 tumour"``."""
    return ", ".join(f"{value} {cls}" for cls, value in sorted(labels.items(), key=lambda item: item[1]))


def _check_name(what: str, name: str, where: str) -> None:
    if problem := folder_name_problem(name):
        raise ConfigError(f"{where} has the {what} {name[:80]!r}, which {problem}, but names files; rename it.")


def _classes_of(region: str, stated: Sequence[int | str], labels: Mapping[str, int], where: str) -> tuple[str, ...]:
    names = {value: cls for cls, value in labels.items()}
    found = []
    for part in stated:
        cls = part if isinstance(part, str) else names.get(part)
        if cls is None or cls not in labels:
            raise ConfigError(
                f"{where} makes the region {region} of {part}, which is none of its labels: {describe_values(labels)}."
            )
        found.append(cls)
    if not found or len(set(found)) < len(found):
        wrong = "the same class twice" if found else "no class"
        raise ConfigError(f"{where} makes the region {region} of {wrong}; state each of its classes once.")
    return tuple(sorted(found, key=lambda cls: labels[cls]))


def _painting(regions: Mapping[str, tuple[str, ...]], where: str) -> tuple[tuple[str, str], ...]:
    """Larger regions first, each with the first of its classes that no later one takes."""
    names = sorted(regions, key=lambda region: -len(regions[region]))
    painting = []
    for place, region in enumerate(names):
        taken = {cls for later in names[place + 1 :] for cls in regions[later]}
        if own := [cls for cls in regions[region] if cls not in taken]:
            painting.append((region, own[0]))
    return tuple(painting)


def _stated_painting(
    regions: Mapping[str, tuple[str, ...]], order: Sequence[int], labels: Mapping[str, int], where: str
) -> tuple[tuple[str, str], ...]:
    names = {value: cls for cls, value in labels.items()}
    if len(order) != len(regions):
        raise ConfigError(
            f"{where} has {len(order)} values in regions_class_order, but {len(regions)} regions"
            f" ({', '.join(regions)}); expected one for each."
        )
    if unknown := [value for value in order if value not in names]:
        raise ConfigError(
            f"{where} has {unknown[0]} in regions_class_order, which is none of its labels: {describe_values(labels)}."
        )
    return tuple((region, names[value]) for region, value in zip(regions, order, strict=True))


def _check_painting(
    regions: Mapping[str, tuple[str, ...]],
    painting: Iterable[tuple[str, str]],
    classes: Iterable[str],
    where: str,
) -> None:
    """Check that regions that are predicted as they are stand in the label map that is painted of them."""

    def within(cls: str) -> set[str]:
        return {region for region, own in regions.items() if cls in own}

    order = list(painting)
    for cls in classes:
        painted = next((paint for region, paint in reversed(order) if cls in regions[region]), None)
        lost = within(cls) ^ (within(painted) if painted is not None else set())
        if lost:
            raise ConfigError(
                f"{where} has regions of which no label map can be painted: where {cls} is, the region"
                f" {sorted(lost)[0]} would be {'lost' if sorted(lost)[0] in within(cls) else 'invented'}. Make a region"
                " of the classes that two of them share, or state regions_class_order, smaller regions after those"
                " that hold them."
            )
