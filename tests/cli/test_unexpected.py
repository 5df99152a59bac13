"""What no part of the suite has a sentence for ends in one all the same, with its traceback in a file."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.cli.main import COMMANDS, Command
from adpfl_bench.cli.unexpected import say_unexpected


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A working directory in which ``manifest`` meets an error of nobody's making."""

    def fail(words: list[str]) -> None:
        raise ZeroDivisionError("a rate of\nnothing")

    monkeypatch.setitem(COMMANDS, "manifest", Command("cli.unexpected", "fail", "", True))
    monkeypatch.setattr("adpfl_bench.cli.unexpected.fail", fail, raising=False)
    monkeypatch.setattr("adpfl_bench.cli.unexpected.say_unexpected", say_unexpected)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_error_of_nobodys_making_is_one_sentence_and_a_file(
    broken: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["manifest", "a b"]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "manifest ended by an error that it has no sentence for (ZeroDivisionError: a rate of nothing)" in said
    (path,) = broken.glob("adpfl-bench-error-*.txt")
    assert str(path) in said
    text = path.read_text()
    assert "adpfl-bench manifest 'a b'" in text
    assert text.rstrip().endswith("ZeroDivisionError: a rate of\nnothing")
    assert re.search(r"torch \d", text)


def test_the_file_is_elsewhere_where_none_can_be_written(
    broken: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    elsewhere = tmp_path / "temporary"
    elsewhere.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    assert main(["manifest"]) == 1
    (path,) = elsewhere.iterdir()
    assert str(path) in capsys.readouterr().err
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    assert main(["manifest"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)


def test_who_has_read_enough_ends_a_command_quietly() -> None:
    read, write = os.pipe()
    os.close(read)  # as `head` does after its last line
    command = [sys.executable, "-m", "adpfl_bench", "list", "tasks", "methods"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert ended.returncode == 141
    assert ended.stderr == ""
