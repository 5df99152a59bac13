"""How far a run is, by what is on the disk; and who is at work on it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.run_files import Attempt, RunFiles
from adpfl_bench.grid.run_state import inspect_run, last_lines
from adpfl_bench.records.run_lock import RunLock
from tests.grid.fake_worker import configuration
from tests.grid.fakes import planned
from tests.leaderboard.records import record_content
from tests.records.taken_folder import in_use


def write_record(run: GridRun, status: str, **more: Any) -> None:
    config = configuration(run.words)
    record = record_content(status=status, rounds_completed=2, wall_seconds=7.5, config=config, **more)
    run.files.folder.mkdir(parents=True, exist_ok=True)
    (run.files.folder / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        ("running", "resumable"),
        ("interrupted", "resumable"),
        ("trained", "resumable"),
        ("finished", "finished"),
        ("failed", "failed"),
    ],
)
def test_stage_follows_from_the_record(tmp_path: Path, status: str, stage: str) -> None:
    run = planned(tmp_path)
    assert inspect_run(run).stage == "new"
    write_record(run, status, error="ValueError: odd")
    state = inspect_run(run)
    assert (state.stage, state.rounds, state.seconds) == (stage, 2, 7.5)
    assert state.reason == ("ValueError: odd" if stage == "failed" else "")


@pytest.mark.parametrize(
    ("outcome", "status", "stage"),
    [
        (None, None, "resumable"),  # killed before its record was opened
        ("failed", None, "failed"),  # by data that could not be read, say
        ("failed", "running", "failed"),  # the record could not be written any more
        (None, "failed", "resumable"),  # tried again, and killed
        ("interrupted", "failed", "resumable"),
        ("refused", "running", "resumable"),
        ("failed", "finished", "finished"),  # finished by hand since
    ],
)
def test_the_last_attempt_says_more_than_the_record(
    tmp_path: Path, outcome: Any, status: str | None, stage: str
) -> None:
    run = planned(tmp_path)
    attempt = Attempt.now()
    run.files.write_attempt(attempt if outcome is None else attempt.end(outcome, "why"))
    if status is not None:
        write_record(run, status)
    state = inspect_run(run)
    assert state.stage == stage
    assert state.reason == ("why" if stage == "failed" else "")


@pytest.mark.parametrize("status", ["running", "interrupted", "trained", "finished"])
def test_folder_with_other_settings_is_refused_with_what_differs(tmp_path: Path, status: str) -> None:
    run = planned(tmp_path)
    write_record(planned(tmp_path, rounds=5), status)
    state = inspect_run(run)
    assert state.stage == "refused"
    assert str(run.files.folder) in state.reason
    assert "federated.rounds is 5 (there), 3 (in the grid)" in state.reason
    assert "another --output" in state.reason


@pytest.mark.parametrize(
    ("setting", "finished", "interrupted"),
    [
        ("--seed_everything=7", "finished", "resumable"),
        ("--data.num_workers=4", "finished", "resumable"),  # they change how fast it is
        ("--data.root=/data", "refused", "refused"),  # phantoms are no patients
    ],
)
def test_which_settings_make_another_run(tmp_path: Path, setting: str, finished: str, interrupted: str) -> None:
    other = planned(tmp_path, more=[setting])
    for status, stage in (("finished", finished), ("interrupted", interrupted)):
        write_record(planned(tmp_path), status)
        assert inspect_run(other).stage == stage


def test_failed_run_whose_settings_have_changed_is_still_failed(tmp_path: Path) -> None:
    write_record(planned(tmp_path, rounds=5), "failed", error="why")
    state = inspect_run(planned(tmp_path))
    assert (state.stage, state.reason) == (
        "failed",
        "why (its settings have changed since: federated.rounds is 5 (there), 3 (in the grid))",
    )


@pytest.mark.parametrize("content", ["{", "[]", '{"status": "finished"}', "null"])
def test_unreadable_record_is_refused_and_not_overwritten(tmp_path: Path, content: str) -> None:
    run = planned(tmp_path)
    run.files.folder.mkdir(parents=True)
    (run.files.folder / "run.json").write_text(content)
    assert inspect_run(run).stage == "refused"


def test_attempts_are_kept_in_order_and_brought_up_to_date(tmp_path: Path) -> None:
    files = RunFiles(tmp_path, "isic/fedavg/seed0")
    first, second = Attempt("1", 10, "here"), Attempt("2", 11, "here")
    for attempt in (first, second, second.end("failed", "why")):
        files.write_attempt(attempt)
    assert [(entry.process, entry.outcome, entry.error) for entry in files.read_attempts()] == [
        (10, None, None),
        (11, "failed", "why"),
    ]
    files.attempts_file.write_text("{")
    with pytest.raises(RecordError, match="cannot be read as the attempts at a run"):
        files.read_attempts()


def test_run_in_whose_folder_a_command_works_is_taken_and_says_by_whom(tmp_path: Path) -> None:
    run = planned(tmp_path)
    with RunLock(run.files.folder).held():
        state = inspect_run(run)
        assert state.stage == "taken"
        assert f"process {os.getpid()} on " in state.reason
    assert inspect_run(run).stage == "new"


def test_setting_aside_keeps_every_earlier_run(tmp_path: Path) -> None:
    run = planned(tmp_path)
    assert run.files.set_aside() is None
    for number in (1, 2):
        write_record(run, f"status {number}")
        assert run.files.set_aside() == tmp_path / "replaced" / f"isic/fedavg/seed0-{number}"
    kept = sorted(path.read_text() for path in (tmp_path / "replaced").rglob("run.json"))
    assert ["status 1" in kept[0], "status 2" in kept[1]] == [True, True]
    assert not run.files.folder.exists()


def test_lock_of_a_folder_that_was_set_aside_is_another_one(tmp_path: Path) -> None:
    run = planned(tmp_path)
    write_record(run, "failed")
    with run.files.lock.held():
        place = run.files.set_aside()
        assert place is not None
        assert [path.name for path in place.iterdir()] == ["run.json"]
        assert not run.files.lock.taken
        other = in_use(run.files.folder)  # whoever is faster in the folder that is made anew
        other.__enter__()
    assert run.files.lock.taken
    other.__exit__(None, None, None)
    assert not run.files.folder.exists()


def test_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    assert last_lines(log, 3) == []
    log.write_bytes(b"one\n\n  two\n10%\r50%\r100%\nthree \xff\n")
    assert last_lines(log, 3) == ["  two", "100%", "three \ufffd"]
