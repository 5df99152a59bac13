"""DICOM files are put together to cases by their series, wherever they lie and whatever they are called."""

import sys
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import MediaStorageDirectoryStorage

from adpfl_bench.data.dicom_series import DicomCase
from adpfl_bench.data.new_cases import NewCases, find_volumes
from adpfl_bench.datasets.brats import CHANNELS, RELEASES
from adpfl_bench.errors import ConfigError, DataError
from tests.dicom_slices import ROOT, affine, volume, write_series

ENDINGS = RELEASES["BraTS 2021"].endings
SMALL = volume((3, 2, 2))


def write(folder: Path, uid: str = ROOT + "2.1", **more: object) -> list[Path]:
    return write_series(folder, SMALL, affine(), uid=uid, **more)


def find(folder: Path) -> NewCases:
    return find_volumes([folder], ("CT",))


def names(found: NewCases) -> list[str]:
    return [case.case_id for case in found.cases]


def image_type(*words: str) -> object:
    def change(number: int, one: pydicom.Dataset) -> None:
        one.ImageType = ["ORIGINAL", "PRIMARY", *words]

    return change


def kind(modality: str) -> object:
    def change(number: int, one: pydicom.Dataset) -> None:
        one.Modality = modality

    return change


def as_directory(number: int, one: pydicom.Dataset) -> None:
    del one.Modality
    one.SOPClassUID = MediaStorageDirectoryStorage


def test_series_are_called_as_their_folders_where_that_is_clear(tmp_path: Path) -> None:
    write(tmp_path / "one", ROOT + "1")
    write(tmp_path / "a" / "same", ROOT + "2")
    write(tmp_path / "b" / "same", ROOT + "3")
    (tmp_path / "two").mkdir()
    for number in (4, 5):
        for path in write(tmp_path / "apart", ROOT + f"{number}"):
            path.rename(tmp_path / "two" / f"{number}{path.name}")
    found = find(tmp_path)
    assert names(found) == [*(ROOT + str(number) for number in (2, 3, 4, 5)), "one"]
    assert all(isinstance(case, DicomCase) and len(case.series[0].files) == 2 for case in found.cases)
    assert found.cases[-1].images == (tmp_path / "one",)
    assert (found.problems, found.ignored) == ((), ())


def test_a_series_in_several_folders_is_one(tmp_path: Path) -> None:
    first, second = write(tmp_path / "x")
    (tmp_path / "y").mkdir()
    second.rename(tmp_path / "y" / second.name)
    (case,) = find(tmp_path).cases
    assert len(case.series[0].files) == 2
    assert first in case.series[0].files


def test_nifti_and_dicom_lie_together_and_what_is_called_alike_is_there_twice(tmp_path: Path) -> None:
    write(tmp_path / "x")
    write(tmp_path / "y", ROOT + "3")
    (tmp_path / "z.nii.gz").touch()
    (tmp_path / "y_0000.nii.gz").touch()
    found = find(tmp_path)
    assert names(found) == ["x", "z"]
    assert [(problem.case, "is there twice" in problem.problem) for problem in found.problems] == [("y", True)]


def test_localizers_and_what_is_no_slice_are_passed_over_and_other_modalities_told(tmp_path: Path) -> None:
    write(tmp_path / "x")
    scout = write(tmp_path / "scout", ROOT + "3", change=image_type("LOCALIZER"))
    report = write(tmp_path / "report", ROOT + "4", change=kind("SR"))
    write(tmp_path / "head", ROOT + "5", change=kind("MR"))
    directory = write(tmp_path / "medium", ROOT + "6", change=as_directory)
    (tmp_path / "notes.txt").write_text("none")
    found = find(tmp_path)
    assert names(found) == ["x"]
    assert set(found.ignored) == {*scout, *report, *directory, tmp_path / "notes.txt"}
    assert [(p.case, p.problem) for p in found.problems] == [("head", "the series is MR, but the model takes CT")]


