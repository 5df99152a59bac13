"""Processes of runs: where they print, what they may use, how they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from adpfl_bench.grid.engine import Ended, Job, LocalEngine, LocalJob, visible_gpus
from adpfl_bench.grid.work import FAILED, FINISHED
from adpfl_bench.processors import count_processors
from tests.grid.conftest import TOP, wait_until
from tests.grid.fakes import FAKE_WORKER, planned


def engine(slots: int = 1, **more: object) -> LocalEngine:
    return LocalEngine(slots, worker=FAKE_WORKER, environment={**os.environ, "PYTHONPATH": str(TOP)}, **more)


def end_of(job: Job) -> Ended:
    wait_until(lambda: job.poll() is not None)
    ended = job.poll()
    assert ended is not None
    return ended


@pytest.mark.parametrize(
    ("behaviour", "status", "how"),
    [
        ("train", FINISHED, "ended with exit status 0"),
        ("raise", FAILED, "ended with exit status 1"),
        ("die always", None, "killed by SIGKILL (for want of memory, perhaps)"),
    ],
)
def test_how_a_process_ended(tmp_path: Path, behaviour: str, status: int | None, how: str) -> None:
    run = planned(tmp_path, behaviour)
    assert end_of(engine().start(run, 0)) == Ended(status, how)
    log = run.files.log.read_text()
    assert log.startswith("--- attempt 1, ")
    assert ("ValueError: one" in log) == (behaviour == "raise")


def test_log_is_continued(tmp_path: Path) -> None:
    run = planned(tmp_path, "die once")
    for _ in range(2):
        end_of(engine().start(run, 0))
    assert [line[:13] for line in run.files.log.read_text().splitlines() if line.startswith("---")] == [
        "--- attempt 1",
        "--- attempt 2",
    ]


def test_interrupt_and_kill(tmp_path: Path) -> None:
    runs = [planned(tmp_path, "slow", seed=seed, rounds=1000) for seed in (0, 1)]
    jobs = [engine().start(run, 0) for run in runs]
    wait_until(lambda: all(run.files.read_attempts() for run in runs))
    jobs[0].interrupt()
    jobs[1].kill()
    assert [end_of(job) for job in jobs] == [
        Ended(143, "ended with exit status 143"),
        Ended(None, "killed by SIGKILL (for want of memory, perhaps)"),
    ]
    assert [run.files.read_attempts()[0].outcome for run in runs] == ["interrupted", None]
    for job in jobs:  # it has ended; nothing is signalled any more
        job.interrupt()
        job.kill()


def test_processes_do_not_wait_for_one_that_has_not_come(tmp_path: Path) -> None:
    commands = ["import time; time.sleep(600)", "raise SystemExit(3)"]
    job = LocalJob(
        [subprocess.Popen([sys.executable, "-c", text], start_new_session=True) for text in commands], patience=0.1
    )
    assert end_of(job) == Ended(None, "killed by SIGKILL (for want of memory, perhaps)")


def test_process_is_out_of_reach_of_the_terminals_ctrl_c(tmp_path: Path) -> None:
    run = planned(tmp_path, "slow", rounds=1000)
    job = engine().start(run, 0)
    wait_until(lambda: run.files.read_attempts())
    assert os.getpgid(run.files.read_attempts()[0].process) != os.getpgid(0)
    job.kill()
    end_of(job)


def test_interpreter_that_does_not_start_leaves_its_complaint_in_the_log(tmp_path: Path) -> None:
    run = planned(tmp_path)
    broken = LocalEngine(1, worker=(sys.executable, "-m", "adpfl_bench.no_such_module"))
    assert end_of(broken.start(run, 0)).status == 1
    assert "No module named" in run.files.log.read_text()


def test_threads_are_divided_and_gpus_handed_out_in_turn(tmp_path: Path) -> None:
    run = planned(tmp_path, more=["--trainer.devices=1"])

    def variables(slots: int, slot: int = 0, gpus: Sequence[str] = (), **stated: str) -> dict[str, str]:
        (found,) = LocalEngine(slots, gpus, environment=stated).environments(run, slot)
        return found

    assert variables(2)["OMP_NUM_THREADS"] == variables(2)["ADPFL_PROCESSORS"] == str(max(1, count_processors() // 2))
    assert "CUDA_VISIBLE_DEVICES" not in variables(2)
    assert variables(10**6)["OMP_NUM_THREADS"] == "1"
    assert variables(2, 1, OMP_NUM_THREADS="7")["OMP_NUM_THREADS"] == "7"
    seen = [variables(5, slot, ["3", "MIG-a"]) for slot in range(5)]
    assert [found["CUDA_VISIBLE_DEVICES"] for found in seen] == ["3", "MIG-a", "3", "MIG-a", "3"]
    assert "OMP_NUM_THREADS" not in seen[0]


@pytest.mark.parametrize(
    ("stated", "count", "names"),
    [(None, 2, ["0", "1"]), ("3,5", 2, ["3", "5"]), ("5, -1,2", 1, ["5"]), ("", 0, []), (None, 0, [])],
)
def test_gpus_are_named_as_the_process_sees_them(
    monkeypatch: pytest.MonkeyPatch, stated: str | None, count: int, names: list[str]
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if stated is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", stated)
    assert visible_gpus() == names


def test_ignored_interrupts_are_heeded_all_the_same(tmp_path: Path) -> None:
    run = planned(tmp_path, "slow", rounds=1000)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does to what it runs in the background
    try:
        job = engine().start(run, 0)
        wait_until(lambda: run.files.read_attempts())
    finally:
        signal.signal(signal.SIGINT, before)
    job.interrupt()
    assert end_of(job).status == 143
