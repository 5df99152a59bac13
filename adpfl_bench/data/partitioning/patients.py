"""Dividing patients: grouping cases by patient, and turning shares into whole numbers of patients."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from adpfl_bench.data.case import Case
from adpfl_bench.errors import DataError
from adpfl_bench.text import a_few


def group_by_patient(cases: Iterable[Case]) -> dict[str, list[Case]]:
    """Group cases by patient, in an order that does not depend on the order of ``cases``.

    Returns:
        The cases of each patient, sorted by case id; patients sorted by id.

    Raises:
        DataError: Two cases have the same id.
    """
    patients: dict[str, list[Case]] = {}
    seen: set[str] = set()
    twice: list[str] = []
    for case in sorted(cases, key=lambda case: case.case_id):
        if case.case_id in seen:
            twice.append(case.case_id)
        seen.add(case.case_id)
        patients.setdefault(case.patient_id, []).append(case)
    if twice:
        raise DataError(f"Case ids must be unique, but these are there twice: {a_few(twice)}; remove the duplicates.")
    return dict(sorted(patients.items()))


def apportion(total: int, shares: Sequence[float], at_least: int = 0) -> list[int]:
    """Divide ``total`` things by shares, by the method of largest remainders.

    Args:
        total: Number of things.
        shares: Non-negative weights, of any positive sum.
        at_least: What each share receives at least. It is taken one by one from the largest count, so counts differ
            from the shares no more than they must.

    Returns:
        One count for each share; they sum to ``total``.

    Raises:
        ValueError: ``total`` is less than ``at_least`` for each share.

    Example:
        >>> apportion(100, [380, 270, 190, 120])
        [40, 28, 20, 12]
        >>> apportion(10, [0.98, 0.01, 0.01], at_least=2)
        [6, 2, 2]
    """
    if total < at_least * len(shares):
        raise ValueError(f"{total} cannot be divided into {len(shares)} parts of at least {at_least}.")
    weights = np.asarray(shares, dtype=np.float64)
    quotas = total * (weights / weights.sum())
    counts = np.floor(quotas).astype(np.int64)
    by_remainder = np.argsort(counts - quotas, kind="stable")
    counts[by_remainder[: total - int(counts.sum())]] += 1
    for poorest in np.flatnonzero(counts < at_least):
        while counts[poorest] < at_least:
            counts[np.argmax(counts)] -= 1
            counts[poorest] += 1
    return [int(count) for count in counts]