def test_a_localizer_among_slices_stays_with_them_to_be_told(tmp_path: Path) -> None:
    write(tmp_path / "x", change=lambda number, one: image_type("LOCALIZER")(number, one) if number else None)
    assert len(find(tmp_path).cases[0].series[0].files) == 2


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("damage", ["cut", "no DICOM", "length", "uid"])
def test_a_series_beside_a_file_that_cannot_be_read_is_not_taken(tmp_path: Path, damage: str) -> None:
    write(tmp_path / "x")
    write(tmp_path / "y", ROOT + "3")
    lost = tmp_path / "x" / "lost.dcm"
    if damage == "uid":
        write(tmp_path / "x", "../../evil")
    else:
        whole = next((tmp_path / "x").iterdir()).read_bytes()
        length = whole[:132] + whole[132:].replace(b"UL\x04\x00", b"UL\x03\x00", 1)
        lost.write_bytes({"cut": whole[:400], "no DICOM": b"text", "length": length}[damage])
    found = find(tmp_path)
    assert names(found) == ["y"]
    said = {
        "cut": "does not say what it is, by its Modality, so that it may be cut off",
        "no DICOM": "is no DICOM file: DICM is not at byte 128",
        "length": "cannot be read",
        "uid": "'../../evil'",
    }
    assert said[damage] in found.problems[0].problem
    if damage != "uid":  # which took the place of the slices
        assert (found.problems[-1].case, found.problems[-1].path) == ("x", tmp_path / "x")
        assert "lost.dcm beside its slices cannot be read, so that one may be missing" in found.problems[-1].problem


def test_channels_are_folders(tmp_path: Path) -> None:
    for number, ending in enumerate(("_t1", "_0001", "-t2w", "_FLAIR")):
        write(tmp_path / f"p1{ending}", ROOT + f"{number + 1}", modality="MR")
    write(tmp_path / "p2_t1", ROOT + "8", modality="MR")
    write(tmp_path / "other", ROOT + "9", modality="MR")
    found = find_volumes([tmp_path], CHANNELS, ENDINGS, "MR")
    assert names(found) == ["p1"]
    assert [path.name for path in found.cases[0].images] == ["p1_t1", "p1_0001", "p1-t2w", "p1_FLAIR"]
    assert [series.uid for series in found.cases[0].series] == [ROOT + f"{number}" for number in (1, 2, 3, 4)]
    assert [(problem.case, problem.problem) for problem in found.problems] == [("p2", "t1ce, t2, flair are missing")]
    assert {path.parent.name for path in found.ignored} == {"other"}


def test_two_series_of_a_channel_and_half_a_nifti_case_are_told(tmp_path: Path) -> None:
    for number, ending in enumerate(("_t1", "_t1ce", "_t2", "_flair")):
        write(tmp_path / f"p{ending}", ROOT + f"{number + 1}", modality="MR")
        (tmp_path / f"q{ending}.nii.gz").touch()
    (tmp_path / "q_t2.nii.gz").unlink()
    write(tmp_path / "q_t2", ROOT + "7", modality="MR")
    for path in write(tmp_path / "more", ROOT + "8", modality="MR"):
        path.rename(tmp_path / "p_t1" / f"more{path.name}")
    found = find_volumes([tmp_path], CHANNELS, ENDINGS, "MR")
    assert names(found) == []
    told = {problem.case: problem.problem for problem in found.problems}
    assert told["q"] == "is partly NIfTI and partly DICOM; convert one of them"
    assert told["p"].startswith("is there twice, also as")


def test_without_pydicom_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.nii").touch()
    monkeypatch.setitem(sys.modules, "pydicom", None)
    assert names(find(tmp_path)) == ["x"]
    (tmp_path / "IM1").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(ConfigError, match=r"pip install 'adpfl-bench\[dicom\]'"):
        find(tmp_path)


def test_nothing_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"There is no image in .+; expected .+ or DICOM files of CT"):
        find(tmp_path)
