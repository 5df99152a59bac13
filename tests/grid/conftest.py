"""What the tests of the benchmark share."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adpfl_bench.cli import main
from tests.grid.fakes import FAKES, InProcessEngine, benchmark_of_fakes
from tests.processes import Command

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """Undo what a shell does to commands that it runs in the background, which, with all they start, ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def write_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Writes grid.yaml in an empty working directory."""
    monkeypatch.chdir(tmp_path)

    def write(**stated: Any) -> str:
        content = {"tasks": ["tasks/isic.yaml"], "methods": ["callbacks/fedavg.yaml"], "seeds": [0], **stated}
        content = {key: value for key, value in content.items() if value is not None}
        Path("grid.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        return "grid.yaml"

    return write


@pytest.fixture
def start_fake(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Starts the command with fake runs as a process of its own, in the folder of the grid."""
    started = []

    def start(*options: str) -> Command:
        words = ["benchmark", "--config", "grid.yaml", *options]
        started.append(Command(tmp_path, words, program=benchmark_of_fakes))
        return started[-1]

    yield start
    for process in started:
        process.stop(signal.SIGKILL)


@pytest.fixture
def run_fake(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Calls the command with fake runs, all in this process; its exit status and what it printed."""
    for name, fake in {**FAKES, "LocalEngine": lambda slots, gpus: InProcessEngine(slots=slots)}.items():
        monkeypatch.setattr(f"adpfl_bench.grid.benchmark.{name}", fake)

    def run(*options: str) -> tuple[int, str]:
        status = main(["benchmark", "--config", "grid.yaml", *options])
        return status, "".join(capfd.readouterr())

    return run


def ended(command: Command) -> tuple[int, str]:
    """Wait for a command; its exit status and what it printed."""
    return command.wait(), command.printed


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
