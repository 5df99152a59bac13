"""What an epsilon protects: the word for a unit, by what a dataset's examples and ids are."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from adpfl_bench.privacy.ledger import PrivacyUnit

Identity = Literal["record", "image", "slice", "lesion", "patient", "patient id"]
"""What an example is, or what a patient_id identifies: ``record`` and ``patient id`` where a dataset does not say."""

Protected = Literal["batch", "record", "image", "slice", "lesion", "patient", "patient id", "client"]
"""What one neighbour differs in, in the dataset's word."""

MEANINGS: Mapping[Protected, str] = MappingProxyType(
    {
        "batch": "what one batch of a local epoch holds; not all examples of a patient",
        "record": "one training example",
        "image": "one image; further images of the same person are further units",
        "slice": "one slice; the other slices of the same patient are further units",
        "lesion": "all training examples of one lesion; further lesions of the same person are further units",
        "patient": "all training examples of one patient",
        "patient id": "all training examples of one patient_id; what it identifies is not recorded",
        "client": "all training examples of one client",
    }
)
"""What is protected, by its word."""


def protected(unit: PrivacyUnit, example: Identity, patient_id: Identity) -> Protected | None:
    """Return the word for a privacy unit; ``None`` where nothing is protected.

    Args:
        unit: The privacy unit.
        example: What a training example is.
        patient_id: What a ``patient_id`` identifies.
    """
    if unit == "record":
        return example
    if unit == "patient":
        return patient_id
    return None if unit == "none" else unit


def unit_text(unit: PrivacyUnit, word: str) -> str:
    """Name a unit by its setting and, where that is another, by the dataset's word: ``patient (one image)``."""
    return unit if unit == word else f"{unit} (one {word})"


def group_text(units_per_person: int | None, group_epsilon: float | None, word: str) -> str:
    """Say what all units of one person together get."""
    thing = "training example" if word in ("batch", "record") else word
    if units_per_person is None:
        return f"what all {thing}s of one person together get is not known"
    if units_per_person == 1:
        special = {"patient": "a person is one patient", "client": "a person is in one client"}
        return special.get(word, f"no person has several {thing}s")
    found = "nothing is proved" if group_epsilon is None else f"they get epsilon {group_epsilon:.4g}"
    return f"a person has up to {units_per_person} {thing}s; together {found}"
