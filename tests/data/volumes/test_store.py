"""Prepared cases on disk."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import blosc2
import numpy as np
import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_grid import CaseGrid
from adpfl_bench.data.volumes.preparation import Preparation, PreparedCase
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.data.volumes.store import case_name, open_case, write_case
from adpfl_bench.datasets.kits import KITS, KITS19
from adpfl_bench.errors import DataError

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


def lazy(path: Path, mark: Path) -> None:
    """A recipe whose code leaves a file behind; blosc2 before 4.14.1 runs it when it opens the file."""
    blosc2.asarray(np.zeros(4), urlpath=str(path.parent / "operand.b2nd"), mode="w")
    array = blosc2.empty((4,), np.float64, urlpath=str(path), mode="w", meta={"LazyArray": 1})
    code = f"def f(inputs, output, offset, x=np.save({str(mark)!r}, [1])):\n    output[:] = 1\n"
    array.schunk.vlmeta["_LazyArray"] = {"UDF": code, "name": "f", "operands": {"o0": "operand.b2nd"}}


def expression(path: Path, mark: Path) -> None:
    blosc2.asarray(np.zeros(4), urlpath=str(path.parent / "operand.b2nd"), mode="w")
    array = blosc2.empty((4,), np.float64, urlpath=str(path), mode="w", meta={"LazyArray": 0})
    array.schunk.vlmeta["_LazyArray"] = {
        "expression": f"np.save({str(mark)!r}, o0)",
        "operands": {"o0": "operand.b2nd"},
    }


def proxy(path: Path, mark: Path) -> None:
    blosc2.empty((4,), np.float64, urlpath=str(path), mode="w", meta={"proxy-source": {"urlpath": str(mark)}})


def chunks(path: Path, mark: Path) -> None:
    blosc2.SChunk(chunksize=8, data=b"01234567", urlpath=str(path), mode="w", contiguous=True)


def nothing(path: Path, mark: Path) -> None:
    path.write_bytes(b"")


def folder(path: Path, mark: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("name", ["image.b2nd", "label.b2nd"])
@pytest.mark.parametrize("plant", [lazy, expression, proxy, chunks, nothing, folder])
def test_a_prepared_case_is_read_and_not_run(
    tmp_path: Path, prepared: PreparedCase, plant: Callable[[Path, Path], None], name: str
) -> None:
    write_case(tmp_path / "case", prepared, "digest")
    (tmp_path / "case" / name).unlink()
    plant(tmp_path / "case" / name, tmp_path / "ran.npy")
    with pytest.raises(DataError, match=rf"{name} (is no array of voxels|cannot be read).* Remove the folder .*case: "):
        open_case(tmp_path / "case")
    assert not (tmp_path / "ran.npy").exists()


@pytest.mark.parametrize("name", ["image.b2nd", "label.b2nd"])
@pytest.mark.parametrize("kind", [np.float64, np.int8, "S8", "U2"])
def test_a_prepared_case_holds_voxels_alone(tmp_path: Path, prepared: PreparedCase, name: str, kind: str) -> None:
    write_case(tmp_path / "case", prepared, "digest")
    blosc2.asarray(np.zeros((4, 4, 4), dtype=kind), urlpath=str(tmp_path / "case" / name), mode="w")
    stored = open_case(tmp_path / "case")
    with pytest.raises(DataError, match=rf"{name} holds .* in place of (float16|uint8)\. Remove the folder"):
        stored.read_image() if name.startswith("image") else stored.read_label()


@pytest.mark.parametrize("name", ["case.json", "foreground.npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"PK\x03\x04", b"\xff" * 9])
def test_a_damaged_case_is_named(tmp_path: Path, prepared: PreparedCase, name: str, content: bytes) -> None:
    write_case(tmp_path / "case", prepared, "digest")
    (tmp_path / "case" / name).write_bytes(content)
    with pytest.raises(DataError, match=r"The prepared case .*case is damaged: .* Remove the folder"):
        open_case(tmp_path / "case")


def test_pickled_objects_are_not_read(tmp_path: Path, prepared: PreparedCase) -> None:
    class Code:
        def __reduce__(self) -> tuple:
            return np.save, (tmp_path / "ran.npy", [1])

    write_case(tmp_path / "case", prepared, "digest")
    np.savez(tmp_path / "case/foreground.npz", **{"1": np.array([Code()], dtype=object)})
    with pytest.raises(DataError, match=r"is damaged: .*allow_pickle=False.* Remove the folder"):
        open_case(tmp_path / "case")
    assert not (tmp_path / "ran.npy").exists()


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
