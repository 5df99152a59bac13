"""What a dataset's files hold: hashed once, found again while they do not change, and never mistaken for others."""

import hashlib
import io
import json
import multiprocessing
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from adpfl_bench.data import digest_cache, file_hashing
from adpfl_bench.data.case import Case
from adpfl_bench.data.data_contents import read_contents
from adpfl_bench.data.digest_cache import DigestCache, FileTimes, KnownDigest
from adpfl_bench.datasets.isic import ISICDataModule
from adpfl_bench.errors import DataError
from adpfl_bench.records.file_digests import contents_root

IMAGE = "ISIC-2017_Training_Data/ISIC_0000002.jpg"
LABEL = "ISIC-2017_Training_Part1_GroundTruth/ISIC_0000002_segmentation.png"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "digests"


@pytest.fixture
def hashed(monkeypatch):
    """The files that are read, in the order in which that happens; none counts as just written."""
    monkeypatch.setattr(file_hashing, "_SETTLED", 0)
    read, paths = file_hashing._read, []
    monkeypatch.setattr(
        file_hashing, "_read", lambda path, *_: (paths.append(os.path.basename(path)), read(path, *_))[1]
    )
    return paths


def contents(isic, **how):
    return read_contents(isic, ISICDataModule("").scan(isic), **how)


