"""Records survive the trip to disk, a crash in mid-line and a full disk."""

import errno
import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import RecordError
from adpfl_bench.records.case_score import CaseScore
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from tests.leaderboard.records import case_row, record_of

ROUNDS = [RoundRow(number, client, "train_loss", 0.1 * number) for number in (1, 2, 3) for client in ("all", "a,b")]

names = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1, max_size=12)
case_rows = st.builds(
    CaseScore,
    *(names, names, names, st.just("test"), names),
    st.dictionaries(st.sampled_from(["dice", "iou", "hd95", "nsd", "volume_error"]), st.floats(0, 1e6)),
    st.sampled_from(["mm", "px", ""]),
    st.none() | st.booleans(),
    model=st.just("global") | names,
)


@pytest.fixture
def directory(tmp_path):
    return RunDirectory(tmp_path / "run")


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.path.iterdir()}


@given(rows=st.lists(case_rows, max_size=5))
def test_cases_round_trip(tmp_path_factory, rows):
    directory = RunDirectory(tmp_path_factory.mktemp("run"))
    directory.write_cases(rows)
    found = directory.read_cases()
    assert len(found) == len(rows)
    assert all(row in rows for row in found)
    assert all(row in found for row in rows)


@given(values=st.lists(st.tuples(st.integers(1, 999), names, names, st.floats(allow_nan=False)), max_size=5))
def test_rounds_round_trip(tmp_path_factory, values):
    directory = RunDirectory(tmp_path_factory.mktemp("run"))
    rows = [RoundRow(*value) for value in values]
    directory.append_rounds(rows[:2])
    directory.append_rounds(rows[2:])
    assert directory.read_rounds() == rows


def test_record_round_trip(directory):
    record = record_of(method="é", wall_seconds=0.1 + 0.2, seed=3, peak_gpu_memory_mb=None)
    directory.write_record(record)
    assert directory.read_record() == record


def test_record_never_holds_what_is_not_json(directory):
    record = record_of(wall_seconds=1.0)
    directory.write_record(record)
    with pytest.raises(ValueError, match="not JSON compliant"):
        directory.write_record(record.model_copy(update={"wall_seconds": math.nan}))
    assert directory.read_record() == record


def test_cases_are_replaced_split_by_split(directory):
    test, validation = case_row("b", 0.5), case_row("b", 0.25, split="validation")
    directory.write_cases([test, case_row("a1", 0.75)])
    directory.write_cases([validation])
    better = replace(test, values={**test.values, "dice": 0.875})
    directory.write_cases([better])
    assert directory.read_cases() == [better, validation]


def test_order_of_cases_does_not_depend_on_the_order_of_scoring(directory):
    rows = [case_row(case, 0.5, region) for case in ("b", "a2", "a1") for region in ("whole", "core")]
    directory.write_cases(rows)
    before = contents(directory)
    directory.write_cases(rows[::-1])
    assert contents(directory) == before
    assert [row.case for row in directory.read_cases()[::2]] == ["a1", "a2", "b"]


def test_keep_rounds_drops_what_a_resumed_run_writes_again(directory):
    directory.append_rounds(ROUNDS)
    whole = directory.rounds_file.read_bytes()
    directory.keep_rounds(2)
    assert directory.read_rounds() == ROUNDS[:4]
    directory.append_rounds(ROUNDS[4:])
    assert directory.rounds_file.read_bytes() == whole


@pytest.mark.parametrize("left", [1, 3, 8])
def test_keep_rounds_drops_an_unfinished_last_line(directory, left):
    directory.append_rounds(ROUNDS)
    whole = directory.rounds_file.read_bytes()
    directory.rounds_file.write_bytes(whole + b"4,all,train_loss,0.123"[:-left])
    assert directory.read_rounds() == ROUNDS
    directory.keep_rounds(3)
    assert directory.rounds_file.read_bytes() == whole


def test_keep_rounds_of_a_run_without_rounds_makes_no_file(directory):
    directory.keep_rounds(0)
    assert not directory.path.exists()


@pytest.mark.parametrize(
    ("name", "content", "read"),
    [
        ("run.json", '{"task": ', RunDirectory.read_record),
        ("run.json", b"\xff\xfe\x00", RunDirectory.read_record),
        ("cases.csv", "case,patient\n1,2\n", RunDirectory.read_cases),
        ("cases.csv", b"\xff\xfe\x00", RunDirectory.read_cases),
        ("rounds.csv", "round,client,name,value\n1,all\n", RunDirectory.read_rounds),
        ("rounds.csv", "round,client,name,value\none,all,loss,1\n", RunDirectory.read_rounds),
    ],
)
def test_damaged_files_are_a_sentence_with_their_path(directory, name, content, read):
    directory.path.mkdir()
    (directory.path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecordError, match=f"{name} cannot be read as "):
        read(directory)


