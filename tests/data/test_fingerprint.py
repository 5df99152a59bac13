import os
import shutil

import pytest

from adpfl_bench.data.fingerprint import dataset_fingerprint, dataset_kind
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import DataError

IMAGE = "ISIC-2017_Training_Data/ISIC_0000002.jpg"


@pytest.fixture
def before(isic):
    return dataset_fingerprint(isic, ISICDataModule("").scan(isic))


def test_it_is_a_sha256_that_depends_on_neither_place_nor_order_nor_time(isic, before, tmp_path):
    shutil.copytree(isic, tmp_path / "copy")
    os.utime(tmp_path / "copy" / IMAGE, (0, 0))
    assert dataset_fingerprint(tmp_path / "copy", ISICDataModule("").scan(tmp_path / "copy")[::-1]) == before
    assert len(bytes.fromhex(before)) == 32


def test_a_file_of_another_size_changes_it(isic, before):
    with (isic / IMAGE).open("ab") as file:
        file.write(b"\0")
    assert dataset_fingerprint(isic, ISICDataModule("").scan(isic)) != before


def test_a_case_fewer_changes_it(isic, before):
    assert dataset_fingerprint(isic, ISICDataModule("").scan(isic)[1:]) != before


def test_a_renamed_file_changes_it(isic, before):
    for path in (isic / IMAGE, isic / "ISIC-2017_Training_Part1_GroundTruth/ISIC_0000002_segmentation.png"):
        path.rename(path.with_name(path.name.replace("0000002", "0000009")))
    assert dataset_fingerprint(isic, ISICDataModule("").scan(isic)) != before


def test_a_file_that_vanished_is_told(isic):
    cases = ISICDataModule("").scan(isic)
    (isic / IMAGE).unlink()
    with pytest.raises(DataError, match=r"ISIC_0000002 has the file .*ISIC_0000002\.jpg, which cannot be read"):
        dataset_fingerprint(isic, cases)


def test_a_file_outside_the_folder_is_told(isic, tmp_path):
    with pytest.raises(DataError, match="not below the dataset's folder"):
        dataset_fingerprint(tmp_path / "elsewhere", ISICDataModule("").scan(isic))


def test_a_phantom_says_that_it_is_one(isic):
    assert dataset_kind(isic) == "real"
    (isic / "PHANTOM.json").write_text("{}")
    assert dataset_kind(isic) == "phantom"
