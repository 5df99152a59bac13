"""TCGA-LGG: slices, as volumes and as pictures."""

from collections import Counter

import nibabel as nib
import numpy as np
import pytest
import tifffile

from adpfl_bench.datasets.lgg import LGGDataModule, scan_lgg_slices, survey_lgg
from adpfl_bench.errors import DataError

PATIENT = "TCGA_CS_4941_19960909"


@pytest.mark.parametrize("folder", ["", "kaggle_3m"])
def test_slices_are_stacked_in_the_order_of_their_numbers(tmp_path, cohorts, folder):
    where = cohorts.lgg(tmp_path / folder / PATIENT, slices=12)
    (where.parent / "data.csv").touch()
    (where.parent / "README.md").touch()
    survey = survey_lgg(tmp_path)
    (case,) = survey.cases
    assert (case.case_id, case.patient_id, case.site) == (PATIENT, "TCGA_CS_4941", "CS")
    assert case.images == tuple(where / f"{PATIENT}_{number}.tif" for number in range(1, 13))
    reader = survey.release.reader
    assert not reader.has_spacing
    for channel in range(3):
        volume = reader.read_channel(case, channel)
        assert volume.shape == (6, 4, 12)
        for position in (0, 1, 9, 11):
            np.testing.assert_array_equal(
                volume[..., position], tifffile.imread(where / f"{PATIENT}_{position + 1}.tif")[..., channel]
            )
    label = reader.read_label(case)
    assert (label.shape, label.dtype, label.sum(), label[1, 2].tolist()) == ((6, 4, 12), np.uint8, 12, [1] * 12)
    ((_, header),) = reader.image_headers(case)
    assert header.shape == reader.label_header(case).shape == (6, 4, 12)


def test_the_head_is_upright_in_the_patients_axes(tmp_path, cohorts):
    cohorts.lgg(tmp_path / PATIENT)
    survey = survey_lgg(tmp_path)
    ((_, header),) = survey.release.reader.image_headers(survey.cases[0])
    # Rows run to the back, columns to the left, slices to the crown.
    assert nib.aff2axcodes(header.affine) == ("P", "L", "S")
    assert header.spacing == (1, 1, 1)


def test_slices_as_pictures(tmp_path, cohorts):
    where = cohorts.lgg(tmp_path / "kaggle_3m" / PATIENT, slices=2, first=10)
    cohorts.lgg(tmp_path / "kaggle_3m" / "TCGA_HT_A61B_20000101", slices=1)
    cases = scan_lgg_slices(tmp_path)
    assert [case.case_id for case in cases] == [f"{PATIENT}_10", f"{PATIENT}_11", "TCGA_HT_A61B_20000101_1"]
    assert cases[1].images == (where / f"{PATIENT}_11.tif",)
    assert cases[1].label == where / f"{PATIENT}_11_mask.tif"
    assert [(case.patient_id, case.site) for case in cases[1:]] == [("TCGA_CS_4941", "CS"), ("TCGA_HT_A61B", "HT")]


def test_missing_slices_masks_and_gaps_are_told_at_once(tmp_path, cohorts):
    where = cohorts.lgg(tmp_path / PATIENT, slices=6)
    other = cohorts.lgg(tmp_path / "TCGA_DU_5855_19951217")
    (tmp_path / "TCGA_DU_5871_19941206").mkdir()
    (tmp_path / "TCGA_notes").mkdir()
    (where / f"{PATIENT}_2_mask.tif").unlink()
    (where / f"{PATIENT}_3.tif").unlink()
    for ending in ("", "_mask"):
        (where / f"{PATIENT}_5{ending}.tif").unlink()
    survey = survey_lgg(tmp_path)
    assert [case.case_id for case in survey.cases] == [other.name]
    assert [(problem.case, problem.problem) for problem in survey.problems] == [
        (PATIENT, "slice 2 has no mask"),
        (PATIENT, "slice 3 is missing"),
        (PATIENT, "slice 5 is missing"),
        ("TCGA_DU_5871_19941206", "has no slices"),
        ("TCGA_notes", "is not called TCGA_<site>_<patient>_<date>"),
    ]
    with pytest.raises(DataError, match=r"TCGA-LGG has 5 problems:(.|\n)*slice 2 has no mask"):
        scan_lgg_slices(tmp_path)


def test_slices_are_found_by_their_numbers_however_these_are_written(tmp_path, cohorts):
    where = cohorts.lgg(tmp_path / PATIENT, slices=2)
    for ending in ("", "_mask"):
        (where / f"{PATIENT}_1{ending}.tif").rename(where / f"{PATIENT}_01{ending}.tif")
    cases = scan_lgg_slices(tmp_path)
    assert [case.case_id for case in cases] == [f"{PATIENT}_01", f"{PATIENT}_2"]
    assert all(path.is_file() for case in cases for path in (*case.images, case.label))
    (where / f"{PATIENT}_002.tif").write_bytes(b"")
    with pytest.raises(DataError, match=rf"{PATIENT}: is there twice, also as {PATIENT}_002\.tif \(.*_2\.tif\)"):
        scan_lgg_slices(tmp_path)


@pytest.mark.parametrize("values", [(0, 1), (0, 255)])
def test_masks_of_ones_are_masks_too(tmp_path, cohorts, values):
    where = cohorts.lgg(tmp_path / PATIENT, slices=1)
    tifffile.imwrite(where / f"{PATIENT}_1_mask.tif", np.array([[values[0], values[1]]] * 3, dtype=np.uint8))
    survey = survey_lgg(tmp_path)
    assert survey.release.reader.read_label(survey.cases[0])[..., 0].tolist() == [[0, 1]] * 3


def test_real_slices(real_data):
    survey = survey_lgg(real_data / "lgg")
    assert survey.problems == ()
    assert Counter(case.site for case in survey.cases) == {"CS": 4, "DU": 4, "EZ": 1, "FG": 4, "HT": 4}
    assert len({case.patient_id for case in survey.cases}) == 17
    assert len(scan_lgg_slices(real_data / "lgg")) == 411


def test_another_hospitals_slices_are_taken_as_they_are(tmp_path):
    trained = LGGDataModule(root=tmp_path, patch_size=(8, 8, 4))
    settings = LGGDataModule.cohort_settings(trained, tmp_path, None)
    assert "spacing" not in settings
    assert LGGDataModule(root=tmp_path, **settings).network_input == trained.network_input
