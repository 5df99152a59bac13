"""Files of new patients are put together to cases by their names."""

from pathlib import Path

import pytest

from adpfl_bench.data.new_cases import find_pictures, find_volumes
from adpfl_bench.datasets.brats import CHANNELS, RELEASES
from adpfl_bench.datasets.kits import RELEASES as KITS
from adpfl_bench.errors import DataError

ENDINGS = RELEASES["BraTS 2021"].endings


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_pictures_are_called_as_their_files(tmp_path: Path) -> None:
    touch(tmp_path, "b.JPG", "a/c.bmp", "a.tiff", "notes.txt", ".hidden.png", ".thumbs/d.png")
    found = find_pictures([tmp_path])
    assert [case.case_id for case in found.cases] == ["a", "b", "c"]
    assert [path.name for path in found.ignored] == ["notes.txt"]
    assert found.problems == ()
    assert [case.case_id for case in find_pictures([tmp_path / "b.JPG", tmp_path / "a"]).cases] == ["b", "c"]


def test_what_is_there_twice_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b/a.png", "c.png")
    found = find_pictures([tmp_path])
    assert [case.case_id for case in found.cases] == ["c"]
    assert [(problem.case, "is there twice" in problem.problem) for problem in found.problems] == [("a", True)]


@pytest.mark.parametrize(
    "endings",
    [
        ("_t1", "_t1ce", "_t2", "_flair"),
        ("-t1n", "-t1c", "-t2w", "-t2f"),
        ("_0000", "_0001", "_0002", "_0003"),
        ("_T1", "_T1CE", "_T2", "_FLAIR"),
    ],
)
def test_channels_of_a_case_are_in_order(tmp_path: Path, endings: tuple[str, ...]) -> None:
    touch(tmp_path, *(f"{name}/{name}{ending}.nii.gz" for name in ("x_1", "y") for ending in endings))
    found = find_volumes([tmp_path], CHANNELS, ENDINGS)
    assert [case.case_id for case in found.cases] == ["x_1", "y"]
    assert [path.name for path in found.cases[0].images] == [f"x_1{ending}.nii.gz" for ending in endings]


def test_one_channel_is_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "scan_0000.nii.gz", "other.NII", "t.json")
    found = find_volumes([tmp_path], ("CT",))
    assert [case.case_id for case in found.cases] == ["other", "scan"]
    assert [path.name for path in found.ignored] == ["t.json"]


def test_an_incomplete_case_and_a_strange_name_are_told(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a_{n:04d}.nii" for n in range(4)), "b_flair.nii.gz", "b_t1.nii.gz", "scan.nii.gz")
    found = find_volumes([tmp_path], CHANNELS, ENDINGS)
    assert [case.case_id for case in found.cases] == ["a"]
    assert [(p.case, p.problem) for p in found.problems] == [("b", "t1ce, t2 are missing")]
    assert [path.name for path in found.ignored] == ["scan.nii.gz"]


def test_where_no_name_says_the_channel_it_is_a_sentence(tmp_path: Path) -> None:
    touch(tmp_path, "scan.nii.gz")
    with pytest.raises(DataError, match="does not say which of the channels t1, t1ce, t2, flair it is; end the names"):
        find_volumes([tmp_path], CHANNELS, ENDINGS)


def test_cases_whose_masks_would_be_one_file_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "a_1.nii.gz", "b_1.nii.gz", "c_2.nii.gz")
    found = find_volumes([tmp_path], ("CT",))
    assert found.told_apart(KITS["KiTS23"].prediction_file) == found
    apart = found.told_apart(KITS["KiTS19"].prediction_file)
    assert [case.case_id for case in apart.cases] == ["c_2"]
    assert [(problem.case, problem.problem) for problem in apart.problems] == [
        ("a_1", "its mask would be prediction_1.nii.gz, as that of b_1"),
        ("b_1", "its mask would be prediction_1.nii.gz, as that of a_1"),
    ]


def test_nothing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no image in"):
        find_pictures([tmp_path])
    with pytest.raises(DataError, match="There is no file or folder"):
        find_pictures([tmp_path / "none"])


def test_a_file_may_hold_all_channels_where_their_order_is_known(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii.gz", "b_0000.nii.gz", "b_0001.nii.gz", "c.nii.gz", "c_0001.nii.gz", "d_0001.nii.gz")
    found = find_volumes([tmp_path], ("T1", "T2"), in_one_file=True)
    assert [(case.case_id, len(case.images)) for case in found.cases] == [("a", 1), ("b", 2)]
    assert [(problem.case, problem.problem) for problem in found.problems] == [
        ("c", "is there in one file and in files of channels; keep one"),
        ("d", "T1 is missing"),
    ]
