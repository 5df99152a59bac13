"""A path that begins with ~ is below the home folder also where no shell has read it."""

from pathlib import Path

import pytest

from adpfl_bench import ISICDataModule


def test_a_tilde_in_a_yaml_file_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    data = ISICDataModule("~/isic", phantom_directory="~/phantoms")
    assert data.root == tmp_path / "isic"
    assert data.phantom_directory == tmp_path / "phantoms"
