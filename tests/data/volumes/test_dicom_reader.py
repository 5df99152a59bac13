"""DICOM series are read as the NIfTI file of the same volume is, and what makes no volume is a sentence."""

from collections.abc import Callable
from pathlib import Path

import highdicom
import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless

from adpfl_bench.data.case import Case
from adpfl_bench.data.dicom_series import DicomCase
from adpfl_bench.data.new_cases import find_volumes
from adpfl_bench.data.volumes.dicom_reader import DicomReader, for_files
from adpfl_bench.data.volumes.preparation import Preparation, prepare_image
from adpfl_bench.data.volumes.volume_checks import check_case
from adpfl_bench.datasets.kits import RELEASES
from adpfl_bench.errors import DataError
from tests.dicom_slices import OBLIQUE, affine, volume, write_series

RELEASE = RELEASES["KiTS23"]


def case_in(folder: Path, modality: str = "CT") -> DicomCase:
    (case,) = find_volumes([folder], ("image",), modality=modality).cases
    assert isinstance(case, DicomCase)
    return case


@pytest.mark.parametrize("signed", [False, True])
def test_a_series_is_its_nifti_file(tmp_path: Path, signed: bool) -> None:
    paths = write_series(tmp_path / "x", volume(), affine(), signed=signed)
    assert [path.name for path in paths] != sorted(path.name for path in paths)
    nib.save(nib.Nifti1Image(volume(), affine()), tmp_path / "y.nii.gz")
    reader, case = DicomReader("CT"), case_in(tmp_path / "x")
    ((folder, header),) = reader.image_headers(case)
    values = reader.read_channel(case, 0)
    assert folder == tmp_path / "x"
    assert header.shape == values.shape == (6, 5, 4)
    assert values.dtype == np.float32
    assert np.array_equal(values, volume())
    assert np.allclose(header.affine, affine(), rtol=0, atol=1e-12)
    assert np.allclose(header.affine, nib.load(tmp_path / "y.nii.gz").affine, rtol=1e-7)  # whose numbers are float32
    assert header.spacing == pytest.approx((0.75, 0.5, 2.5))

    # By another reader, whose axes are [slice, row, column] in LPS, the slices from the other end.
    other = highdicom.get_volume_from_series([pydicom.dcmread(path) for path in paths])
    assert np.array_equal(np.asarray(other.array)[::-1].transpose(2, 1, 0), volume())
    voxels = np.indices((6, 5, 4)).reshape(3, -1)
    theirs = np.vstack([3 - voxels[2], voxels[1], voxels[0], np.ones(120)])
    ours = np.vstack([voxels, np.ones(120)])
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ other.affine @ theirs, header.affine @ ours, rtol=0, atol=1e-9)


def test_slices_that_run_downwards_are_turned_round(tmp_path: Path) -> None:
    downwards = affine(OBLIQUE * [1, 1, -1])
    write_series(tmp_path / "x", volume(), downwards)
    reader, case = DicomReader("CT"), case_in(tmp_path / "x")
    header = reader.image_headers(case)[0][1]
    assert np.array_equal(reader.read_channel(case, 0), volume()[:, :, ::-1])
    assert np.allclose(header.affine @ [0, 0, 0, 1], downwards @ [0, 0, 3, 1])
    assert np.allclose(header.affine @ [5, 4, 3, 1], downwards @ [5, 4, 0, 1])


def test_a_series_is_checked_and_prepared_as_its_nifti_file(tmp_path: Path) -> None:
    write_series(tmp_path / "x", volume((16, 12, 8)), affine())
    nib.save(nib.Nifti1Image(volume((16, 12, 8)), affine()), tmp_path / "y.nii.gz")
    series = case_in(tmp_path / "x")
    nifti = Case("y", "y", (tmp_path / "y.nii.gz",), None)
    how = Preparation((1.0, 1.0, 2.0), (-79.0, 304.0))
    assert for_files(RELEASE, nifti) is RELEASE
    release = for_files(RELEASE, series)
    assert check_case(series, release).problems == ()
    assert check_case(series, release).digest == check_case(nifti, RELEASE).digest
    image, grid = prepare_image(series, release, how)
    wanted, wanted_grid = prepare_image(nifti, RELEASE, how)
    assert np.array_equal(image, wanted)
    assert (grid.shape, grid.box, grid.network_shape) == (
        wanted_grid.shape,
        wanted_grid.box,
        wanted_grid.network_shape,
    )


def test_each_slice_has_its_own_slope_and_rle_is_decoded(tmp_path: Path) -> None:
    def change(number: int, one: pydicom.Dataset) -> None:
        one.RescaleSlope = number + 0.5
        one.compress(RLELossless)

    write_series(tmp_path / "x", volume(), affine(), change=change)
    found = DicomReader("CT").read_channel(case_in(tmp_path / "x"), 0)
    stored = volume().astype(np.float64) + 1024
    assert np.array_equal(found, stored * (np.arange(4) + 0.5) - 1024)


