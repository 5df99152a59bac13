"""What the tests of the benchmark share."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adpfl_bench.cli import main
from tests.cli.conftest import heed_interrupts
from tests.grid.fakes import FAKES, InProcessEngine

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
def start_fake(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command with fake runs as a process of its own, in the folder of the grid."""
    started = []

    def start(*options: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.grid.fakes", "benchmark", "--config", "grid.yaml", *options],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(TOP)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=heed_interrupts,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_fake(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Calls the command with fake runs, all in this process; its exit status and what it printed."""
    for name, fake in {**FAKES, "LocalEngine": lambda slots, gpus: InProcessEngine(slots=slots)}.items():
        monkeypatch.setattr(f"adpfl_bench.grid.benchmark.{name}", fake)

    def run(*options: str) -> tuple[int, str]:
        status = main(["benchmark", "--config", "grid.yaml", *options])
        return status, "".join(capfd.readouterr())

    return run


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a process; its exit status and what it printed."""
    output, _ = process.communicate(timeout=120)
    return process.returncode, output


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