def test_a_case_cut_off_in_mid_line_is_not_read_as_scores(directory):
    directory.write_cases([case_row("b", 0.5)])
    text = directory.cases_file.read_text()
    directory.cases_file.write_text(text[: text.rindex(",px")])
    with pytest.raises(RecordError, match="cannot be read as a table of cases"):
        directory.read_cases()


def test_cases_of_several_models_are_kept_side_by_side(directory):
    rows = [case_row("b", dice, model=model) for model, dice in (("south", 0.75), ("global", 0.5), ("north", 0.25))]
    directory.write_cases(rows)
    header, *lines = directory.cases_file.read_text().splitlines()
    assert header.endswith(",missed,model")
    assert [line.rpartition(",")[2] for line in lines] == ["global", "north", "south"]
    assert {row.model: row.values["dice"] for row in directory.read_cases()} == {
        "south": 0.75,
        "global": 0.5,
        "north": 0.25,
    }


def test_cases_without_a_column_of_models_are_the_global_model_s(directory):
    directory.write_cases([case_row("b", 0.5), case_row("a1", 0.75, hd95=None)])
    lines = directory.cases_file.read_text().splitlines()
    directory.cases_file.write_text("".join(line.rpartition(",")[0] + "\n" for line in lines))
    assert directory.read_cases() == [case_row("a1", 0.75, hd95=None), case_row("b", 0.5)]
    assert {row.model for row in directory.read_cases()} == {"global"}


def test_a_case_cut_off_before_its_model_is_not_read_as_the_global_model_s(directory):
    directory.write_cases([case_row("b", 0.5, model="south")])
    directory.cases_file.write_text(directory.cases_file.read_text()[: -len(",south\n")])
    with pytest.raises(RecordError, match="a line has 11 cells, but there are 12 headings"):
        directory.read_cases()
    directory.cases_file.write_text(directory.cases_file.read_text() + ",\n")
    with pytest.raises(RecordError, match="a line does not say which model it scores"):
        directory.read_cases()


def test_missing_files_say_what_to_do(directory):
    with pytest.raises(RecordError, match=r"holds no run: run.json is missing"):
        directory.read_record()
    note = directory.path.parent / "note.txt"
    note.touch()
    with pytest.raises(RecordError, match=r"note.txt is a file, and no run; give the folder that holds run.json"):
        RunDirectory(note).read_record()
    with pytest.raises(RecordError, match=r"has not been scored yet; finish it with --ckpt_path last"):
        directory.read_cases()


WRITES = {
    "run.json": lambda directory: directory.write_record(record_of(git_revision="x" * 100_000)),
    "cases.csv": lambda directory: directory.write_cases([case_row(f"case-{i}", 0.5) for i in range(3000)]),
    "rounds.csv": lambda directory: directory.append_rounds([RoundRow(9, "all", "x" * 100, 0.5)] * 3000),
}
# Few enough lines to wait in the file object's buffer, from where closing the file tries to write them once more.
FEW_LINES = {"rounds.csv": lambda directory: directory.append_rounds([RoundRow(9, "all", "x" * 100, 0.5)] * 20)}


@pytest.fixture
def earlier(directory):
    directory.write_record(record_of(status="running"))
    directory.write_cases([case_row("b", 0.5)])
    directory.append_rounds(ROUNDS)
    return directory


@pytest.mark.parametrize(
    ("name", "failing"),
    [
        *((name, "fsync") for name in WRITES),
        ("run.json", "replace"),
        ("cases.csv", "replace"),  # lines of rounds.csv are appended in place
    ],
)
def test_a_write_that_fails_leaves_the_earlier_records_whole(earlier, monkeypatch, name, failing):
    before = contents(earlier)

    def no_room(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, failing, no_room)
    with pytest.raises(RecordError, match=rf"{name} could not be written: No space left on device\. What it held"):
        WRITES[name](earlier)
    assert contents(earlier) == before


FULL_DISK = """
import resource, sys
from pathlib import Path
from adpfl_bench.errors import RecordError
from adpfl_bench.records.run_directory import RunDirectory
from tests.records import test_run_records

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    getattr(test_run_records, sys.argv[4])[sys.argv[2]](RunDirectory(Path(sys.argv[1])))
except RecordError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("name", "writes"),
    [
        *((name, "WRITES") for name in WRITES),
        ("rounds.csv", "FEW_LINES"),
    ],
)
def test_a_disk_that_fills_in_the_middle_of_a_write_leaves_the_earlier_records_whole(earlier, name, writes):
    before = contents(earlier)
    limit = earlier.rounds_file.stat().st_size + 1000
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(earlier.path), name, str(limit), writes],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert f"{name} could not be written: {os.strerror(errno.EFBIG)}. What it held before is unchanged" in result.stdout
    assert "--ckpt_path last" in result.stdout
    assert contents(earlier) == before


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"run.json could not be written: "):
        RunDirectory(tmp_path / "file" / "run").write_record(record_of())


def test_run_json_is_indented_for_people(directory):
    directory.write_record(record_of())
    content = directory.record_file.read_text()
    assert content == json.dumps(json.loads(content), indent=2) + "\n"
