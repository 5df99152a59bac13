"""KiTS: the year by its layout, and what is missing."""

import logging

import pytest

from adpfl_bench.datasets.kits import KITS, RELEASES, survey_kits
from adpfl_bench.errors import ConfigError, DataError

VOTED = "aggregated_MAJ_seg.nii.gz"


@pytest.mark.parametrize(
    ("year", "folder", "case", "label_file"),
    [
        ("KiTS19", "", "case_00003", "segmentation.nii.gz"),
        ("KiTS19", "data", "case_00003", "segmentation.nii.gz"),
        ("KiTS21", "", "case_00003", VOTED),
        ("KiTS21", "data", "case_00299", VOTED),
        ("KiTS23", "dataset", "case_00003", "segmentation.nii.gz"),
        ("KiTS23", "", "case_00400", "segmentation.nii.gz"),
        ("KiTS23", "data", "case_00588", "segmentation.nii.gz"),
    ],
)
def test_the_year_is_recognised(tmp_path, cohorts, year, folder, case, label_file):
    cohorts.kits(tmp_path / folder / case, label_file)
    survey = survey_kits(tmp_path)
    assert survey.release == RELEASES[year]
    assert survey.release.name == year
    assert survey.problems == ()
    assert [(found.case_id, found.patient_id) for found in survey.cases] == [(case, case)]
    assert survey.cases[0].images == (tmp_path / folder / case / "imaging.nii.gz",)
    assert survey.cases[0].label == tmp_path / folder / case / label_file


@pytest.mark.parametrize("sign", ["kits23.json", "data/kits23.json", "data/case_00003/instances/"])
def test_signs_of_2023(tmp_path, cohorts, sign):
    cohorts.kits(tmp_path / "data" / "case_00003")
    assert survey_kits(tmp_path).release.name == "KiTS19"
    if sign.endswith("/"):
        (tmp_path / sign).mkdir()
    else:
        (tmp_path / sign).touch()
    assert survey_kits(tmp_path).release.name == "KiTS23"


def test_the_year_can_be_given(tmp_path, cohorts):
    cohorts.kits(tmp_path / "case_00003")
    survey = survey_kits(tmp_path, "KiTS23")
    assert survey.release.labels == {1: "kidney", 2: "tumour", 3: "cyst"}
    assert survey.release.schemes == (KITS,)
    with pytest.raises(ConfigError, match="no release 'KiTS22' of KiTS; there are KiTS19, KiTS21, KiTS23"):
        survey_kits(tmp_path, "KiTS22")


def test_the_test_set_of_2019_is_left_out_with_a_word(tmp_path, cohorts, caplog):
    for number in (3, 210, 299):
        cohorts.kits(tmp_path / f"case_{number:05d}")
    for number in (210, 299):
        (tmp_path / f"case_{number:05d}" / "segmentation.nii.gz").unlink()
    with caplog.at_level(logging.INFO):
        survey = survey_kits(tmp_path)
    assert [case.case_id for case in survey.cases] == ["case_00003"]
    assert survey.problems == ()
    assert "2 cases without a segmentation are left out: case_00210, case_00299" in caplog.text


@pytest.mark.parametrize(
    ("folder", "label_file", "missing"),
    [
        ("data", "segmentation.nii.gz", "imaging.nii.gz"),
        ("dataset", "segmentation.nii.gz", "imaging.nii.gz"),
        ("dataset", "segmentation.nii.gz", "segmentation.nii.gz"),
        ("data", VOTED, VOTED),
    ],
)
def test_missing_files_are_problems_and_their_cases_are_left_out(tmp_path, cohorts, folder, label_file, missing):
    broken = [cohorts.kits(tmp_path / folder / f"case_0000{number}", label_file) for number in (1, 3)]
    cohorts.kits(tmp_path / folder / "case_00002", label_file)
    for case in broken:
        (case / missing).unlink()
    survey = survey_kits(tmp_path)
    assert [case.case_id for case in survey.cases] == ["case_00002"]
    assert [str(problem) for problem in survey.problems] == [
        f"{case.name}: {missing} is missing ({case})" for case in broken
    ]


def test_no_file_is_opened(tmp_path, cohorts):
    cohorts.kits(tmp_path / "case_00001")
    before = survey_kits(tmp_path)
    for file in tmp_path.glob("*/*"):
        file.write_bytes(b"")
    assert survey_kits(tmp_path) == before


def test_two_releases_in_one_folder_are_told(tmp_path, cohorts):
    cohorts.kits(tmp_path / "data" / "case_00001")
    cohorts.kits(tmp_path / "dataset" / "case_00001")
    with pytest.raises(
        DataError, match=r"holds cases in .*/dataset, .*/data; keep each release in a folder of its own"
    ):
        survey_kits(tmp_path)


def test_another_dataset_is_named(tmp_path, cohorts):
    cohorts.brats(tmp_path / "BraTS2021_00000")
    with pytest.raises(DataError, match=r"looks like BraTS \(it holds BraTS2021_00000\)"):
        survey_kits(tmp_path)


def test_real_label_maps_without_images(real_data):
    survey = survey_kits(real_data / "kits19_labels")
    assert survey.release.name == "KiTS19"
    assert survey.cases == ()
    assert len(survey.problems) == 24
    assert {problem.problem for problem in survey.problems} == {"imaging.nii.gz is missing"}


def test_files_that_are_called_like_cases_are_none(tmp_path):
    (tmp_path / "case_00000").write_text("a link that an archive had as a file")
    with pytest.raises(DataError, match=r"^KiTS: .* holds no folders of cases; give the folder that holds case_00000/"):
        survey_kits(tmp_path)
