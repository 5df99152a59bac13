"""Names in CSV files: a spreadsheet takes none for a formula, and every reader finds them as they were."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adpfl_bench.data.case import Case, Client
from adpfl_bench.data.partitioning.partition_file import read_partition, write_partition
from adpfl_bench.records.file_digests import FileDigest, digests_table, read_digests
from adpfl_bench.records.run_directory import RoundRow, RunDirectory
from adpfl_bench.text import csv_text, plain_cell
from tests.leaderboard.records import case_row

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\uff1d1", "=cmd|' /C calc'!A0", "-")
NAMES = (*FORMULAS, *(f"'{name}" for name in FORMULAS), "''=1", "'north", "north", "'", "a=b", "", "\u5317")
# No name has these: csv writes a lone carriage return without quotes.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r")


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@given(st.text(LETTERS, max_size=20) | st.text("'=+-@x", max_size=5))
def test_a_cell_is_no_formula_and_gives_its_text_back(name: str) -> None:
    ((cell, _),) = cells(csv_text([[name, "end"]]))
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert plain_cell(cell) == name


@pytest.mark.parametrize("name", FORMULAS)
def test_a_cell_without_an_escape_is_taken_as_it_stands(name: str) -> None:
    assert plain_cell(name) == name


@given(st.floats() | st.integers())
@example(-1.5)
def test_a_number_stays_one(value: float) -> None:
    ((cell,),) = cells(csv_text([[value]]))
    assert repr(float(cell)) == repr(float(value))
    assert not cell.startswith("'")


@pytest.mark.parametrize("name", [name for name in NAMES if "\t" not in name])
def test_records_give_names_back(tmp_path, name: str) -> None:
    directory = RunDirectory(tmp_path)
    rows = [RoundRow(1, name, name, -0.5)]
    directory.append_rounds(rows)
    assert directory.read_rounds() == rows
    scores = [case_row(f"x{name}", 0.5, region=name or "region", patient=name, client=name, model=name or "global")]
    directory.write_cases(scores)
    assert directory.read_cases() == scores
    files = [FileDigest(name, f"{name}.png", 5, "0" * 64)]
    assert read_digests(digests_table(files)) == files
    for text in (directory.rounds_file.read_text(), directory.cases_file.read_text(), digests_table(files).decode()):
        assert not any(cell.startswith(("=", "+", "@")) for row in cells(text) for cell in row)


@pytest.mark.parametrize("name", [name for name in NAMES if name and "\t" not in name])
def test_a_partition_file_gives_names_back(tmp_path, name: str) -> None:
    cases = (Case(name, name, (), None), Case("other", "other", (), None))
    clients = (Client("'other'", (cases[1],), (), ()), Client(name, (cases[0],), (), ()))
    write_partition(tmp_path / "partition.csv", clients)
    found = read_partition(tmp_path / "partition.csv", cases)
    assert {client.name: client for client in found} == {client.name: client for client in clients}
