"""Properties of cases that partitions divide by: columns of the dataset's metadata, and the size of the lesion."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_reading import read_cases
from adpfl_bench.errors import ConfigError
from adpfl_bench.text import a_few, count

LESION_SIZE = "lesion_size"
"""The one property that no dataset states: it is measured in the label files."""

_NOTHING = ("", "na", "n/a", "nan", "none", "null")


def with_lesion_sizes(cases: Sequence[Case], measure: Callable[[Case], float]) -> list[Case]:
    """Add the size of its lesion, measured in the label file, to the metadata of each case.

    Raises:
        DataError: A label file cannot be read.
    """
    sizes = read_cases(cases, lambda i: measure(cases[i]), "Measuring lesions")
    return [
        replace(case, metadata={**case.metadata, LESION_SIZE: repr(float(size))})
        for case, size in zip(cases, sizes, strict=True)
    ]


def patient_values(
    patients: Mapping[str, Sequence[Case]], by: str, keep_unstated: bool = False
) -> Mapping[str, float] | Mapping[str, str]:
    """Return the value of a property for each patient.

    A property is numeric if all stated values are numbers, and then a patient's value is the mean over its cases that
    state one. Otherwise it is the most frequent of its cases' values, the first by name where that is a tie.

    Args:
        patients: The cases of each patient.
        by: Name of the property.
        keep_unstated: Whether patients may have no case that states it.

    Returns:
        Numbers, or words, of the patients that have one.

    Raises:
        ConfigError: No case states the property, or those of some patient do not.
    """
    stated = {
        patient: [value for case in theirs if (value := _stated(case, by))] for patient, theirs in patients.items()
    }
    without = [patient for patient, values in stated.items() if not values]
    if without and not (keep_unstated and len(without) < len(patients)):
        raise ConfigError(_missing(patients, by, without))
    stated = {patient: values for patient, values in stated.items() if values}
    try:
        numbers = {patient: [float(value) for value in values] for patient, values in stated.items()}
    except ValueError:
        tallies = {patient: Counter(values) for patient, values in stated.items()}
        return {patient: min(tally, key=lambda value: (-tally[value], value)) for patient, tally in tallies.items()}
    return {patient: math.fsum(values) / len(values) for patient, values in numbers.items()}


def _stated(case: Case, by: str) -> str:
    value = case.metadata.get(by, "").strip()
    return "" if value.lower() in _NOTHING else value


def _missing(patients: Mapping[str, Sequence[Case]], by: str, without: Sequence[str]) -> str:
    cases = [case for theirs in patients.values() for case in theirs]
    complete = [
        name
        for name in sorted({name for case in cases for name in case.metadata} - {LESION_SIZE})
        if all(any(_stated(case, name) for case in theirs) for theirs in patients.values())
    ]
    possible = f"possible are {', '.join([*complete, f'{LESION_SIZE} (which is measured)'])}"
    if len(without) == len(patients):
        return f"The partition is by {by}, which the cases of this dataset do not state; {possible}."
    return (
        f"The partition is by {by}, which {count(without, 'patient')} of {len(patients):,} do not state"
        f" ({a_few(without)}); keep_unstated: true makes a group of them. Stated for every patient, {possible}."
    )
