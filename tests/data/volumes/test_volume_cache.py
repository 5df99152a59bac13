"""The cache of prepared cases: once, in full, never stale."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from adpfl_bench.data.case import Case
from adpfl_bench.data.data_contents import read_contents
from adpfl_bench.data.volumes import volume_cache
from adpfl_bench.data.volumes.preparation import Preparation
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.data.volumes.volume_cache import VolumeCache
from adpfl_bench.datasets.kits import KITS
from adpfl_bench.errors import ConfigError, DataError

RELEASE = VolumeRelease("KiTS23", "CT", ("CT",), {1: "kidney", 2: "tumour", 3: "cyst"}, (KITS,))
HOW = Preparation(None, (-79.0, 304.0))
Make = Callable[..., list[Case]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Writes small cases with an image of their own each."""

    def write(count: int) -> list[Case]:
        cases = []
        for number in range(count):
            folder = tmp_path / "data" / f"case_{number:05d}"
            folder.mkdir(parents=True, exist_ok=True)
            image = np.random.default_rng(number).integers(-50, 200, (10, 9, 8)).astype(np.int16)
            image[0, 0, 0] = -1000  # air
            label = np.zeros((10, 9, 8), dtype=np.uint8)
            label[3:6, 3:6, 3:6] = 1 + number % 3
            nib.save(nib.Nifti1Image(image, np.eye(4)), folder / "imaging.nii.gz")
            nib.save(nib.Nifti1Image(label, np.eye(4)), folder / "segmentation.nii.gz")
            files = (folder / "imaging.nii.gz",), folder / "segmentation.nii.gz"
            cases.append(Case(folder.name, folder.name, *files))
        return cases

    return write


def test_what_is_prepared_is_found_again(tmp_path: Path, make: Make) -> None:
    cases, said = make(3), []
    first = VolumeCache(cases, RELEASE, HOW, tmp_path / "cache", say=said.append)
    assert (first.prepared, len(first)) == (3, 3)
    assert len(said) == 1
    assert "preparing 3 of 3 cases" in said[0]
    assert "they take at most 6.5 kB there" in said[0]
    second = VolumeCache(cases, RELEASE, HOW, tmp_path / "cache", say=said.append)
    assert second.prepared == 0
    assert len(said) == 1
    for case in cases:
        np.testing.assert_array_equal(first[case.case_id].read_image(), second[case.case_id].read_image())
    assert second.nbytes > 0


def test_cases_are_found_by_what_their_files_hold(tmp_path: Path, make: Make) -> None:
    def prepared() -> int:
        contents = read_contents(tmp_path, cases)
        return VolumeCache(cases, RELEASE, HOW, tmp_path / "cache", contents=contents).prepared

    cases = make(3)
    assert prepared() == 3
    for path in (path for case in cases for path in case.files):
        os.utime(path, (1, 1))
    assert prepared() == 0
    path = cases[0].images[0]
    status, content = path.stat(), bytearray(path.read_bytes())
    content[4] ^= 1  # the time of day in gzip's header
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert prepared() == 1


def test_a_case_that_changes_while_it_is_prepared_is_not_kept(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = make(2)
    contents = read_contents(tmp_path, cases)
    prepare = volume_cache.prepare_case

    def slow(case: Case, *how: Any) -> Any:
        done = prepare(case, *how)
        case.images[0].write_bytes(b"changed")
        return done

    monkeypatch.setattr(volume_cache, "prepare_case", slow)
    with pytest.raises(DataError, match="was changed after this run had read it"):
        VolumeCache(cases, RELEASE, HOW, tmp_path / "cache", contents=contents)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.name == "case.json"]


def test_only_what_is_missing_or_changed_is_prepared(tmp_path: Path, make: Make) -> None:
    cases = make(4)
    assert VolumeCache(cases[:2], RELEASE, HOW, tmp_path / "cache").prepared == 2
    assert VolumeCache(cases, RELEASE, HOW, tmp_path / "cache").prepared == 2
    changed = cases[1].images[0]
    later = time.time_ns() + 10**9
    os.utime(changed, ns=(later, later))
    assert VolumeCache(cases, RELEASE, HOW, tmp_path / "cache").prepared == 1
    other = Preparation((2.0, 2.0, 2.0), HOW.window)
    assert VolumeCache(cases, RELEASE, other, tmp_path / "cache").prepared == 4


def test_the_number_of_workers_changes_nothing(tmp_path: Path, make: Make) -> None:
    cases = make(4)
    one, many = (VolumeCache(cases, RELEASE, HOW, tmp_path / f"{n}", workers=n) for n in (1, 4))
    for case in cases:
        for name in ("image.b2nd", "label.b2nd", "foreground.npz", "case.json"):
            folders = one[case.case_id].folder, many[case.case_id].folder
            assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_damaged_cases_are_named_together_and_the_others_are_kept(tmp_path: Path, make: Make) -> None:
    cases = make(5)
    for case in cases[1:3]:
        content = case.images[0].read_bytes()
        case.images[0].write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError) as caught:
        VolumeCache(cases, RELEASE, HOW, tmp_path / "cache")
    sentence = str(caught.value)
    assert all(case.case_id in sentence and str(case.images[0]) in sentence for case in cases[1:3])
    assert cases[0].case_id not in sentence
    assert "adpfl-bench verify" in sentence
    assert VolumeCache([cases[0], *cases[3:]], RELEASE, HOW, tmp_path / "cache").prepared == 0


def test_the_same_image_under_two_patients_is_refused(tmp_path: Path, make: Make) -> None:
    cases = make(3)
    shutil.copy(cases[0].images[0], cases[2].images[0])
    with pytest.raises(DataError, match=f"{cases[2].case_id}.*same image as {cases[0].case_id}"):
        VolumeCache(cases, RELEASE, HOW, tmp_path / "cache")
    # Also when both were prepared long ago.
    with pytest.raises(DataError, match="same image"):
        VolumeCache(cases, RELEASE, HOW, tmp_path / "cache")
    same_patient = [cases[0], Case(cases[2].case_id, cases[0].patient_id, cases[2].images, cases[2].label)]
    assert len(VolumeCache(same_patient, RELEASE, HOW, tmp_path / "cache")) == 2


def test_a_full_disk_is_said_and_keeps_what_was_prepared(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases, write, written = make(4), volume_cache.write_case, []

    def write_two(*arguments: object) -> None:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(write(*arguments))

    monkeypatch.setattr(volume_cache, "write_case", write_two)
    with pytest.raises(ConfigError, match=r"No space left.*2 cases were prepared and stay.*cache_directory"):
        VolumeCache(cases, RELEASE, HOW, tmp_path / "cache", workers=1)
    monkeypatch.undo()
    assert VolumeCache(cases, RELEASE, HOW, tmp_path / "cache").prepared == 2


def test_an_unwritable_directory_is_named(tmp_path: Path, make: Make) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot be written.*cache_directory"):
        VolumeCache(make(1), RELEASE, HOW, tmp_path / "file" / "cache")


def test_a_vanished_file_is_named(tmp_path: Path, make: Make) -> None:
    cases = make(2)
    cases[1].images[0].unlink()
    with pytest.raises(DataError, match=cases[1].case_id):
        VolumeCache(cases, RELEASE, HOW, tmp_path / "cache")
