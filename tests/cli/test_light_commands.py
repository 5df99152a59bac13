"""Commands that do not train start without torch, so that they answer at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from adpfl_bench.cli import main

HEAVY = ("torch", "lightning", "monai", "wandb", "matplotlib", "pandas")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["phantom", "--help"],
        ["leaderboard", "--help"],
        ["verify", "--help"],
        ["verify-run", "--help"],
        ["manifest", "--help"],
        ["prepare", "--help"],
        ["plan", "--help"],
        ["report", "--help"],
        ["wandb", "--help"],
        ["benchmark", "--help"],
    ],
)
def test_command_answers_without_heavy_imports(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import sys; from adpfl_bench.cli import main\n"
        "try: main()\nexcept SystemExit as stop: assert not stop.code\n"
        f"loaded = [name for name in {HEAVY} if name in sys.modules]; assert not loaded, loaded"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "adpfl-bench" in result.stdout


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in (
        "fit",
        "validate",
        "test",
        "predict",
        "plan",
        "verify",
        "verify-run",
        "manifest",
        "phantom",
        "leaderboard",
        "report",
        "wandb",
        "benchmark",
    ):
        assert f"\n  {command} " in text


def test_unknown_command_is_named_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train"]) == 2
    assert "no command train; possible are fit, validate, test, predict" in capsys.readouterr().err


def test_phantom_command_writes_the_same_bytes_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        arguments = ["--output", str(tmp_path / name), "--cases", "4", "--seed", "2", "--image_size", "[32,40]"]
        assert main(["phantom", "isic", *arguments]) == 0
    trees = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    ]
    assert len(trees[0]) == 9
    assert trees[0] == trees[1]
    assert str(tmp_path / "a") in capsys.readouterr().out
