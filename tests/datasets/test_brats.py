"""BraTS and FeTS: the release by the names of its folders, and what is missing."""

import pytest

from adpfl_bench.datasets.brats import BRATS, BRATS_2024, CHANNELS, survey_brats
from adpfl_bench.errors import ConfigError, DataError

OLD = {1: "NETC", 2: "SNFH", 4: "ET"}
NEW = {1: "NETC", 2: "SNFH", 3: "ET"}
RELEASES = [
    ("BraTS 2018", "HGG/Brats18_CBICA_AAB_1", OLD, "CBICA"),
    ("BraTS 2018", "MICCAI_BraTS_2018_Data_Training/LGG/Brats18_TCIA10_103_1", OLD, "TCIA10"),
    ("BraTS 2019", "MICCAI_BraTS_2019_Data_Training/HGG/BraTS19_2013_10_1", OLD, "2013"),
    ("BraTS 2020", "MICCAI_BraTS2020_TrainingData/BraTS20_Training_001", OLD, None),
    ("BraTS 2021", "BraTS2021_00000", OLD, None),
    ("FeTS 2021", "FeTS21_Training_001", OLD, None),
    ("FeTS 2022", "MICCAI_FeTS2022_TrainingData/FeTS2022_00000", OLD, None),
    ("BraTS 2023 GLI", "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/BraTS-GLI-00000-000", NEW, None),
    ("BraTS 2024 GLI", "training_data1_v2/BraTS-GLI-02405-100", {**NEW, 4: "RC"}, None),
]


@pytest.mark.parametrize(("name", "folder", "labels", "site"), RELEASES)
@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_each_release_is_recognised(tmp_path, cohorts, name, folder, labels, site, suffix):
    where = cohorts.brats(tmp_path / folder, suffix=suffix)
    (where / f"._{where.name}_t1.nii.gz").touch()
    (tmp_path / ".hidden").mkdir()
    survey = survey_brats(tmp_path)
    assert survey.release.name == name
    assert survey.release.labels == labels
    assert survey.release.schemes == ((BRATS_2024, BRATS) if "2024" in name else (BRATS,))
    assert survey.problems == ()
    (case,) = survey.cases
    assert (case.case_id, case.site) == (where.name, site)
    new = "GLI" in name
    endings = ("-t1n", "-t1c", "-t2w", "-t2f") if new else ("_t1", "_t1ce", "_t2", "_flair")
    assert survey.release.channels == CHANNELS == ("t1", "t1ce", "t2", "flair")
    assert case.images == tuple(where / f"{where.name}{ending}{suffix}" for ending in endings)
    assert case.label == where / f"{where.name}{'-seg' if new else '_seg'}{suffix}"


def test_time_points_share_a_patient_and_others_do_not(tmp_path, cohorts):
    for name in ("BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-GLI-00001-000"):
        cohorts.brats(tmp_path / name)
    patients = [case.patient_id for case in survey_brats(tmp_path).cases]
    assert patients == ["BraTS-GLI-00000", "BraTS-GLI-00000", "BraTS-GLI-00001"]


def test_high_and_low_grade_are_one_release_sorted_by_id(tmp_path, cohorts):
    cohorts.brats(tmp_path / "LGG" / "Brats18_2013_0_1")
    cohorts.brats(tmp_path / "HGG" / "Brats18_CBICA_AAB_1")
    survey = survey_brats(tmp_path)
    assert [case.case_id for case in survey.cases] == ["Brats18_2013_0_1", "Brats18_CBICA_AAB_1"]
    assert [case.patient_id for case in survey.cases] == ["Brats18_2013_0_1", "Brats18_CBICA_AAB_1"]


def test_both_archives_of_2024_are_found_from_the_folder_above(tmp_path, cohorts):
    cohorts.brats(tmp_path / "training_data1_v2" / "BraTS-GLI-02405-100")
    cohorts.brats(tmp_path / "training_data_additional" / "BraTS-GLI-03064-100")
    assert len(survey_brats(tmp_path).cases) == 2


