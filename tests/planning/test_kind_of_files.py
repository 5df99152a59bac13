"""Pictures or volumes: by the names of images, and of nothing else."""

import pytest

from adpfl_bench.errors import DataError
from adpfl_bench.planning.kind_of_files import kind_of_files
from tests.own_layouts import decathlon, pictures, table, volumes


def test_folders_say_it_by_their_ending_or_by_their_files(tmp_path):
    assert kind_of_files(pictures(tmp_path / "a", 1)) == "pictures"
    assert kind_of_files(volumes(tmp_path / "b", 1)) == "volumes"
    assert kind_of_files(decathlon(tmp_path / "c", tmp_path / "b")) == "volumes"  # which states no ending


def test_tables_say_it_by_their_columns_of_images(tmp_path):
    row = {"image": "a.nii.gz", "mask": "b.nii.gz", "preview": "a.png"}
    assert kind_of_files(table(tmp_path / "a.csv", [row])) == "volumes"
    named = table(tmp_path / "b.csv", [{"scan": "a.NII.GZ ", "preview": "a.png", "mask": "b.nii.gz"}])
    assert kind_of_files(named, ["scan"]) == "volumes"
    with pytest.raises(DataError, match="names pictures and volumes; expected files of one kind"):
        kind_of_files(named)
    with pytest.raises(DataError, match=r"names no file that is read, but a\.dcm; expected"):
        kind_of_files(table(tmp_path / "c.csv", [{"image": "a.dcm", "mask": "b.png"}]))


def test_what_is_no_dataset_is_refused(tmp_path):
    (tmp_path / "file.txt").touch()
    refused = {"no": "does not exist", "file.txt": "is no CSV file", ".": "dataset.json does not exist"}
    for path, sentence in refused.items():
        with pytest.raises(DataError, match=sentence):
            kind_of_files(tmp_path / path)
