"""Prepared cases on disk."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.volumes.preparation import Preparation, PreparedCase
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.data.volumes.store import case_name, open_case, write_case
from adpfl_bench.datasets.kits import KITS, KITS19

RELEASE = VolumeRelease("KiTS23", "CT", ("CT",), {1: "kidney", 2: "tumour", 3: "cyst"}, (KITS,))
HOW = Preparation((1.0, 1.0, 1.0), (-79.0, 304.0))


@pytest.fixture
def prepared() -> PreparedCase:
    generator = np.random.default_rng(0)
    image = generator.normal(size=(2, 70, 66, 40)).astype(np.float16)
    label = generator.integers(0, 4, size=(70, 66, 40)).astype(np.uint8)
    return PreparedCase(image, label, CaseGrid((70, 66, 40), np.eye(4)), {1: np.array([[1, 2, 3]], dtype=np.int16)})


def test_any_box_is_read_as_it_was_written(tmp_path: Path, prepared: PreparedCase) -> None:
    write_case(tmp_path / "case", prepared, "digest")
    stored = open_case(tmp_path / "case")
    np.testing.assert_array_equal(stored.read_image(), prepared.image)
    np.testing.assert_array_equal(stored.read_label(), prepared.label)
    within = (slice(3, 67), slice(60, 66), slice(0, 33))
    np.testing.assert_array_equal(stored.read_image(within), prepared.image[(slice(None), *within)])
    np.testing.assert_array_equal(stored.read_label(within), prepared.label[within])
    assert (stored.digest, stored.channels) == ("digest", 2)
    np.testing.assert_array_equal(stored.foreground[1], [[1, 2, 3]])


def test_a_case_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, prepared: PreparedCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        write_case(tmp_path / "case", prepared, "digest")
    assert list(tmp_path.iterdir()) == []


def test_a_case_that_is_there_already_stays(tmp_path: Path, prepared: PreparedCase) -> None:
    write_case(tmp_path / "case", prepared, "first")
    write_case(tmp_path / "case", prepared, "second")
    assert open_case(tmp_path / "case").digest == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["case"]


def test_the_name_follows_files_and_settings(tmp_path: Path) -> None:
    image, label = tmp_path / "imaging.nii.gz", tmp_path / "segmentation.nii.gz"
    image.write_bytes(b"image"), label.write_bytes(b"label")
    case = Case("case_00001", "case_00001", (image,), label)
    names = [case_name(case, RELEASE, HOW)]
    assert names[0].startswith("case_00001-")
    assert case_name(case, RELEASE, Preparation((1, 1, 1), (-79, 304))) == names[0]
    names.append(case_name(case, RELEASE, Preparation((1.0, 1.0, 2.0), (-79.0, 304.0))))
    names.append(case_name(case, RELEASE, Preparation((1.0, 1.0, 1.0), (-80.0, 304.0))))
    other = VolumeRelease("KiTS19", "CT", ("CT",), {1: "kidney", 2: "tumour"}, (KITS19,))
    names.append(case_name(case, other, HOW))
    label.write_bytes(b"other")
    os.utime(label, ns=(time.time_ns(), time.time_ns() + 1))
    names.append(case_name(case, RELEASE, HOW))
    image.write_bytes(b"longer image")
    names.append(case_name(case, RELEASE, HOW))
    assert len(set(names)) == len(names)


def test_slices_in_a_folder_count_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "patient"
    folder.mkdir()
    for name in ("a.tif", "b.tif"):
        (folder / name).write_bytes(b"x")
    case = Case("patient", "patient", (folder / "a.tif",), folder)
    before = case_name(case, RELEASE, HOW)
    (folder / "b.tif").write_bytes(b"xy")
    assert case_name(case, RELEASE, HOW) != before
