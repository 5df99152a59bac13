"""Comparison of adaptive clipping with each fixed threshold: what it wins back."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adpfl_bench.leaderboard.groups import Group, Variant
from adpfl_bench.leaderboard.table_row import GroupLine, TableRow
from adpfl_bench.leaderboard.table_statistics import TableStatistics

_THRESHOLD = "privacy.threshold"
_FIXED = ".FixedThreshold"
_STATED = "privacy.nominal_epsilon"
"""What a method's authors state changes nothing that it does."""


@dataclass(frozen=True)
class ThresholdRow(GroupLine):
    """An adaptive method and a fixed one that differ in nothing but the threshold; a line of thresholds.csv.

    Attributes:
        region: Name of the region.
        adaptive: What the table calls the method with the adaptive threshold.
        adaptive_settings: Tells apart its settings.
        fixed: What the table calls the method with the fixed threshold.
        fixed_settings: Tells apart its settings.
        threshold: The fixed threshold C, in units of the gradient's norm.
        fixed_dice: The fixed method's mean Dice over cases and seeds, in [0, 1].
        adaptive_dice: The adaptive one's.
        reference: What the table calls the reference without privacy: the method with the same settings but those of
            privacy, or fedavg.
        reference_dice: Its mean Dice.
        gap: ``reference_dice - fixed_dice``: what the fixed method loses.
        gap_closed: ``(adaptive_dice - fixed_dice) / gap``; ``None`` where the fixed method loses nothing.
        gap_closed_low: Lower end of its 95 % interval over patients and seeds; ``None`` where the gap is not beyond
            chance, or there is one patient.
        gap_closed_high: Upper end.
    """

    region: str
    adaptive: str
    adaptive_settings: str
    fixed: str
    fixed_settings: str
    threshold: float
    fixed_dice: float
    adaptive_dice: float
    reference: str
    reference_dice: float
    gap: float
    gap_closed: float | None
    gap_closed_low: float | None
    gap_closed_high: float | None


def compare_thresholds(
    group: Group, rows: Sequence[TableRow], fedavg: TableRow | None, statistics: TableStatistics
) -> tuple[ThresholdRow, ...]:
    """Set every adaptive method against the fixed thresholds that it could have had, by their size.

    Args:
        group: A comparable group.
        rows: Its table.
        fedavg: The row of fedavg, the reference of methods that are not there without privacy; without any reference
            there is no gap to close.
        statistics: Those of the table.
    """
    variants = {variant.label: variant for variant in group.variants}
    by_label = {row.label: row for row in rows}
    found = []
    for adaptive in rows:
        reference = by_label.get(_without_privacy(variants[adaptive.label], rows, variants), fedavg)
        if reference is None:
            continue
        for label, threshold in _fixed_twins(variants[adaptive.label], variants):
            fixed = by_label[label]
            gap = reference.mean - fixed.mean
            interval = None
            if gap > 0:
                interval = statistics.share(variants[adaptive.label], variants[label], variants[reference.label])
            found.append(
                ThresholdRow(
                    *group.names,
                    region=adaptive.region,
                    adaptive=adaptive.label,
                    adaptive_settings=adaptive.settings,
                    fixed=label,
                    fixed_settings=fixed.settings,
                    threshold=threshold,
                    fixed_dice=fixed.mean,
                    adaptive_dice=adaptive.mean,
                    reference=reference.label,
                    reference_dice=reference.mean,
                    gap=gap,
                    gap_closed=(adaptive.mean - fixed.mean) / gap if gap > 0 else None,
                    gap_closed_low=interval.low if interval else None,
                    gap_closed_high=interval.high if interval else None,
                )
            )
    return tuple(found)


def fixed_threshold(variant: Variant) -> float | None:
    """Return a method's fixed threshold; ``None`` if it has none, or an adaptive one."""
    settings = variant.runs[0].settings
    if not _class_of(settings).endswith(_FIXED):
        return None
    return float(json.loads(settings[f"{_THRESHOLD}.init_args.value"]))


def _fixed_twins(adaptive: Variant, variants: Mapping[str, Variant]) -> list[tuple[str, float]]:
    """Labels and thresholds of the methods that are the same but for a fixed threshold, the smallest first."""
    settings = adaptive.runs[0].settings
    if not _class_of(settings) or fixed_threshold(adaptive) is not None:
        return []
    fixed = {label: fixed_threshold(variant) for label, variant in variants.items()}
    found = [
        (label, threshold)
        for label, threshold in fixed.items()
        if threshold is not None and _but_threshold(variants[label].runs[0].settings) == _but_threshold(settings)
    ]
    return sorted(found, key=lambda item: (item[1], item[0]))


def _without_privacy(private: Variant, rows: Sequence[TableRow], variants: Mapping[str, Variant]) -> str:
    """Label of the first method that is the same without privacy; empty where there is none."""
    settings = _but_privacy(private)
    same = (row.label for row in rows if row.unit == "none" and _but_privacy(variants[row.label]) == settings)
    return next(same, "")


def _but_privacy(variant: Variant) -> dict[str, str]:
    return {key: value for key, value in variant.runs[0].settings.items() if not key.startswith("privacy.")}


def _class_of(settings: Mapping[str, str]) -> str:
    """Class path of the threshold; empty for a method without one."""
    return str(json.loads(settings.get(f"{_THRESHOLD}.class_path", '""')))


def _but_threshold(settings: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in settings.items() if not key.startswith(_THRESHOLD) and key != _STATED}
