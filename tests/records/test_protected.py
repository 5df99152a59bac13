"""Words for what is protected."""

from typing import get_args

import pytest

from adpfl_bench.records.protected import MEANINGS, Identity, Protected, group_text, protected, unit_text


@pytest.mark.parametrize(
    ("unit", "example", "patient_id", "word"),
    [
        ("record", "image", "lesion", "image"),
        ("patient", "image", "lesion", "lesion"),
        ("record", "slice", "patient", "slice"),
        ("patient", "record", "patient id", "patient id"),
        ("batch", "image", "image", "batch"),
        ("client", "image", "image", "client"),
        ("none", "image", "patient", None),
    ],
)
def test_word_for_a_unit(unit, example, patient_id, word):
    assert protected(unit, example, patient_id) == word


def test_every_word_has_a_meaning():
    assert set(MEANINGS) == set(get_args(Protected)) >= set(get_args(Identity))


def test_units_beside_their_words():
    assert unit_text("patient", "lesion") == "patient (one lesion)"
    assert unit_text("batch", "batch") == "batch"


def test_what_a_person_gets():
    assert group_text(None, None, "lesion") == "what all lesions of one person together get is not known"
    assert group_text(1, 8.0, "patient") == "a person is one patient"
    assert group_text(1, 8.0, "slice") == "no person has several slices"
    assert group_text(1, 8.0, "client") == "a person is in one client"
    assert group_text(3, 35.04, "image") == "a person has up to 3 images; together they get epsilon 35.04"
    assert group_text(3, None, "batch") == "a person has up to 3 training examples; together nothing is proved"
