"""What the tests of the command line share."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from adpfl_bench.cli import main

Run = Callable[..., int]


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all tests keep the phantom cohorts that configs/smoke.yaml asks for."""
    return tmp_path_factory.mktemp("phantoms")


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without any of the repository's files."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def adpfl_bench(empty_folder: Path, phantom_folder: Path) -> Run:
    """Runs the command line in this process, on the smoke cohort; later arguments override earlier ones."""

    def run(command: str, *arguments: str, method: str = "fedavg", task: str = "isic") -> int:
        files = [f"tasks/{task}.yaml", f"callbacks/{method}.yaml", "configs/smoke.yaml"]
        configs = [word for file in files for word in ("--config", file)]
        return main([command, *configs, "--data.phantom_directory", str(phantom_folder), *arguments])

    return run


def resolved(capsys: pytest.CaptureFixture[str], *arguments: str, command: str = "fit") -> dict[str, Any]:
    """The configuration that a command line amounts to."""
    with pytest.raises(SystemExit, match="0"):
        main([command, *arguments, "--print_config"])
    return yaml.safe_load(capsys.readouterr().out)


def heed_interrupts() -> None:
    """Undo what a shell does to commands that it runs in the background, whose children would ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
