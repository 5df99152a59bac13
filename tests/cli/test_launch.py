"""Processes that the command line starts itself: they end together, in a sentence, and the run goes on."""

import json
import multiprocessing
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from adpfl_bench.cli.launch import _work
from adpfl_bench.peers import LAUNCHED
from adpfl_bench.records.run_lock import RunLock
from tests.cli.conftest import Run
from tests.processes import Command, alive


def rounds_of(folder: Path) -> int:
    record = folder / "run.json"
    return int(json.loads(record.read_text())["rounds_completed"]) if record.exists() else 0


def test_processes_end_together_and_the_run_goes_on(tmp_path: Path, phantom_folder: Path) -> None:
    folder = tmp_path / "run"
    files = ("tasks/isic.yaml", "callbacks/adp_fl.yaml", "configs/smoke.yaml")
    words = ["fit", *(word for file in files for word in ("--config", file)), "--federated.rounds", "500"]
    words += ["--data.phantom_directory", str(phantom_folder), "--trainer.default_root_dir", str(folder)]
    words += ["--trainer.accelerator", "cpu", "--trainer.devices", "2"]

    command = Command(tmp_path, words)
    command.wait_for(lambda: rounds_of(folder) >= 1)
    first = RunLock(folder).holder()
    assert first is not None
    os.kill(first.process, signal.SIGKILL)
    assert command.wait() == 1
    said = [line for line in command.printed.splitlines() if line.startswith("adpfl-bench: ")]
    assert [line.partition(",")[0] for line in said] == [
        "adpfl-bench: One of the run's processes was killed by SIGKILL"
    ]

    before = rounds_of(folder)
    command = Command(tmp_path, [*words, "--ckpt_path", "last"])
    command.wait_for(lambda: rounds_of(folder) > before)
    holder = RunLock(folder).holder()
    assert holder is not None
    command.stop(signal.SIGTERM)
    assert command.status == 143, command.printed
    assert "adpfl-bench: stopped by SIGTERM; the same command with --ckpt_path last continues" in command.printed
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    assert not alive(holder.process)


def sleep(arguments: list[str]) -> int:
    time.sleep(600)
    return 0


def work(arguments: list[str]) -> int:
    """A process that another has started, at something long."""
    sys.modules["adpfl_bench.cli.main"].main = sleep  # type: ignore[attr-defined]
    _work([], int(arguments[0]))
    return 0


def test_what_a_command_has_started_is_stopped_when_it_is_killed(tmp_path: Path) -> None:
    command = Command(tmp_path, [], program=sleep)
    started = Command(tmp_path, [str(command.process)], program=work)
    started.wait_for(lambda: started.threads() > 1)
    command.stop(signal.SIGKILL)
    assert started.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["audit", "--trainer.devices", "2"], "An audit.* needs one process, but several are asked for"),
        (["fit", "--trainer.devices", "0"], "trainer.devices must be a whole number of at least 1, but it is 0"),
        (["fit", "--trainer.num_nodes", "2"], "trainer.num_nodes is 2, but the environment lacks MASTER_ADDR"),
    ],
)
def test_what_cannot_be_started_is_a_sentence(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    command, *options = words
    assert adpfl_bench(command, *options) == 1
    assert re.search(sentence, capsys.readouterr().err)
    assert LAUNCHED not in os.environ  # what is started later is not taken for one of the processes


def test_loaders_of_a_process_start_as_those_of_a_run_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = multiprocessing.get_start_method()
    found: list[str] = []

    def answer(words: list[str]) -> int:
        found.append(multiprocessing.get_start_method())
        return 0

    monkeypatch.setattr(sys.modules["adpfl_bench.cli.main"], "main", answer)
    monkeypatch.delattr(os, "pidfd_open", raising=False)  # by which it would wait for its parent's end
    multiprocessing.set_start_method("forkserver", force=True)  # as in what a server of forks has started
    try:
        with pytest.raises(SystemExit):
            _work([], os.getpid())
    finally:
        multiprocessing.set_start_method(None, force=True)
    assert found == [usual]
