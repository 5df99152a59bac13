"""Each fault that a case can have is found by name, with its file."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile

from adpfl_bench.data.inventory import duplicate_problems
from adpfl_bench.data.volumes.volume_checks import check_case
from adpfl_bench.datasets.brats import survey_brats
from adpfl_bench.datasets.kits import survey_kits
from adpfl_bench.datasets.lgg import survey_lgg
from adpfl_bench.datasets.msd_brain import survey_msd_brain

BRATS = "BraTS2021_00000"
KITS = "case_00001"
LGG = "TCGA_CS_4941_19960909"


def found_in(survey, index: int = 0) -> list[tuple[str, str]]:
    """(file name, problem) of all that is found in a case."""
    checked = check_case(survey.cases[index], survey.release)
    assert {problem.case for problem in checked.problems} <= {survey.cases[index].case_id}
    return [(problem.path.name, problem.problem) for problem in checked.problems]


def truncate(path: Path, share: float = 0.5) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.fixture
def brats(tmp_path, cohorts):
    return cohorts.brats(tmp_path / BRATS)


@pytest.fixture
def kits(tmp_path, cohorts):
    return cohorts.kits(tmp_path / KITS)


def test_good_cases_have_no_problems(tmp_path, cohorts):
    cohorts.kits(tmp_path / "kits" / KITS)
    cohorts.brats(tmp_path / "brats" / BRATS, values=(1, 2, 4))
    cohorts.brats(tmp_path / "gli" / "BraTS-GLI-02405-100", values=(1, 2, 3, 4))
    cohorts.msd(tmp_path / "msd")
    cohorts.lgg(tmp_path / "lgg" / LGG)
    surveys = (
        survey_kits(tmp_path / "kits"),
        survey_brats(tmp_path / "brats"),
        survey_brats(tmp_path / "gli"),
        survey_msd_brain(tmp_path / "msd"),
        survey_lgg(tmp_path / "lgg"),
    )
    digests = set()
    for survey in surveys:
        checked = check_case(survey.cases[0], survey.release)
        assert checked.problems == ()
        digests.add(checked.digest)
    assert len(digests) == len(surveys)
    assert "" not in digests


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("ending", ["flair", "seg"])
def test_truncated_gzip(tmp_path, brats, share, ending):
    truncate(brats / f"{BRATS}_{ending}.nii.gz", share)
    ((file, problem),) = found_in(survey_brats(tmp_path))
    assert file == f"{BRATS}_{ending}.nii.gz"
    assert problem.startswith("cannot be read (")
    assert "take it again" in problem


@pytest.mark.parametrize("end", [-8, -3])
def test_a_checksum_that_is_wrong_or_cut_off_is_noticed(tmp_path, brats, end):
    path = brats / f"{BRATS}_t1.nii.gz"
    content = bytearray(path.read_bytes())
    if end == -8:
        content[end] ^= 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[:end])
    ((file, problem),) = found_in(survey_brats(tmp_path))
    assert file == path.name
    assert problem.startswith("cannot be read (truncated or damaged gzip)")


def test_truncated_file_that_is_not_compressed(tmp_path, cohorts):
    where = cohorts.brats(tmp_path / BRATS, suffix=".nii")
    truncate(where / f"{BRATS}_t2.nii")
    ((file, problem),) = found_in(survey_brats(tmp_path))
    assert file == f"{BRATS}_t2.nii"
    assert problem.startswith("claims 8x8x8 voxels (2.0 kB), but a file of 1.2 kB cannot hold so many")


def test_every_unreadable_file_of_a_case_is_told_once(tmp_path, brats):
    truncate(brats / f"{BRATS}_t1.nii.gz")
    (brats / f"{BRATS}_t2.nii.gz").write_bytes(b"")
    (brats / f"{BRATS}_flair.nii.gz").write_bytes(gzip.compress(b"no NIfTI"))
    truncate(brats / f"{BRATS}_seg.nii.gz", 0.02)
    found = found_in(survey_brats(tmp_path))
    assert sorted(file for file, _ in found) == [f"{BRATS}_{e}.nii.gz" for e in ("flair", "seg", "t1", "t2")]
    assert dict(found)[f"{BRATS}_t2.nii.gz"].startswith("is empty; take it again")


def test_shapes_that_disagree(tmp_path, cohorts, brats):
    cohorts.save(brats / f"{BRATS}_t2.nii.gz", cohorts.image(7, (8, 8, 9)))
    cohorts.save(brats / f"{BRATS}_seg.nii.gz", cohorts.label(1)[:5])
    assert found_in(survey_brats(tmp_path)) == [
        (f"{BRATS}_t2.nii.gz", f"has the shape 8x8x9, but {BRATS}_t1.nii.gz has 8x8x8"),
        (f"{BRATS}_seg.nii.gz", f"has the shape 5x8x8, but {BRATS}_t1.nii.gz has 8x8x8"),
    ]


@pytest.mark.parametrize("entry", [(0, 0), (1, 3), (2, 2)])
def test_affines_that_disagree(tmp_path, cohorts, kits, entry):
    affine = np.diag([-1.0, -1.0, 2.0, 1.0])
    affine[entry] += 5e-4
    cohorts.save(kits / "segmentation.nii.gz", cohorts.label(1, 2), affine)
    assert found_in(survey_kits(tmp_path)) == []
    affine[entry] += 0.2495
    cohorts.save(kits / "segmentation.nii.gz", cohorts.label(1, 2), affine)
    ((file, problem),) = found_in(survey_kits(tmp_path))
    assert file == "segmentation.nii.gz"
    assert problem.startswith("has another affine")
    assert problem.endswith("than imaging.nii.gz, by up to 0.25 mm")


def test_an_affine_without_size(tmp_path, kits):
    image = nib.load(kits / "imaging.nii.gz")
    image = nib.Nifti1Image(image.get_fdata(dtype=np.float32), None)
    image.header.set_sform(np.diag([1.0, 0, 1, 1]), code=1)
    nib.save(image, kits / "imaging.nii.gz")
    problem = "has an affine that gives its voxels no size; mend its header"
    assert found_in(survey_kits(tmp_path)) == [("imaging.nii.gz", problem)]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_counted(tmp_path, cohorts, brats, value):
    image = cohorts.image(9)
    image[0, 0, :3] = value
    cohorts.save(brats / f"{BRATS}_t1ce.nii.gz", image)
    assert found_in(survey_brats(tmp_path)) == [
        (f"{BRATS}_t1ce.nii.gz", "the t1ce image has 3 voxels that are NaN or infinite")
    ]


@pytest.mark.parametrize("value", [0.0, -1024.0])
def test_constant_image(tmp_path, cohorts, kits, value):
    cohorts.save(kits / "imaging.nii.gz", np.full((8, 8, 8), value, dtype=np.float32))
    assert found_in(survey_kits(tmp_path)) == [("imaging.nii.gz", f"the CT image is constant ({value:g} everywhere)")]


def test_images_of_other_dimensions(tmp_path, cohorts, brats):
    cohorts.save(brats / f"{BRATS}_t1.nii.gz", cohorts.image(3, (8, 8, 8, 2)))
    cohorts.save(brats / f"{BRATS}_flair.nii.gz", np.full((8, 8, 8), 5, dtype=np.float32))
    cohorts.save(brats / f"{BRATS}_seg.nii.gz", cohorts.label(1)[0])
    assert found_in(survey_brats(tmp_path)) == [
        (f"{BRATS}_t1.nii.gz", "is 4-D with the shape 8x8x8x2, expected 3-D"),
        (f"{BRATS}_seg.nii.gz", "is 2-D with the shape 8x8, expected 3-D"),
        (f"{BRATS}_flair.nii.gz", "the flair image is constant (5 everywhere)"),
    ]


def test_images_with_other_channels(tmp_path, cohorts):
    root = cohorts.msd(tmp_path)
    cohorts.save(root / "imagesTr" / "BRATS_001.nii.gz", cohorts.image(1, (8, 8, 8, 3)))
    cohorts.save(root / "imagesTr" / "BRATS_002.nii.gz", cohorts.image(1, (8, 8, 8)))
    survey = survey_msd_brain(root)
    assert found_in(survey, 0) == [("BRATS_001.nii.gz", "has 3 channels, expected 4: t1, t1ce, t2, flair")]
    assert found_in(survey, 1) == [("BRATS_002.nii.gz", "is 3-D with the shape 8x8x8, expected 4-D")]


def test_one_constant_channel_of_four(tmp_path, cohorts):
    root = cohorts.msd(tmp_path)
    image = cohorts.image(1, (8, 8, 8, 4))
    image[..., 2] = 0
    cohorts.save(root / "imagesTr" / "BRATS_001.nii.gz", image)
    assert found_in(survey_msd_brain(root)) == [("BRATS_001.nii.gz", "the t1ce image is constant (0 everywhere)")]


def test_unexpected_labels_are_counted(tmp_path, cohorts, kits):
    cohorts.save(kits / "segmentation.nii.gz", cohorts.label(1, 7, 9))
    assert found_in(survey_kits(tmp_path)) == [
        (
            "segmentation.nii.gz",
            "the label map has 7 (3 voxels), 9 (3 voxels), expected 1 kidney, 2 tumour of KiTS19",
        )
    ]


def test_many_unexpected_labels_are_cut_short(tmp_path, cohorts, kits):
    cohorts.save(kits / "segmentation.nii.gz", np.arange(512, dtype=np.int16).reshape(8, 8, 8))
    ((_, problem),) = found_in(survey_kits(tmp_path))
    assert "has 3 (1 voxel), 4 (1 voxel), 5 (1 voxel), 6 (1 voxel), 7 (1 voxel) and 504 more values," in problem


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.5"), (-1.5, "-1.5"), (np.nan, "nan"), (np.inf, "inf")])
def test_labels_that_are_no_whole_numbers(tmp_path, cohorts, kits, value, shown):
    label = cohorts.label(1, 2).astype(np.float32)
    label[0, 0, 0] = value
    cohorts.save(kits / "segmentation.nii.gz", label)
    ((file, problem),) = found_in(survey_kits(tmp_path))
    assert file == "segmentation.nii.gz"
    assert f"the label map has {shown} (1 voxel)" in problem
    assert "labels are whole numbers" in problem


def test_whole_numbers_stored_as_floats_are_labels(tmp_path, cohorts, kits):
    cohorts.save(kits / "segmentation.nii.gz", cohorts.label(1, 2).astype(np.float64))
    assert found_in(survey_kits(tmp_path)) == []


@pytest.mark.parametrize(
    ("folder", "release", "values", "hint"),
    [
        (KITS, "KiTS19", (1, 2, 3), "it looks like the labels of KiTS21 or KiTS23"),
        (BRATS, "BraTS 2021", (1, 2, 3), "it looks like the labels of BraTS 2023 or MSD Task01 or BraTS 2024"),
        ("BraTS-GLI-00000-000", "BraTS 2023 GLI", (1, 2, 4), "it looks like the labels of BraTS 2018 to 2021 or FeTS"),
        ("BraTS-GLI-00000-000", "BraTS 2023 GLI", (1, 2, 3, 4), "it looks like the labels of BraTS 2024"),
    ],
)
def test_labels_of_another_year_are_recognised(tmp_path, cohorts, folder, release, values, hint):
    if folder == KITS:
        cohorts.kits(tmp_path / folder, values=values)
        survey = survey_kits(tmp_path, release)
    else:
        cohorts.brats(tmp_path / folder, values=values)
        survey = survey_brats(tmp_path, release)
    ((_, problem),) = found_in(survey)
    assert hint in problem
    assert f"of {release}; {hint}" in problem


def test_empty_label_map(tmp_path, cohorts, kits):
    cohorts.save(kits / "segmentation.nii.gz", cohorts.label())
    assert found_in(survey_kits(tmp_path)) == [("segmentation.nii.gz", "the label map is empty")]


def test_every_damaged_slice_of_a_stack_is_found(tmp_path, cohorts):
    where = cohorts.lgg(tmp_path / LGG, slices=9)
    file = {number: where / f"{LGG}_{number}.tif" for number in range(1, 10)}
    mask = {number: where / f"{LGG}_{number}_mask.tif" for number in range(1, 10)}
    truncate(file[2])
    truncate(file[3], 0.05)
    file[4].write_bytes(b"")
    tifffile.imwrite(file[5], np.ones((6, 4), dtype=np.uint8))
    tifffile.imwrite(file[6], np.ones((6, 5, 3), dtype=np.uint8), photometric="rgb")
    tifffile.imwrite(mask[7], np.full((6, 4), 128, dtype=np.uint8))
    tifffile.imwrite(mask[8], np.zeros((2, 4), dtype=np.uint8))
    tifffile.imwrite(mask[9], np.zeros((6, 4, 3), dtype=np.uint8), photometric="rgb")
    found = dict(found_in(survey_lgg(tmp_path)))
    assert list(found) == [
        path.name for path in (file[2], file[3], file[4], file[5], file[6], mask[7], mask[8], mask[9])
    ]
    assert all("take it again" in found[file[number].name] for number in (2, 3, 4))
    assert found[file[5].name] == "has the shape 6x4; expected rows, columns and 3 sequences"
    assert found[file[6].name] == f"is 6x5 pixels, but {file[1].name} is 6x4"
    assert found[mask[7].name] == "is a mask with the values 128; expected 0 and 255, or 0 and 1, only"
    assert found[mask[8].name] == f"is 2x4 pixels, but {file[1].name} is 6x4"
    assert found[mask[9].name] == "has the shape 6x4x3; expected rows and columns"


@pytest.mark.parametrize("compression", ["zlib", None])
def test_damage_within_a_slice(tmp_path, cohorts, compression):
    where = cohorts.lgg(tmp_path / LGG)
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for number in (1, 2, 3):
        tifffile.imwrite(where / f"{LGG}_{number}.tif", pixels, photometric="rgb", compression=compression)
        tifffile.imwrite(where / f"{LGG}_{number}_mask.tif", np.eye(64, dtype=np.uint8) * 255)
    truncate(where / f"{LGG}_3.tif", 0.9)
    ((file, problem),) = found_in(survey_lgg(tmp_path))
    assert file == f"{LGG}_3.tif"
    assert problem.startswith("cannot be read (")


def test_a_stack_without_tumour(tmp_path, cohorts):
    where = cohorts.lgg(tmp_path / LGG)
    for number in (1, 2, 3):
        tifffile.imwrite(where / f"{LGG}_{number}_mask.tif", np.zeros((6, 4), dtype=np.uint8))
    assert found_in(survey_lgg(tmp_path)) == [(LGG, "the label map is empty")]


def test_copies_have_one_digest_whatever_their_file(tmp_path, cohorts):
    cohorts.kits(tmp_path / "case_00001")
    cohorts.kits(tmp_path / "case_00002")
    image = np.round(cohorts.image(5))
    cohorts.save(tmp_path / "case_00001" / "imaging.nii.gz", image)
    cohorts.save(tmp_path / "case_00002" / "imaging.nii.gz", image.astype(np.int16))
    survey = survey_kits(tmp_path)
    first, second = (check_case(case, survey.release).digest for case in survey.cases)
    assert first == second
    cohorts.save(tmp_path / "case_00002" / "imaging.nii.gz", image.reshape(8, 4, 16))
    assert check_case(survey.cases[1], survey.release).digest != first


def test_duplicates_are_told_between_patients_only():
    path = Path("image.nii.gz")
    problems = duplicate_problems(
        {
            "d": ("patient 2", "copy", Path("d.nii.gz")),
            "a": ("patient 1", "copy", path),
            "b": ("patient 1", "copy", path),
            "c": ("patient 3", "other", path),
            "e": ("patient 4", "", path),
            "f": ("patient 5", "", path),
        }
    )
    assert [str(problem) for problem in problems] == [
        "d: has the same image as a, which is another patient; remove one (d.nii.gz)"
    ]


def test_real_sample_has_no_problems(real_data):
    survey = survey_brats(real_data / "brats_sample")
    checked = check_case(survey.cases[0], survey.release)
    assert (checked.problems, checked.warnings) == ((), ())


def test_real_slices_have_no_problems(real_data):
    survey = survey_lgg(real_data / "lgg")
    smallest = min(range(len(survey.cases)), key=lambda index: len(survey.cases[index].images))
    assert found_in(survey, smallest) == []


def test_a_qform_that_is_no_turn_is_told(tmp_path, cohorts, brats):
    path = brats / f"{BRATS}_t1.nii.gz"
    image = nib.load(path)
    image.header["sform_code"] = image.header["qform_code"] = 1
    content = bytearray(image.to_bytes())
    place = image.header.template_dtype.fields["quatern_b"][1]
    content[place : place + 4] = np.float32(2).tobytes()
    path.write_bytes(gzip.compress(content))
    ((file, problem),) = found_in(survey_brats(tmp_path))
    assert file == path.name
    assert problem.startswith("has a qform beside its sform that is no turn of voxels (w2 should be positive")


@pytest.mark.parametrize("shape", [(8,), (8, 8)])
def test_an_image_of_fewer_dimensions_that_has_a_sform_and_a_qform_is_told(tmp_path, brats, shape):
    image = nib.Nifti1Image(np.zeros(shape, np.float32), np.eye(4))
    image.set_sform(np.eye(4), 1)
    image.set_qform(np.eye(4), 1)
    nib.save(image, brats / f"{BRATS}_t1.nii.gz")
    told = f"is {len(shape)}-D with the shape {'x'.join(map(str, shape))}, expected 3-D"
    assert found_in(survey_brats(tmp_path)) == [(f"{BRATS}_t1.nii.gz", told)]
