"""Numbers of rounds by columns say what they say line by line."""

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.records.round_columns import parse_rounds
from adpfl_bench.records.run_directory import RoundRow, RunDirectory

ROWS = [RoundRow(number, client, name, number / 3) for number in (1, 2) for client in ("all", "a,b") for name in "xy"]


def test_columns_are_the_rows(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.append_rounds(ROWS)
    columns = parse_rounds(directory.rounds_content(), directory.rounds_file)
    assert [RoundRow(*row) for row in columns.rows()] == directory.read_rounds() == ROWS
    chosen = columns.of_client("a,b").of_name("y")
    assert [RoundRow(*row) for row in chosen.rows()] == [ROWS[3], ROWS[7]]
    assert (len(columns), len(chosen), len(columns.of_name("z"))) == (8, 2, 0)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "there is no line of headings"),
        ("round,client,name\n", "there is no column value"),
        ("round,client,name,value\n1,all,x,\n", "a line has no value"),
        ("round,client,name,value\n1,all,x,much\n", "could not convert string to float: 'much'"),
        ("round,client,name,value\n1.5,all,x,1\n", "invalid literal for int"),
        ("round,client,name,value\n1,all,x\n", "a line has 3 cells, but there are 4 headings"),
    ],
)
def test_a_malformed_file_is_a_sentence(tmp_path, content, problem):
    with pytest.raises(RecordError, match=f"rounds.csv cannot be read as a table of rounds: {problem}"):
        parse_rounds(content.encode(), tmp_path / "rounds.csv")


def test_what_a_crash_left_unfinished_is_passed_over(tmp_path):
    (row,) = parse_rounds(b"round,client,name,value\n1,all,x,0.5\n2,all,x,0.", tmp_path).rows()
    assert row == (1, "all", "x", 0.5)
