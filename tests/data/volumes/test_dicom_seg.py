"""A DICOM-SEG holds the label map's voxels, and refers to the slices that they lie on."""

import sys
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from adpfl_bench.data.dicom_series import DicomCase
from adpfl_bench.data.new_cases import find_volumes
from adpfl_bench.data.volumes.dicom_reader import DicomReader
from adpfl_bench.data.volumes.dicom_seg import SegmentingModel, require_highdicom, write_dicom_seg
from adpfl_bench.datasets.brats import RELEASES as BRATS
from adpfl_bench.datasets.kits import RELEASES as KITS
from adpfl_bench.errors import ConfigError, DataError
from tests.dicom_slices import ROOT, affine, volume, write_series

MODEL = SegmentingModel("adpfl-bench fedavg", ("0" * 64,), {"task": "kits"})


def series(folder: Path, **more: object) -> DicomCase:
    write_series(folder / "x", volume(), affine(), **more)
    (case,) = find_volumes([folder], ("CT",)).cases
    assert isinstance(case, DicomCase)
    return case


@pytest.mark.parametrize("release", [KITS["KiTS23"], BRATS["BraTS 2021"], BRATS["BraTS 2024 GLI"]])
@pytest.mark.parametrize("is_empty", [False, True])
def test_read_back_it_is_the_label_map_in_its_place(tmp_path: Path, release: object, is_empty: bool) -> None:
    case = series(tmp_path)
    values = [0, *release.labels]
    label_map = np.random.default_rng(1).choice(values, (6, 5, 4)).astype(np.uint8) * (not is_empty)
    label_map[:, :, 1] = 0
    write_dicom_seg(tmp_path / "x_seg.dcm", case, label_map, release, MODEL)

    made = highdicom.seg.segread(tmp_path / "x_seg.dcm")
    files, header = DicomReader("CT").arrange(case.series[0])
    slices = [pydicom.dcmread(path) for path in files]
    found = np.zeros((6, 5, 4), dtype=np.uint8)
    for number, (value, name) in enumerate(release.labels.items(), 1):
        assert made.get_segment_description(number).segment_label == name
        masks = made.get_pixels_by_source_instance(
            [one.SOPInstanceUID for one in slices],
            [number],
            ignore_spatial_locations=True,
            assert_missing_frames_are_empty=True,
        )
        found[masks[..., 0].transpose(2, 1, 0) > 0] = value
    assert np.array_equal(found, label_map)
    if not is_empty:
        placed = made.get_volume(combine_segments=False, segment_numbers=[1])
        inside = np.argwhere(placed.array[..., 0])
        theirs = np.diag([-1, -1, 1, 1]) @ placed.affine @ np.c_[inside, np.ones(len(inside))].T
        ours = header.affine @ np.c_[np.argwhere(label_map == values[1]), np.ones(len(inside))].T
        assert np.allclose(sorted(map(tuple, theirs.T.round(6))), sorted(map(tuple, ours.T.round(6))))
    assert made.ReferencedSeriesSequence[0].SeriesInstanceUID == ROOT + "2.1"
    assert (made.StudyInstanceUID, made.FrameOfReferenceUID) == (ROOT + "1", ROOT + "9")
    assert (made.PatientID, made.PatientName) == ("P1", "Doe^Jo")


def test_dropped_names_are_empty_and_a_lost_study_is_a_sentence(tmp_path: Path) -> None:
    def anonymous(number: int, one: pydicom.Dataset) -> None:
        del one.PatientName, one.PatientID, one.PatientBirthDate, one.PatientSex, one.StudyDate, one.AccessionNumber

    def lost(number: int, one: pydicom.Dataset) -> None:
        del one.StudyInstanceUID

    label_map = np.ones((6, 5, 4), dtype=np.uint8)
    path = tmp_path / "seg.dcm"
    write_dicom_seg(path, series(tmp_path / "a", change=anonymous), label_map, KITS["KiTS23"], MODEL)
    assert str(pydicom.dcmread(path).PatientName) == ""
    with pytest.raises(DataError, match=r"has its label map, but no DICOM-SEG can be made .*StudyInstanceUID"):
        write_dicom_seg(path, series(tmp_path / "b", change=lost), label_map, KITS["KiTS23"], MODEL)


def test_without_highdicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_highdicom()
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(ConfigError, match=r"pip install 'adpfl-bench\[dicom\]'"):
        require_highdicom()
