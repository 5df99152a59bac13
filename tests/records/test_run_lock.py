"""Who may work in a run's folder."""

import errno
import fcntl
import json
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.records import run_lock
from adpfl_bench.records.run_lock import RunIsTaken, RunLock
from tests.grid.conftest import wait_until

_HOLD = """
import os, sys, time
from adpfl_bench.records.run_lock import RunLock
with RunLock(sys.argv[1]).held():
    if len(sys.argv) > 2 and os.fork() == 0:  # as a loading process
        time.sleep(float(sys.argv[2]))
        os._exit(0)
    time.sleep(100)
"""


def holding(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """A process that holds the folder's lock."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, str(folder), *words])
    wait_until(lambda: RunLock(folder).holder() is not None)  # the file is there before its content is
    return process


def test_another_process_is_kept_out_and_told_who_holds_it(tmp_path: Path) -> None:
    process = holding(tmp_path / "run")
    lock = RunLock(tmp_path / "run")
    assert lock.taken
    who = rf"run is in use by process {process.pid} on {platform.node()}, since 20\d\d-\S+:\d\d\+00:00\. Wait for it"
    with pytest.raises(RunIsTaken, match=who), lock.held(wait=0.1):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "run" / ".lock").exists()  # which is nobody's
    assert not lock.taken
    with lock.held(wait=0.1):
        assert lock.holder() == run_lock.Holder(os.getpid(), platform.node(), lock.holder().since)
    assert not (tmp_path / "run" / ".lock").exists()


def test_lock_is_free_again_soon_after_a_process_with_loading_processes_was_killed(tmp_path: Path) -> None:
    process = holding(tmp_path, "1.0")
    process.kill()
    process.wait()
    with RunLock(tmp_path).held(wait=0.0):
        pass


def test_lock_of_a_killed_process_is_waited_for_while_its_children_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = holding(tmp_path)
    dead = subprocess.Popen(["true"])
    dead.wait()
    named = json.loads((tmp_path / ".lock-holder").read_text())
    (tmp_path / ".lock-holder").write_text(json.dumps({**named, "process": dead.pid}))
    monkeypatch.setattr(run_lock, "_WAIT_FOR_CHILDREN_S", 0.1)
    with pytest.raises(RunIsTaken), RunLock(tmp_path).held(wait=0.0):
        pass
    monkeypatch.undo()
    threading.Timer(0.3, child.kill).start()
    with RunLock(tmp_path).held(wait=0.0):
        child.wait()


def test_a_loading_process_holds_nothing_of_its_parents(tmp_path: Path) -> None:
    with RunLock(tmp_path).held():
        child = multiprocessing.get_context("fork").Process(target=_try_to_join, args=(tmp_path,))
        child.start()
        child.join()
        assert child.exitcode == 75


def _try_to_join(folder: Path) -> None:
    try:
        with RunLock(folder).joined():
            sys.exit(0)
    except RunIsTaken:
        sys.exit(75)


def test_only_what_this_thread_does_already_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "_WAIT_S", 0.0)
    refused: list[Exception] = []

    def elsewhere() -> None:
        try:
            with RunLock(tmp_path).joined():
                pass
        except RunIsTaken as error:
            refused.append(error)

    with RunLock(tmp_path).joined():
        with RunLock(tmp_path / "." / "").joined():
            assert RunLock(tmp_path).taken
        assert RunLock(tmp_path).taken
        with pytest.raises(RunIsTaken), RunLock(tmp_path).held(wait=0.0):
            pass
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    assert len(refused) == 1
    assert not RunLock(tmp_path).taken


def test_folder_that_was_made_for_the_lock_goes_with_it(tmp_path: Path) -> None:
    with RunLock(tmp_path / "runs" / "isic" / "seed0").held():
        pass
    assert list(tmp_path.iterdir()) == []
    with RunLock(tmp_path / "runs" / "isic" / "seed0").held():
        (tmp_path / "runs" / "note").touch()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["note"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with RunLock(empty).held():
        pass
    assert list(empty.iterdir()) == []


def test_what_was_left_half_written_is_removed_at_the_start(tmp_path: Path) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    (tmp_path / "checkpoints").mkdir()
    left = [tmp_path / f".run.json.{dead.pid}", tmp_path / "checkpoints" / f".last.ckpt.0a1b2c3d-{dead.pid}"]
    kept = [tmp_path / "run.json", tmp_path / "checkpoints" / "last.ckpt"]
    for path in left + kept:
        path.touch()
    with RunLock(tmp_path).held():
        assert [path.exists() for path in left + kept] == [False, False, True, True]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    (tmp_path / ".lock").touch()
    monkeypatch.setattr(fcntl, "flock", refuse)
    for use in (lambda: RunLock(tmp_path).taken, lambda: RunLock(tmp_path).held().__enter__()):
        with pytest.raises(RecordError, match=r"is on a file system without locks .*two processes could write"):
            use()


@pytest.mark.parametrize("folder", ["file/run", "/proc/run"])
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RecordError, match="cannot be locked for this run: "), RunLock(tmp_path / folder).held():
        pass


def test_a_holder_that_is_just_starting_has_no_name_yet(tmp_path: Path) -> None:
    for content in (None, "", "{}", json.dumps({"process": 1})):
        if content is not None:
            (tmp_path / ".lock-holder").write_text(content)
        assert RunLock(tmp_path).holder() is None
