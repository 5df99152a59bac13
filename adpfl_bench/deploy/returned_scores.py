"""Scores that hospitals have returned to the server: their cases, or means that stand for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from adpfl_bench.deploy.messages import MessageError, ScoreFacts
from adpfl_bench.records.case_score import COLUMNS, SCORES, CaseScore
from adpfl_bench.records.round_metrics import ALL_CLIENTS, RoundMetric

_SHORT = {"validation": "val", "test": "test"}
_FIXED = frozenset(COLUMNS) - frozenset(SCORES)


def returned_cases(hospital: str, scores: ScoreFacts) -> list[CaseScore]:
    """Read the lines of cases that a hospital has returned.

    Raises:
        MessageError: One is of another hospital or split, or none.
    """
    return [_case(hospital, scores.split, line) for line in scores.cases]


def _case(hospital: str, split: str, line: Mapping[str, Any]) -> CaseScore:
    values = {name: value for name, value in line.items() if name not in _FIXED and value is not None}
    texts = [line.get(name) for name in ("case", "patient", "client", "split", "region", "hd95_unit", "model")]
    case, patient, client, own_split, region, unit, model = texts
    numbers = all(isinstance(value, int | float) and math.isfinite(value) for value in values.values())
    if not numbers or not all(isinstance(text, str) for text in texts) or (client, own_split) != (hospital, split):
        raise MessageError(
            f"Hospital {hospital} has returned a line of scores that is none of its own {split} cases; it is not"
            " recorded."
        )
    missed = line.get("missed")
    owners = str(case), str(patient), hospital, split, str(region)
    return CaseScore(*owners, values, str(unit), bool(missed) if missed in (0, 1) else None, str(model))


def mean_metrics(returned: Mapping[str, ScoreFacts]) -> list[RoundMetric]:
    """Return means of what hospitals have returned, by hospital and over all, as a line of rounds.csv has them."""
    found: list[RoundMetric] = []
    total: dict[str, list[tuple[int, float]]] = {}
    for hospital, scores in returned.items():
        for mean in scores.means:
            name = f"{_SHORT[scores.split]}_{mean.metric}_{mean.region}"
            found.append(RoundMetric(hospital, name, mean.mean))
            total.setdefault(name, []).append((mean.cases, mean.mean))
    for name, own in total.items():
        cases = sum(number for number, _ in own)
        found.append(RoundMetric(ALL_CLIENTS, name, math.fsum(number * mean for number, mean in own) / max(1, cases)))
    return found
