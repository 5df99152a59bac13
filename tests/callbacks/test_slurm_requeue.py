"""Runs in a Slurm job that is told in good time that it will end."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch import Callback

from adpfl_bench.callbacks.checkpointing import RoundCheckpoint, last_checkpoint
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.callbacks.slurm_requeue import SlurmRequeue, was_requeued
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.stopping import Stopped, heeding_stops

JOB = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "fit",
    "SLURM_NTASKS": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
}


class Signalled(Callback):
    """Sends this process a signal in the midst of a round."""

    def __init__(self, number: signal.Signals, round_index: int = 1) -> None:
        self.number, self.round_index = number, round_index

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.round_index, 2):
            os.kill(os.getpid(), self.number)


@pytest.fixture
def scontrol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a scontrol into the PATH that ends as a shell's line says, and notes what it was asked for."""
    asked, program = tmp_path / "asked", tmp_path / "bin" / "scontrol"

    def write(line: str) -> Path:
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$@" >> {asked}\n{line}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        return asked

    return write


@pytest.fixture(autouse=True)
def slurm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The variables of a job, and signals that do what they do in one."""
    for name, value in JOB.items():
        monkeypatch.setenv(name, value)
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def train(make_trainer: Any, toy_task: Any, toy_data: Any, tmp_path: Path) -> Callable[..., Path]:
    """Trains three rounds in a folder, and returns it."""

    def run(*callbacks: Callback, plugins: Any = None, checkpoint: Path | None = None) -> Path:
        folder = tmp_path / "run"
        loop = [FederatedLoop(rounds=3), RunRecorder(), SlurmRequeue(), RoundCheckpoint(folder), *callbacks]
        trainer = make_trainer(*loop, default_root_dir=folder, plugins=plugins)
        trainer.fit(toy_task(), datamodule=toy_data(), ckpt_path=checkpoint)
        return folder

    return run


def heeds(number: signal.Signals) -> bool:
    """Whether a signal is still taken for a stop, and not passed on to the handler of before."""
    came = []
    handler: Any = signal.getsignal(number)
    if handler in (signal.SIG_DFL, signal.SIG_IGN):
        return False
    handler.__self__._before[number] = lambda *_: came.append(number)
    os.kill(os.getpid(), number)
    return came != [number]


@pytest.mark.parametrize("commanded", [True, False], ids=["in a command", "from Python"])
def test_a_job_is_put_into_the_queue_again_when_its_run_is_recorded(
    scontrol: Callable[[str], Path],
    train: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    commanded: bool,
) -> None:
    asked = scontrol(f"cp {tmp_path}/run/run.json {tmp_path}/then")
    with heeding_stops() if commanded else nullcontext(), pytest.raises(Stopped):
        train(Signalled(signal.SIGUSR1))
    assert asked.read_text() == "requeue 4711\n"
    assert '"status": "interrupted"' in (tmp_path / "then").read_text()
    assert RunDirectory(tmp_path / "run").read_record().rounds_completed == 1
    printed = capsys.readouterr().out
    assert "Stopped after 1 rounds" in printed
    assert "Slurm starts job 4711 again, and with it this command" in printed
    with pytest.raises(Stopped):  # in the same process
        train(Signalled(signal.SIGUSR1, 2), checkpoint=last_checkpoint(tmp_path / "run"))
    folder = train(checkpoint=last_checkpoint(tmp_path / "run"))
    assert RunDirectory(folder).read_record().rounds_completed == 3
    assert asked.read_text() == 2 * "requeue 4711\n"
    assert not heeds(signal.SIGUSR1)


def test_a_job_of_an_array_has_two_numbers(
    scontrol: Callable[[str], Path], train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    asked = scontrol("")
    with pytest.raises(Stopped):
        train(Signalled(signal.SIGUSR2), plugins=[SLURMEnvironment(requeue_signal=signal.SIGUSR2)])
    assert asked.read_text() == "requeue 12_3\n"


def test_what_scontrol_says_is_told(
    scontrol: Callable[[str], Path], train: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    scontrol("echo Access denied >&2; exit 1")
    with pytest.raises(Stopped):
        train(Signalled(signal.SIGUSR1))
    said = "Slurm could not be asked to start job 4711 again (scontrol requeue 4711: Access denied); submit it again."
    assert said in capsys.readouterr().out


def test_no_audit_is_started_again(
    scontrol: Callable[[str], Path],
    train: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = scontrol("")
    monkeypatch.setattr("adpfl_bench.callbacks.slurm_requeue.find_callback", lambda *_: object())
    with pytest.raises(Stopped):
        train(Signalled(signal.SIGUSR1))
    assert "An audit cannot be continued, so Slurm is not asked to start its job again." in capsys.readouterr().out
    assert not asked.exists()


def test_a_cluster_without_scontrol_is_told(
    train: Callable[..., Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Stopped):
        train(Signalled(signal.SIGUSR1))
    said = "Slurm could not be asked to start job 4711 again (scontrol requeue 4711: [Errno 2]"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("environment", ["none", "not to be requeued"])
def test_where_nothing_is_requeued_the_signal_is_left_alone(
    scontrol: Callable[[str], Path], train: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    asked = scontrol("")
    if environment == "none":
        monkeypatch.delenv("SLURM_NTASKS")  # as Lightning tells
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        plugins = [SLURMEnvironment(auto_requeue=False)] if environment != "none" else None
        folder = train(Signalled(signal.SIGUSR1), plugins=plugins)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not asked.exists()
    assert not (folder / ".slurm-job").exists()


@pytest.mark.parametrize(
    ("variables", "mark", "again"),
    [
        ({"SLURM_RESTART_COUNT": "1"}, "4711", True),
        ({"SLURM_RESTART_COUNT": "2"}, "4711", True),
        ({"SLURM_RESTART_COUNT": "1"}, "4712", False),
        ({"SLURM_RESTART_COUNT": "1"}, None, False),
        ({"SLURM_RESTART_COUNT": "0"}, "4711", False),
        ({}, "4711", False),
        ({"SLURM_RESTART_COUNT": "1", "SLURM_JOB_ID": ""}, "", False),
    ],
)
def test_a_run_goes_on_unasked_in_the_job_that_began_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], mark: str | None, again: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if mark is not None:
        (tmp_path / ".slurm-job").write_text(mark)
    assert was_requeued(tmp_path) == again
