"""What images are taken for, and how they are normalised: by names and constants alone."""

from pathlib import Path

import pytest

from adpfl_bench.planning.intensity_choice import WINDOWS, choose_modality, choose_window


@pytest.mark.parametrize(
    ("channels", "air", "modality"),
    [
        (["CT"], 0.0, "CT"),
        (["ct"], 0.0, "CT"),
        (["CT venous", "CT arterial"], 0.0, "CT"),
        (["T2", "ADC"], 1.0, "MRI"),
        (["CT", "PET"], 1.0, "MRI"),
        (["ACTH"], 1.0, "MRI"),
        ([], 1.0, "CT"),
        ([], 0.5, "MRI"),
    ],
)
def test_names_decide_and_air_where_there_are_none(channels, air, modality):
    found, reason = choose_modality(channels, air)
    assert found == modality
    assert all(name in reason for name in channels)


@pytest.mark.parametrize(
    ("names", "window"),
    [
        (["kidney", "tumour"], (-79, 304)),
        (["Liver", "cancer"], (-150, 250)),
        (["left lung", "right_lung"], (-1350, 150)),
        (["lung", "vertebrae"], (-1350, 1300)),
        (["hippocampus"], (-1000, 1000)),
        (["tumour"], (-1000, 1000)),
    ],
)
def test_a_window_is_a_constant_that_the_names_of_organs_choose(names, window):
    assert choose_window(names)[0] == window


def test_the_page_has_every_window():
    page = (Path(__file__).parents[2] / "docs" / "planning.md").read_text(encoding="utf-8")
    for organ in WINDOWS:
        low, high = organ.window
        assert f"| {organ.what} | {low:g} to {high:g} (" in page