def test_several_releases_are_named_and_one_can_be_chosen(tmp_path, cohorts):
    cohorts.brats(tmp_path / "BraTS2021_00000")
    cohorts.brats(tmp_path / "BraTS-GLI-00000-000")
    with pytest.raises(DataError, match=r"several releases: .*BraTS 2023 GLI.*BraTS 2021 \(for example .*2021_00000\)"):
        survey_brats(tmp_path)
    survey = survey_brats(tmp_path, "BraTS 2021")
    assert (survey.release.name, [case.case_id for case in survey.cases]) == ("BraTS 2021", ["BraTS2021_00000"])
    with pytest.raises(DataError, match=r"holds .*, but not BraTS 2020; choose one of those"):
        survey_brats(tmp_path, "BraTS 2020")


def test_the_release_can_be_overridden(tmp_path, cohorts):
    cohorts.brats(tmp_path / "BraTS-GLI-00000-000")
    survey = survey_brats(tmp_path, "BraTS 2024 GLI")
    assert survey.release.labels[4] == "RC"
    assert len(survey.cases) == 1
    with pytest.raises(ConfigError, match=r"no release 'BraTS 2025' of BraTS; there are BraTS 2018, .*FeTS 2022"):
        survey_brats(tmp_path, "BraTS 2025")


def test_missing_files_of_two_cases_are_both_told(tmp_path, cohorts):
    first, second, _ = (cohorts.brats(tmp_path / f"BraTS2021_0000{number}") for number in range(3))
    (first / "BraTS2021_00000_t1ce.nii.gz").unlink()
    (second / "BraTS2021_00001_flair.nii.gz").unlink()
    (second / "BraTS2021_00001_seg.nii.gz").unlink()
    survey = survey_brats(tmp_path)
    assert [case.case_id for case in survey.cases] == ["BraTS2021_00002"]
    assert [(problem.case, problem.problem, problem.path) for problem in survey.problems] == [
        ("BraTS2021_00000", "BraTS2021_00000_t1ce.nii.gz is missing", first),
        ("BraTS2021_00001", "BraTS2021_00001_flair.nii.gz is missing", second),
        ("BraTS2021_00001", "BraTS2021_00001_seg.nii.gz is missing", second),
    ]


def test_a_case_in_two_folders_is_told(tmp_path, cohorts):
    one = cohorts.brats(tmp_path / "a" / "BraTS2021_00000")
    two = cohorts.brats(tmp_path / "b" / "BraTS2021_00000")
    survey = survey_brats(tmp_path)
    assert [case.images[0].parent for case in survey.cases] == [one]
    assert [str(problem) for problem in survey.problems] == [f"BraTS2021_00000: is there twice, also as {one} ({two})"]


def test_validation_cases_and_other_folders_are_no_cases(tmp_path, cohorts):
    cohorts.brats(tmp_path / "BraTS20_Training_001")
    cohorts.brats(tmp_path / "BraTS20_Validation_001")
    (tmp_path / "notes").mkdir()
    survey = survey_brats(tmp_path)
    assert [case.case_id for case in survey.cases] == ["BraTS20_Training_001"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("nothing", "does not exist; give the folder"),
        ("root/kaggle_3m", r"looks like LGG \(kaggle_3m\)"),
        ("root/HGG", r"BraTS: .* holds no case folders"),
        ("root/a/b/c/BraTS2021_00000", "holds a, none of which is expected"),
    ],
)
def test_a_folder_that_is_something_else(tmp_path, content, sentence):
    (tmp_path / content).mkdir(parents=True)
    with pytest.raises(DataError, match=sentence):
        survey_brats(tmp_path / "root")


def test_real_sample(real_data):
    survey = survey_brats(real_data / "brats_sample")
    assert (survey.release.name, len(survey.cases), survey.problems) == ("BraTS 2021", 1, ())
