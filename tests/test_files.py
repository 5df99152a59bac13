"""What a crash, a full disk or a power failure leaves of files and folders."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adpfl_bench.files import append_to_file, atomic_folder, remove_leftovers, replace_file

Events = list[tuple[str, str]]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    """What is synced and renamed, in order."""
    seen: Events = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        seen.append(("sync", Path(os.readlink(f"/proc/self/fd/{descriptor}")).name))
        sync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        seen.append(("rename", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return seen


def _replace(path: Path) -> None:
    replace_file(path, b"new")


def _append(path: Path) -> None:
    append_to_file(path, b"new")


def test_what_is_renamed_is_synced_before_and_its_folder_after(tmp_path: Path, events: Events) -> None:
    _replace(tmp_path / "run.json")
    ((first, temporary), *rest) = events
    assert first == "sync"
    assert temporary.startswith(".run.json.")
    assert rest == [("rename", "run.json"), ("sync", tmp_path.name)]


def test_what_is_appended_is_synced_and_its_folder_once(tmp_path: Path, events: Events) -> None:
    for _ in range(2):
        _append(tmp_path / "rounds.csv")
    assert events == [("sync", "rounds.csv"), ("sync", tmp_path.name), ("sync", "rounds.csv")]


def test_a_folder_that_takes_its_place_is_followed_by_a_sync(tmp_path: Path, events: Events) -> None:
    with atomic_folder(tmp_path / "cohort"):
        assert events == []
    assert events == [("rename", "cohort"), ("sync", tmp_path.name)]


@pytest.mark.parametrize("write", [_replace, _append])
@pytest.mark.parametrize(("number", "raised"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)])
def test_a_file_system_that_syncs_no_folders_is_none_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None], number: int, raised: bool
) -> None:
    sync = os.fsync

    def refuse(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    if raised:
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            write(tmp_path / "file")
    else:
        write(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_an_interrupted_line_is_cut_off_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rounds.csv"
    append_to_file(path, b"1,all,val_dice,0.5\n")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        append_to_file(path, b"2,all,val_dice,0.6\n")
    assert path.read_bytes() == b"1,all,val_dice,0.5\n"


_DIE = """
import os, sys
from pathlib import Path
from adpfl_bench.files import atomic_folder, replace_file_by
folder = Path(sys.argv[1])
if os.fork() == 0:
    with atomic_folder(folder / "cohort") as partial:
        (partial / "image").write_bytes(b"half")
        os._exit(0)
os.wait()
replace_file_by(folder / "run.json", lambda file: os._exit(0))
"""


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A folder in which a process was killed while it wrote a file, and another while it wrote a folder."""
    subprocess.run([sys.executable, "-c", _DIE, str(tmp_path)], check=True)
    assert len(list(tmp_path.iterdir())) == 2
    return tmp_path


def test_what_killed_processes_left_is_removed(killed: Path) -> None:
    for name in ("run.json", ".hidden", ".run.json.bak", "cohort.1"):
        (killed / name).touch()
    assert len(remove_leftovers(killed)) == 2
    assert sorted(path.name for path in killed.iterdir()) == [".hidden", ".run.json.bak", "cohort.1", "run.json"]


def test_what_is_removed_may_have_to_have_a_name(killed: Path) -> None:
    assert remove_leftovers(killed, "run") == []
    (removed,) = remove_leftovers(killed, "run.json")
    assert removed.name.startswith(".run.json.")
    with atomic_folder(killed / "cohort") as partial:
        assert [path.name for path in killed.iterdir()] == [partial.name]
    assert [path.name for path in killed.iterdir()] == ["cohort"]


@pytest.mark.parametrize(
    ("process", "host", "kept", "kept_where_nobody_else_writes"),
    [
        ("own", "", True, False),  # of an earlier process with this id, if nothing was begun
        ("parent", "", True, True),
        ("dead", "", False, False),
        ("dead", "0a1b2c3d-", True, False),
        ("parent", "0a1b2c3d-", True, False),
    ],
)
def test_what_others_are_writing_stays(
    tmp_path: Path, process: str, host: str, kept: bool, kept_where_nobody_else_writes: bool
) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    number = {"own": os.getpid(), "parent": os.getppid(), "dead": dead.pid}[process]
    file, folder = tmp_path / f".run.json.{host}{number}", tmp_path / f".cohort-partial-{host}{number}-9f"
    for ours, stays in ((False, kept), (True, kept_where_nobody_else_writes)):
        file.touch()
        folder.mkdir(exist_ok=True)
        remove_leftovers(tmp_path, ours=ours)
        assert [file.exists(), folder.exists()] == [stays] * 2