def replace(path, bit=0):
    """Flip a bit of a file and put its size and its time of modification back."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns


def test_it_has_the_digest_of_every_file(isic):
    found = contents(isic)
    paths = sorted(path for path in isic.rglob("*") if path.is_file())
    assert sorted(row.file for row in found.files) == [path.relative_to(isic).as_posix() for path in paths]
    for row in found.files:
        content = (isic / row.file).read_bytes()
        assert (row.size, row.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert row.case in row.file
    described = found.describe(["ISIC_0000001"])
    assert (described.algorithm, described.root) == ("sha256-tree-1", found.digest)
    assert described.test_root == contents_root(row for row in found.files if "0000001" in row.file)
    assert (described.files, described.bytes) == (len(paths), sum(path.stat().st_size for path in paths))


def test_it_depends_on_neither_place_nor_order_nor_time(isic, tmp_path, monkeypatch):
    before = contents(isic).digest
    copy = shutil.copytree(isic, tmp_path / "copy")
    os.utime(copy / IMAGE, (0, 0))
    assert read_contents(copy, ISICDataModule("").scan(copy)[::-1]).digest == before
    monkeypatch.chdir(copy)
    here = type(copy)(".")
    assert read_contents(here, ISICDataModule("").scan(here)).digest == before


@pytest.mark.parametrize("file", [IMAGE, LABEL])
def test_another_content_is_noticed_at_the_same_size_and_time(isic, hashed, file):
    before = contents(isic)
    replace(isic / file)
    now = contents(isic)
    assert now.digest != before.digest
    assert [a.file for a, b in zip(before.files, now.files, strict=True) if a != b] == [file]


def test_what_has_not_changed_is_not_read_again(isic, hashed):
    before = contents(isic)
    assert len(hashed) == 8
    assert contents(isic).digest == before.digest
    assert len(hashed) == 8
    os.utime(isic / IMAGE)  # touched, and the same
    assert contents(isic).digest == before.digest
    assert hashed[8:] == ["ISIC_0000002.jpg"]
    contents(isic, fresh=True)
    assert len(hashed) == 17


def test_a_file_that_was_just_written_is_read_again(isic, hashed, monkeypatch):
    monkeypatch.setattr(file_hashing, "_SETTLED", 3600 * 10**9)
    before = contents(isic)
    assert contents(isic).digest == before.digest
    before.check()
    assert len(hashed) == 24


def test_another_size_at_the_same_time_is_noticed(isic, hashed):
    before = contents(isic)
    status = (isic / IMAGE).stat()
    with (isic / IMAGE).open("ab") as file:
        file.write(b"\0")
    os.utime(isic / IMAGE, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert contents(isic).digest != before.digest


def test_a_link_to_another_file_is_noticed(isic, hashed):
    for path in (isic / IMAGE, isic / IMAGE.replace("2.jpg", "3.jpg")):
        path.rename(isic / path.name)
    (isic / IMAGE).symlink_to(isic / "ISIC_0000002.jpg")
    (isic / IMAGE.replace("2.jpg", "3.jpg")).symlink_to(isic / "ISIC_0000003.jpg")
    before = contents(isic)
    (isic / IMAGE).unlink()
    (isic / IMAGE).symlink_to(isic / "ISIC_0000003.jpg")
    assert contents(isic).digest != before.digest


def test_folders_of_slices_count_by_their_files(tmp_path, cohorts):
    folder = cohorts.lgg(tmp_path / "lgg" / "TCGA_CS_4941_19960909")
    cases = [Case("one", "one", tuple(sorted(p for p in folder.iterdir() if "mask" not in p.name)), folder)]
    before = read_contents(tmp_path / "lgg", cases)
    assert len(before.files) == 6
    (folder / ".DS_Store").write_bytes(b"hidden")
    assert read_contents(tmp_path / "lgg", cases).digest == before.digest
    replace(folder / "TCGA_CS_4941_19960909_2_mask.tif", bit=9)
    assert read_contents(tmp_path / "lgg", cases).digest != before.digest


def test_cases_without_a_label_and_files_of_several_cases(isic, hashed):
    cases = [Case(name, name, (isic / IMAGE,), None) for name in ("a", "b")]
    found = read_contents(isic, cases)
    assert [(row.case, row.file) for row in found.files] == [("a", IMAGE), ("b", IMAGE)]
    assert hashed == ["ISIC_0000002.jpg"]
    assert found.describe([]).files == 1
    assert read_contents(isic, [Case("a", "a", (), None)]).describe([]) is None


def test_a_change_during_the_run_is_told(isic, hashed):
    before = contents(isic)
    before.check()
    assert len(hashed) == 8
    os.utime(isic / LABEL)
    before.check()
    replace(isic / LABEL)
    replace(isic / IMAGE)
    with pytest.raises(DataError, match=rf"{IMAGE} of the case ISIC_0000002 was changed.* 1 more file; put back"):
        before.check()
    replace(isic / LABEL)
    replace(isic / IMAGE)
    before.check()


def test_files_that_cannot_be_read_are_told_together(isic, monkeypatch):
    cases = ISICDataModule("").scan(isic)
    read = file_hashing._read

    def refuse(path, *seen):
        if path.endswith(".png"):
            raise PermissionError(13, "Permission denied")
        return read(path, *seen)

    monkeypatch.setattr(file_hashing, "_read", refuse)
    with pytest.raises(DataError, match=r"4 files of 8 cannot be hashed:\n  .*ISIC_0000000.*denied; restore"):
        read_contents(isic, cases)
    (isic / IMAGE).unlink()
    with pytest.raises(DataError, match=r"ISIC_0000002\.jpg of the case ISIC_0000002 cannot be read: No such file"):
        read_contents(isic, cases)
    with pytest.raises(DataError, match="not below the dataset's folder"):
        read_contents(isic / "elsewhere", cases)


def test_a_file_that_changes_while_it_is_read_is_told(isic, monkeypatch):
    class Slow(io.FileIO):
        def readinto(self, buffer):
            replace(isic / IMAGE)
            return super().readinto(buffer)

    cases = [case for case in ISICDataModule("").scan(isic) if case.case_id == "ISIC_0000002"]
    monkeypatch.setattr(file_hashing, "open", lambda path, *_, **__: Slow(path), raising=False)
    with pytest.raises(DataError, match=r"ISIC_0000002\.jpg .* it was changed while it was read"):
        read_contents(isic, cases)


def poison(path, how):
    content = json.loads(path.read_text())
    files = content["files"]
    match how:
        case "no JSON":
            path.write_bytes(b"\xff{")
        case "torn":
            path.write_bytes(path.read_bytes()[:-9])
        case "deep":
            path.write_text("[" * 100_000)
        case "a list":
            path.write_text("[]")
        case "another format":
            path.write_text(json.dumps({**content, "format": 99}))
        case "no digest":
            path.write_text(json.dumps({**content, "files": {f: [1, 2, 3, 4, "../../x"] for f in files}}))
        case "words for numbers":
            path.write_text(json.dumps({**content, "files": {f: [*map(str, e[:4]), e[4]] for f, e in files.items()}}))
        case "entries cut off":
            path.write_text(json.dumps({**content, "files": {f: e[1:] for f, e in files.items()}}))
        case "others' digests at other times":
            path.write_text(json.dumps({**content, "files": {f: [1, 2, 3, 4, "0" * 64] for f in files}}))
        case "a folder":
            path.unlink()
            path.mkdir()
        case "too large":
            os.truncate(path, digest_cache._MOST_BYTES + 1)


@pytest.mark.parametrize(
    "how",
    [
        *("no JSON", "torn", "deep", "a list", "another format", "no digest", "words for numbers", "entries cut off"),
        *("others' digests at other times", "a folder", "too large"),
    ],
)
def test_a_cache_that_is_damaged_counts_for_nothing(isic, hashed, cache, how):
    before = contents(isic)
    (path,) = cache.iterdir()
    poison(path, how)
    assert contents(isic).digest == before.digest
    assert len(hashed) == 16
    if how != "a folder":  # which stays, with a line in the log
        assert contents(isic).digest == before.digest
        assert len(hashed) == 16


def test_a_cache_that_cannot_be_written_is_passed_over(isic, tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(digest_cache, "replace_file", refuse)
    assert contents(isic).digest
    assert "cannot be kept" in caplog.text
    (tmp_path / "file").write_text("")
    assert contents(isic, directory=tmp_path / "file").digest  # a file where a folder is meant


def test_the_cache_is_bounded(isic, hashed, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(digest_cache, "_MOST_DATASETS", 3)
    monkeypatch.setattr(digest_cache, "_MOST_FILES", 10)
    for number in range(5):
        contents(shutil.copytree(isic, tmp_path / f"copy{number}"))
    assert len(list(cache.glob("*.json"))) == 3
    kept = DigestCache(isic)
    before = {f"{number}": KnownDigest(FileTimes(1, 2, 3, 4), "0" * 64) for number in range(10)}
    now = {f"new{number}": entry for number, entry in enumerate(before.values())}
    kept.write({"new": before["0"]}, before)
    assert [*kept.read()] == ["new", *list(before)[:9]]
    kept.write({**now, "more": before["0"]}, before)  # what the run itself needs is always kept
    assert [*kept.read()] == [*now, "more"]


def test_processes_that_hash_at_once_agree(isic, cache, hashed):
    fork = multiprocessing.get_context("fork")
    start, found = fork.Barrier(3), fork.SimpleQueue()

    def work():
        start.wait()
        found.put(contents(isic).digest)

    processes = [fork.Process(target=work) for _ in range(3)]
    for process in processes:
        process.start()
    digests = {found.get() for _ in processes}
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert digests == {contents(isic).digest}
    assert hashed == []  # what they left was whole, and used
    assert [path.suffix for path in cache.iterdir()] == [".json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(13, "Permission denied")])
def test_what_is_hashed_when_it_is_broken_off_is_kept(isic, hashed, monkeypatch, error):
    read = file_hashing._read

    def break_off(path, *seen):
        if len(hashed) == 5:
            raise error
        return read(path, *seen)

    with monkeypatch.context() as patch:
        patch.setattr(file_hashing, "_read", break_off)
        with pytest.raises((KeyboardInterrupt, DataError)):
            contents(isic, workers=1)
    assert len(hashed) == 5
    contents(isic)
    assert len(hashed) == 8


def test_who_needs_the_same_large_files_waits_for_whoever_hashes_them(isic, cache, monkeypatch, tmp_path):
    monkeypatch.setattr(file_hashing, "_LONG", 1)
    monkeypatch.setattr(file_hashing, "_SETTLED", 0)
    fork = multiprocessing.get_context("fork")
    begun, go_on, found = fork.Event(), fork.Event(), fork.SimpleQueue()
    read = file_hashing._read

    def slow(path, *seen):
        begun.set()
        go_on.wait()
        return read(path, *seen)

    def work(reader, said=os.devnull):
        file_hashing._read = reader
        with open(said, "w") as sys.stderr:
            found.put(contents(isic).digest)

    first = fork.Process(target=work, args=(slow,))
    first.start()
    begun.wait()
    said = tmp_path / "said.txt"  # to read what is captured would lose what is written at the same moment
    second = fork.Process(target=work, args=(lambda path, *seen: os._exit(9), said))  # which has nothing left to read
    second.start()
    while not (said.exists() and "Another process hashes these files" in said.read_text()):
        assert second.is_alive()
        time.sleep(0.005)
    go_on.set()
    assert found.get() == found.get()
    for process in (first, second):
        process.join()
        assert process.exitcode == 0


def test_nobody_waits_where_nothing_can_be_locked_or_for_ever(isic, cache, monkeypatch, caplog):
    monkeypatch.setattr(file_hashing, "_LONG", 1)
    monkeypatch.setattr(digest_cache, "_PATIENCE", 0.01)
    held = FileLock(DigestCache(isic).path.with_suffix(".lock"))
    cache.mkdir(parents=True)
    with held:
        first = contents(isic).digest
    assert "hashed without a lock" in caplog.text
    caplog.clear()
    Path(held.lock_file).unlink(missing_ok=True)
    Path(held.lock_file).mkdir()
    assert contents(isic, fresh=True).digest == first
    assert "hashed without a lock" in caplog.text