def test_mri_needs_no_slope(tmp_path: Path) -> None:
    write_series(tmp_path / "x", volume() + 1000, affine(), modality="MR")
    assert np.array_equal(DicomReader("MRI").read_channel(case_in(tmp_path / "x", "MR"), 0), volume() + 1000)


def of(chosen: int, **attributes: object) -> Callable[[int, pydicom.Dataset], None]:
    """Change one slice."""

    def change(number: int, one: pydicom.Dataset) -> None:
        if number == chosen:
            for keyword, value in attributes.items():
                if value is None:
                    delattr(one, keyword)
                else:
                    setattr(one, keyword, value)

    return change


def shifted(chosen: int, by: tuple[float, float, float]) -> Callable[[int, pydicom.Dataset], None]:
    def change(number: int, one: pydicom.Dataset) -> None:
        if number == chosen:
            one.ImagePositionPatient = [float(x) + d for x, d in zip(one.ImagePositionPatient, by, strict=True)]

    return change


def tilted(number: int, one: pydicom.Dataset) -> None:
    x, y, z = one.ImagePositionPatient
    one.ImagePositionPatient = [x, float(y) + 0.4 * number, z]


def flat(number: int, one: pydicom.Dataset) -> None:
    one.PixelSpacing = [0, 0.75]


def smaller(number: int, one: pydicom.Dataset) -> None:
    if number == 2:
        one.Rows = 3
        one.PixelData = one.PixelData[: 3 * 6 * 2]


def cut(number: int, one: pydicom.Dataset) -> None:
    if number == 1:
        one.PixelData = one.PixelData[:-20]


SLICE = 2.5 * OBLIQUE[:, 2]

FAULTS = {
    "is 5 mm from IM0001, the next slice, but others are 2.5 mm apart, so that 1 slice is missing there": (
        shifted(3, tuple(SLICE))
    ),
    "is in the same place as IM": shifted(2, tuple(-SLICE)),
    "mm from its place among slices at equal distances, which are": shifted(2, tuple(0.3 * SLICE)),
    "within its plane against IM0002, as slices of a tilted gantry are; resample": tilted,
    "mm beside the line of the other slices": shifted(2, (0, 1, 0)),
    "has 3 rows and 6 columns, but": smaller,
    "is a localizer beside the slices of its series": of(1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    "has another orientation than": of(1, ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
    "no pair of unit vectors at right angles": of(1, ImageOrientationPatient=[1, 0, 0, 1, 0, 0]),
    "has another PixelSpacing than": of(1, PixelSpacing=[1, 1]),
    "PixelSpacing is missing; expected 2 numbers": of(1, PixelSpacing=None),
    "ImagePositionPatient is missing; expected 3 numbers": of(1, ImagePositionPatient=None),
    "RescaleSlope is missing; expected a number": of(1, RescaleSlope=None),
    "has values of the RescaleType US; expected Hounsfield units": of(1, RescaleType="US"),
    "is an enhanced (multi-frame) image": of(1, NumberOfFrames=2),
    "has colours (RGB)": of(1, SamplesPerPixel=3, PhotometricInterpretation="RGB"),
    "has an affine that gives its voxels no size": flat,
    "cannot be read": cut,
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_what_makes_no_volume_is_a_sentence(tmp_path: Path, sentence: str) -> None:
    write_series(tmp_path / "x", volume(), affine(), change=FAULTS[sentence])
    case = case_in(tmp_path / "x")
    with pytest.raises(DataError) as told:
        DicomReader("CT").read_channel(case, 0)
    assert sentence in str(told.value)
    assert str(told.value).startswith(str(tmp_path / "x"))
    (problem,) = check_case(case, for_files(RELEASE, case)).problems
    assert sentence in str(problem)


def test_what_cannot_be_decoded_is_told_before_pixels_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compressed(number: int, one: pydicom.Dataset) -> None:
        one.compress(RLELossless)
        one.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.106"  # JPEG 2000 Part 2, which nothing reads

    write_series(tmp_path / "x", volume(), affine(), change=compressed)
    with pytest.raises(DataError, match=r"is compressed as .+, which cannot be decoded here; install"):
        DicomReader("CT").image_headers(case_in(tmp_path / "x"))


def test_a_slice_alone_is_a_sentence(tmp_path: Path) -> None:
    write_series(tmp_path / "x", volume((6, 5, 1)), affine())
    with pytest.raises(DataError, match="is the only slice of its series"):
        DicomReader("CT").image_headers(case_in(tmp_path / "x"))


def test_positions_may_be_rounded(tmp_path: Path) -> None:
    def rounded(number: int, one: pydicom.Dataset) -> None:
        one.ImagePositionPatient = [round(float(x), 1) for x in one.ImagePositionPatient]

    write_series(tmp_path / "x", volume(), affine(np.eye(3), start=(-12.34, 5.67, 8.91)), change=rounded)
    header = DicomReader("CT").image_headers(case_in(tmp_path / "x"))[0][1]
    assert header.spacing == pytest.approx((0.75, 0.5, 2.5), abs=0.04)
