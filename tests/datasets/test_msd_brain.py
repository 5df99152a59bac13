"""Task01 of the Decathlon: channels and labels by the names in dataset.json."""

import nibabel as nib
import numpy as np
import pytest

from adpfl_bench.datasets.brats import BRATS
from adpfl_bench.datasets.msd_brain import survey_msd_brain
from adpfl_bench.errors import ConfigError, DataError

SWAPPED = {"0": "T2w", "1": "t1gd", "2": "FLAIR", "3": "T1w"}


@pytest.mark.parametrize(
    ("modality", "places"),
    [({"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}, (1, 2, 3, 0)), (SWAPPED, (3, 1, 0, 2))],
)
def test_channels_are_in_the_order_of_the_suite(tmp_path, cohorts, modality, places):
    survey = survey_msd_brain(cohorts.msd(tmp_path, modality=modality))
    case = survey.cases[1]
    stored = nib.load(case.images[0]).get_fdata(dtype=np.float32)
    assert survey.release.channels == ("t1", "t1ce", "t2", "flair")
    for channel, place in enumerate(places):
        np.testing.assert_array_equal(survey.release.reader.read_channel(case, channel), stored[..., place])


def test_cases_and_labels(tmp_path, cohorts):
    cohorts.msd(tmp_path)
    (tmp_path / "imagesTr" / "._BRATS_001.nii.gz").touch()
    (tmp_path / "imagesTr" / "README.txt").touch()
    survey = survey_msd_brain(tmp_path)
    assert [case.case_id for case in survey.cases] == ["BRATS_001", "BRATS_002"]
    assert survey.cases[0].label == tmp_path / "labelsTr" / "BRATS_001.nii.gz"
    assert survey.release.labels == {1: "SNFH", 2: "NETC", 3: "ET"}
    assert (survey.release.schemes, survey.problems) == ((BRATS,), ())


def test_labels_go_by_name_and_not_by_number(tmp_path, cohorts):
    labels = {"0": "background", "1": "Enhancing tumor", "2": "edema", "3": "non-enhancing tumour"}
    survey = survey_msd_brain(cohorts.msd(tmp_path, labels=labels))
    assert survey.release.labels == {1: "ET", 2: "SNFH", 3: "NETC"}


def test_lonely_images_and_labels_are_both_told(tmp_path, cohorts):
    cohorts.msd(tmp_path, cases=3)
    (tmp_path / "labelsTr" / "BRATS_001.nii.gz").unlink()
    (tmp_path / "imagesTr" / "BRATS_003.nii.gz").unlink()
    survey = survey_msd_brain(tmp_path)
    assert [case.case_id for case in survey.cases] == ["BRATS_002"]
    assert [(problem.case, problem.problem) for problem in survey.problems] == [
        ("BRATS_001", "has no label map in labelsTr"),
        ("BRATS_003", "has no image in imagesTr"),
    ]


@pytest.mark.parametrize(
    "description",
    [
        {"modality": {"0": "CT"}},
        {"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T3w"}},
        {"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w", "4": "T1w"}},
        {"labels": {"0": "background", "1": "edema", "2": "liver", "3": "enhancing tumour"}},
        {"labels": {"0": "background", "1": "edema"}},
    ],
)
def test_another_task_is_refused(tmp_path, cohorts, description):
    with pytest.raises(
        DataError, match=r"dataset.json describes the sequences .* and the labels .*; expected t1w, t1gd"
    ):
        survey_msd_brain(cohorts.msd(tmp_path, **description))


@pytest.mark.parametrize("text", ["{", "[]", '{"modality": {}}', '{"modality": {"a": "b"}, "labels": {}}'])
def test_a_damaged_description(tmp_path, cohorts, text):
    cohorts.msd(tmp_path)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset.json cannot be read .*expected modality and labels"):
        survey_msd_brain(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"1": "T1w"', '"1": "T1w", "1": "T1w"', "the key 1 is there twice"),
        ('"labels": {', '"labels": {"01": "edema", ', "'01' is no number"),
        ('"0": "FLAIR"', '" 0": "FLAIR"', "' 0' is no number"),
        ('"0": "FLAIR"', '"\u0660": "FLAIR"', "is no number"),
        ('"edema"', "NaN", "it has NaN, which is no number in JSON"),
    ],
)
def test_a_description_that_states_a_number_in_two_ways(tmp_path, cohorts, old, new, said):
    cohorts.msd(tmp_path)
    text = (tmp_path / "dataset.json").read_text()
    assert old in text
    (tmp_path / "dataset.json").write_text(text.replace(old, new))
    with pytest.raises(DataError, match=f"dataset.json cannot be read .*{said}"):
        survey_msd_brain(tmp_path)


def test_names_that_no_sentence_could_state(tmp_path, cohorts):
    sequences = {"0": "FLAIR", "1": "T1w", "2": "t1gd"}
    with pytest.raises(DataError, match=r"the sequences 'FLAIR, T1w, t1gd, a\\nb\\ud800' and the labels backg"):
        survey_msd_brain(cohorts.msd(tmp_path / "1", modality={**sequences, "3": "a\nb\ud800"}))
    with pytest.raises(DataError, match=r"t1gd, x{100,}\.\.\. and the labels"):
        survey_msd_brain(cohorts.msd(tmp_path / "2", modality={**sequences, "3": "x" * 5000}))


def test_missing_parts(tmp_path, cohorts):
    cohorts.msd(tmp_path)
    with pytest.raises(ConfigError, match="there are MSD Task01"):
        survey_msd_brain(tmp_path, "MSD Task02")
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"dataset\.json does not exist; unpack"):
        survey_msd_brain(tmp_path)
