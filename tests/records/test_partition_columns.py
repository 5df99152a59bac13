"""A division by columns says what it says line by line."""

import csv
import io

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.records.partition_columns import parse_partition
from adpfl_bench.records.text_column import TextColumn

CONTENT = b"""case,patient,client,split
a1,P,north,train
a2,P,north,train
b1,Q,south,test
c1,R,south,train
'=c,S,north,test
"""


def test_columns_against_the_lines(tmp_path):
    found = parse_partition(CONTENT, tmp_path)
    lines = list(csv.DictReader(io.StringIO(CONTENT.decode())))
    assert found.case.texts() == ["a1", "a2", "b1", "c1", "=c"]
    for name in ("patient", "client", "split"):
        assert getattr(found, name).texts() == [line[name] for line in lines]
    assert found.sizes == {("north", "train"): 2, ("north", "test"): 1, ("south", "test"): 1, ("south", "train"): 1}
    assert TextColumn.of(["c1", "z", "a1", "c1"]).codes_in(found.case).tolist() == [3, -1, 0, 3]
    assert found.scattered is None


@pytest.mark.parametrize("line", ["d,Q,south,train", "d,Q,north,test"])
def test_a_patient_in_two_places_is_named(tmp_path, line):
    assert parse_partition(CONTENT + line.encode() + b"\n", tmp_path).scattered == "Q"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (CONTENT + b"a1,P,north,train\n", "names a case twice"),
        (b"case,patient,client\na,b,c\n", "cannot be read as a partition: there is no column split"),
        (CONTENT + b"d,Q\n", "cannot be read as a partition: a line has 2 cells, but there are 4 headings"),
        (b"\xff", "cannot be read as a partition: .*can't decode"),
    ],
)
def test_a_malformed_file_is_a_sentence(tmp_path, content, problem):
    with pytest.raises(RecordError, match=f"partition.csv {problem}"):
        parse_partition(content, tmp_path / "partition.csv")


def test_equal_files_are_read_once(tmp_path):
    assert parse_partition(CONTENT, tmp_path / "a") is parse_partition(bytes(bytearray(CONTENT)), tmp_path / "b")
