"""Whom a run protects, in its dataset's word; where an older record does not say, as the catalogue has it."""

from adpfl_bench.datasets.catalogue import IDENTITIES
from adpfl_bench.records.blocks import PrivacyBlock
from adpfl_bench.records.protected import Identity, Protected, protected
from adpfl_bench.records.run_record import RunRecord

SEEDED, SECRET = "seeded", "secret"
"""Where noise comes from: the seed, or the operating system."""

NOISE_NOTE = "seeded noise protects from nobody who knows the seed, which run.json states"


def protected_word(record: RunRecord) -> Protected | None:
    """Return the word for a record's unit; ``None`` where nothing is protected."""
    return record.privacy.protects or protected(record.privacy.unit, *_identities(record))


def ids_word(record: RunRecord) -> Identity | None:
    """Return what a record's ids of patients identify; ``None`` where that is not known."""
    stated = record.data.patient_id_is
    known = IDENTITIES.get(record.data.datamodule or "")
    return stated or (known[1] if known else None)


def person(record: RunRecord) -> tuple[int | None, float | None]:
    """Return the largest number of units of one person, and what these get together; ``None`` where it is not known."""
    privacy = record.privacy
    if privacy.units_per_person is None and protected_word(record) == "patient":  # of a record that does not say so
        return 1, privacy.accounted.epsilon
    return privacy.units_per_person, privacy.accounted.group_epsilon


def noise_source(privacy: PrivacyBlock) -> str | None:
    """Say where noise comes from; ``None`` where there is none, or where it is not recorded."""
    if privacy.unit == "none" or not privacy.noise_multiplier or privacy.secure is None:
        return None
    return SECRET if privacy.secure else SEEDED


def _identities(record: RunRecord) -> tuple[Identity, Identity]:
    example, patient_id = IDENTITIES.get(record.data.datamodule or "", ("record", "patient id"))
    return record.data.example_is or example, record.data.patient_id_is or patient_id
