"""Table of private methods' clipping thresholds and noise: one number where it stays the same, else its range."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from adpfl_bench.leaderboard.formatting import EMPTY, Column, TextTable, set_table
from adpfl_bench.leaderboard.groups import Group, Variant

DRAWN = {"clipping_threshold": "Clipping threshold", "noise_scale": "Noise scale"}
"""What is told of the noise, by its name in rounds.csv."""


class _Range(NamedTuple):
    low: float
    high: float


class _NoiseRow(NamedTuple):
    label: str
    ranges: dict[str, _Range]


def tabulate_noise(group: Group) -> TextTable | None:
    """Make a table with a row for each method that plots show and that has a threshold in a rounds.csv.

    Returns:
        ``None`` where no method has one.
    """
    lines = [_NoiseRow(variant.label, ranges) for variant in group.shown if (ranges := _ranges(variant))]
    columns = [Column[_NoiseRow]("Method", lambda line: line.label, numeric=False)]
    for name, title in DRAWN.items():
        columns.append(Column(title, partial(_cell, name=name), key=partial(_key, name=name)))
    return set_table(columns, lines) if lines else None


def _ranges(variant: Variant) -> dict[str, _Range]:
    """The lowest and highest value of any client, round and seed; nothing of a method without thresholds."""
    found = {}
    for name in DRAWN:
        values = np.concatenate([run.rounds.of_name(name).value for run in variant.runs])
        if len(values):
            found[name] = _Range(float(values.min()), float(values.max()))
    return found if "clipping_threshold" in found else {}


def _cell(line: _NoiseRow, name: str) -> str:
    found = line.ranges.get(name)
    if found is None:
        return EMPTY
    low, high = (f"{value:.3g}" for value in found)
    return low if low == high else f"{low} to {high}"


def _key(line: _NoiseRow, name: str) -> float | None:
    found = line.ranges.get(name)
    return None if found is None else found.high
