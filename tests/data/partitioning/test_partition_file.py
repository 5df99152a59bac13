import logging
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.partitioning.partition_file import read_partition, write_partition
from adpfl_bench.errors import DataError
from adpfl_bench.text import name_problem

CASES = [Case(f"c{i}", f"p{i // 2}", (), None) for i in range(8)]
CLIENTS = (
    Client("north", train=tuple(CASES[0:2]), validation=(), test=tuple(CASES[2:4])),
    Client("south", train=tuple(CASES[4:6]), validation=tuple(CASES[6:8]), test=()),
)
LINES = [
    "case,patient,client,split",
    "c0,p0,north,train",
    "c1,p0,north,train",
    "c2,p1,north,test",
    "c3,p1,north,test",
    "c4,p2,south,train",
    "c5,p2,south,train",
    "c6,p3,south,validation",
    "c7,p3,south,validation",
]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "partition.csv"


def write(file, lines):
    file.write_text("\n".join(lines) + "\n")


def test_the_format(file):
    write_partition(file, CLIENTS)
    assert file.read_bytes() == ("\n".join(LINES) + "\n").encode()


def test_bytes_do_not_depend_on_the_order_of_clients_or_cases(file, tmp_path):
    write_partition(file, CLIENTS)
    north, south = CLIENTS
    write_partition(tmp_path / "other.csv", [south, Client("north", north.train[::-1], (), north.test[::-1])])
    assert (tmp_path / "other.csv").read_bytes() == file.read_bytes()


def test_lines_may_stand_in_any_order(file):
    write(file, [LINES[0], *reversed(LINES[1:])])
    assert read_partition(file, CASES[::-1]) == CLIENTS


names = st.text(min_size=1, max_size=100).filter(lambda name: name.strip() and name_problem(name) is None)


@settings(deadline=None)
@given(st.lists(names, min_size=1, max_size=5, unique=True), st.data())
def test_reading_back_gives_identical_clients(client_names, data):
    clients, cases = [], []
    for name in sorted(client_names):
        splits = []
        for _ in range(3):
            patients = data.draw(st.lists(names, max_size=3, unique=True))
            new = [
                Case(f"{len(cases) + i:03d},{p}", f"{name}/{len(cases)}/{p}", (), None) for i, p in enumerate(patients)
            ]
            cases += new
            splits.append(tuple(new))
        if any(splits):
            clients.append(Client(name, *splits))
    if not clients:
        return
    with tempfile.TemporaryDirectory() as folder:
        write_partition(Path(folder) / "partition.csv", clients)
        assert read_partition(Path(folder) / "partition.csv", cases) == tuple(clients)


def test_folders_are_made_and_nothing_else_is_left(tmp_path):
    write_partition(tmp_path / "a" / "b" / "partition.csv", CLIENTS)
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["partition.csv"]


def test_a_failed_write_leaves_the_old_file(file, monkeypatch):
    write_partition(file, CLIENTS[:1])
    before = file.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_partition(file, CLIENTS)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    "clients",
    [
        [CLIENTS[0], Client("east", train=CLIENTS[0].train, validation=(), test=())],
        [Client("east", train=tuple(CASES[:1]), validation=tuple(CASES[1:2]), test=())],
        [Client("east", (), (), ())],
        [Client(" ", tuple(CASES[:1]), (), ())],
        [Client("two\rlines", tuple(CASES[:1]), (), ())],
        [],
    ],
)
def test_what_could_not_be_read_back_is_not_written(file, clients):
    with pytest.raises(DataError, match=r"partition\.csv"):
        write_partition(file, clients)
    assert not file.exists()


def test_cases_that_the_file_does_not_name_are_left_out_and_counted(file, caplog):
    write(file, LINES[:5])
    with caplog.at_level(logging.INFO):
        assert read_partition(file, CASES) == CLIENTS[:1]
    assert "names 4 of 8 cases; the other 4 are left out" in caplog.text


def replace_line(number, text):
    return [*LINES[: number - 1], text, *LINES[number:]]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["case,patient,klient,split", *LINES[1:]], r"lacks the column\(s\) client; its first line has case, patient"),
        (replace_line(3, "c1,p0,north,training"), r"line 3: the split of case c1 .* found 'training'"),
        (replace_line(3, "c1,p0,,train"), "line 3: the column client is empty"),
        (replace_line(3, "c1,p0"), "line 3: 2 fields where the header has 4"),
        (replace_line(3, "c0,p0,north,train"), "lines 2 and 3: the case c0 is there twice"),
        (replace_line(5, "c3,p1,south,test"), "lines 4 and 5: the patient p1 is in two clients, north and south"),
        (replace_line(5, "c3,p1,north,train"), "lines 4 and 5: the patient p1 is in two splits, test and train"),
        (replace_line(3, "x1,p0,north,train"), r"names 1 case that the dataset does not have: x1 \(line 3\)"),
        (replace_line(3, "c1,q0,north,train"), "line 3: the case c1 belongs to patient q0 here, but to p0"),
        (LINES[:1], "names no cases"),
        ([""], "header"),
    ],
)
def test_errors_name_the_file_and_the_line(file, lines, sentence):
    write(file, lines)
    with pytest.raises(DataError, match=rf"{file}.*{sentence}"):
        read_partition(file, CASES)


def test_many_unknown_cases_are_counted(file):
    write(file, LINES)
    with pytest.raises(DataError, match=r"names 7 cases .*: c1 \(line 3\), c2 \(line 4\), c3 \(line 5\) and 4 more"):
        read_partition(file, CASES[:1])


def test_missing_file(file):
    with pytest.raises(DataError, match=f"partition file {file} does not exist"):
        read_partition(file, CASES)
