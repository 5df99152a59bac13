"""Where a run was made."""

import platform
import subprocess
from pathlib import Path

import numpy
import pytest
import torch

import adpfl_bench
from adpfl_bench.records import environment
from adpfl_bench.records.environment import git_revision, package_versions, peak_gpu_memory_mb, peak_memory_mb


def test_versions_are_those_that_run(monkeypatch):
    monkeypatch.setattr(environment, "_PACKAGES", ("numpy", "no-such-package"))
    assert package_versions() == {
        "python": platform.python_version(),
        "adpfl-bench": adpfl_bench.__version__,
        "numpy": numpy.__version__,
        "no-such-package": "not installed",
    }


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of its own that the package seems to run from."""

    def git(*words):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        return subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)

    package = tmp_path / "adpfl_bench" / "__init__.py"
    package.parent.mkdir()
    package.write_text("")
    monkeypatch.setattr(adpfl_bench, "__file__", str(package))
    return tmp_path, git


def test_revision_is_the_commit_and_says_when_files_differ(checkout):
    folder, git = checkout
    assert git_revision() is None
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "-am", "a tag must not stand in for the commit", "v9")
    commit = git("rev-parse", "HEAD").stdout.strip()
    assert git_revision() == commit
    (Path(folder) / "adpfl_bench" / "__init__.py").write_text("changed = True\n")
    assert git_revision() == f"{commit}-dirty"


def test_an_installed_package_has_no_revision_even_below_someone_elses_repository(checkout):
    folder, git = checkout
    git("init", "-q")
    site = folder / "site-packages" / "adpfl_bench"
    site.mkdir(parents=True)
    adpfl_bench.__file__ = str(site / "__init__.py")
    assert git_revision() is None


def test_peak_memory_counts_what_was_touched():
    before = peak_memory_mb()
    assert 20 < before < 1e5
    block = bytearray(int((before + 64) * 2**20))
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory_mb() >= before + 64
    del block
    assert peak_memory_mb() >= before + 64


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what a machine without a GPU says")
def test_gpu_memory_without_a_gpu():
    assert peak_gpu_memory_mb() is None
