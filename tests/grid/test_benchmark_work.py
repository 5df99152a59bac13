"""One attempt at a run."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.run_state import inspect_run
from adpfl_bench.grid.work import FAILED, FINISHED, TAKEN, exit_status, perform
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.stopping import Stopped
from tests.grid.conftest import TOP, wait_until
from tests.grid.fake_worker import fit
from tests.grid.fakes import FAKE_WORKER, planned


def make(run: GridRun, retry_failed: bool = False) -> int:
    return exit_status(replace(run, retry_failed=retry_failed), fit)


def rounds(run: GridRun) -> list[int]:
    return [row.round for row in RunDirectory(run.files.folder).read_rounds()]


def outcomes(run: GridRun) -> list[str | None]:
    return [attempt.outcome for attempt in run.files.read_attempts()]


def test_run_survives_the_way_to_another_process(tmp_path: Path) -> None:
    run = replace(planned(tmp_path), retry_failed=True)
    assert GridRun.from_json(run.to_json()) == run


def test_run_is_made_once(tmp_path: Path) -> None:
    run = planned(tmp_path)
    assert [make(run), make(run)] == [FINISHED, FINISHED]
    assert (rounds(run), outcomes(run)) == ([1, 2, 3], ["finished"])


def test_command_line_of_fit_continues_from_the_last_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = []
    exit_status(planned(tmp_path), seen.append)
    assert seen == [["fit", *planned(tmp_path).words, "--ckpt_path", "last"]]
    assert "--- attempt 1, " in capsys.readouterr().out


def test_failure_is_written_down_and_not_tried_again_unasked(tmp_path: Path) -> None:
    run = planned(tmp_path, "raise")
    assert [make(run), make(run)] == [FAILED, FAILED]
    assert outcomes(run) == ["failed"]
    assert inspect_run(run).reason == "ValueError: one"
    assert make(run, retry_failed=True) == FAILED
    assert outcomes(run) == ["failed", "failed"]
    assert rounds(run) == [1]


def test_failure_before_there_is_a_record_is_known_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = planned(tmp_path, "refuse")
    assert make(run) == FAILED
    assert not run.files.folder.exists()
    assert (inspect_run(run).stage, inspect_run(run).reason) == ("failed", "The partition needs 4 clients.")
    printed = capsys.readouterr().err
    assert "adpfl-bench: The partition needs 4 clients." in printed
    assert "Traceback" not in printed


def test_run_that_ends_without_scores_has_failed(tmp_path: Path) -> None:
    run = planned(tmp_path, "unscored")
    assert make(run) == FAILED
    assert inspect_run(run).reason == "The run came to its end as trained, and not as finished."


def test_trained_run_is_brought_to_its_scores(tmp_path: Path) -> None:
    run = planned(tmp_path)
    assert make(run) == FINISHED
    record = RunDirectory(run.files.folder)
    record.write_record(record.read_record().model_copy(update={"status": "trained"}))
    assert make(run) == FINISHED
    assert (rounds(run), inspect_run(run).stage) == ([1, 2, 3], "finished")


def test_other_settings_are_never_overwritten(tmp_path: Path) -> None:
    assert make(planned(tmp_path, rounds=5)) == FINISHED
    before = (planned(tmp_path).files.folder / "run.json").read_bytes()
    assert make(planned(tmp_path), retry_failed=True) == FAILED
    assert (planned(tmp_path).files.folder / "run.json").read_bytes() == before
    attempt = planned(tmp_path).files.read_attempts()[-1]
    assert attempt.outcome == "refused"
    assert "its folder now holds another run: federated.rounds is 5 (there)" in (attempt.error or "")


def test_failed_run_is_set_aside_when_it_is_tried_with_other_settings(tmp_path: Path) -> None:
    assert make(planned(tmp_path, "raise")) == FAILED
    run = planned(tmp_path, "train")
    assert make(run) == FAILED
    assert make(run, retry_failed=True) == FINISHED
    assert rounds(run) == [1, 2, 3]
    (kept,) = (tmp_path / "replaced").rglob("run.json")
    assert json.loads(kept.read_text())["status"] == "failed"


def test_file_that_has_changed_since_the_plan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("method: mine\n")
    run = planned(tmp_path)
    run = replace(run, words=("--config", "mine.yaml", *run.words), sources={"mine.yaml": "0" * 64})
    assert make(run) == FAILED
    assert "since mine.yaml has changed; start the benchmark again" in (run.files.read_attempts()[-1].error or "")
    assert inspect_run(run).stage == "resumable"
    (tmp_path / "mine.yaml").unlink()
    assert make(run) == FAILED
    assert "no configuration file mine.yaml" in (run.files.read_attempts()[-1].error or "")


def test_run_that_another_process_makes_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("adpfl_bench.grid.work._LOCK_WAIT_S", 0.1)
    run = planned(tmp_path)
    with run.files.lock.held():
        assert make(run) == TAKEN
    assert f"seed0 is in use by process {os.getpid()} on " in capsys.readouterr().err
    assert outcomes(run) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("disguise", [KeyboardInterrupt, SystemExit, ImportError])
def test_a_stop_is_no_failure_however_it_comes_out(
    tmp_path: Path, disguise: type[BaseException], number: signal.Signals
) -> None:
    run = planned(tmp_path)

    def interrupted(words: list[str]) -> None:
        try:
            os.kill(os.getpid(), number)
        except Stopped:
            raise disguise("a library's") from None

    handler = signal.getsignal(number)
    assert exit_status(run, interrupted) == 128 + number
    assert signal.getsignal(number) is handler
    assert (outcomes(run), inspect_run(run).stage) == (["interrupted"], "resumable")


def test_leaving_for_the_queue_goes_through_to_the_cluster(tmp_path: Path) -> None:
    def requeued(words: list[str]) -> None:
        raise SystemExit(-1)

    with pytest.raises(SystemExit):
        perform(planned(tmp_path), requeued)
    assert outcomes(planned(tmp_path)) == ["interrupted"]


def test_worker_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    run = planned(tmp_path, "slow", rounds=1000)
    program = (
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([*sys.argv[2:], str(os.getpid()), sys.argv[1]]); time.sleep(100)"
    )
    command = [sys.executable, "-c", program, run.to_json(), *FAKE_WORKER]
    parent = subprocess.Popen(command, cwd=TOP)
    wait_until(lambda: run.files.read_attempts() and run.files.lock.taken)
    parent.kill()
    parent.wait()
    wait_until(lambda: not run.files.lock.taken)
    assert (outcomes(run), inspect_run(run).stage) == ([None], "resumable")


def test_worker_of_a_parent_that_is_gone_does_nothing(tmp_path: Path) -> None:
    run = planned(tmp_path)
    command = [*FAKE_WORKER, "1", run.to_json()]
    assert subprocess.run(command, cwd=TOP, check=False).returncode == 1
    assert inspect_run(run).stage == "new"
