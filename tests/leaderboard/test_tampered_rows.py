"""A run that somebody has tampered with is in no table, and the reason names the check that found it."""

import csv
import io
import json

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.report.commands import leaderboard, report
from tests.leaderboard.records import edit_record
from tests.records.sealed_runs import PERCENTILE, configuration, reseal, write_sealed_run
from tests.records.tampering import TAMPERINGS

BEFORE = {
    "missed is 5": "missed should be 0, 1 or empty, but a line has 5",
    "a score twice": "cases.csv scores a region of a test case twice",
    "rounds_completed": "its scores are those of round 3, but 2 rounds are completed",
}
"""What is said of them without any check."""


def board(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    return [table for group in groups for table in tabulate(group)], left_out


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.name)
def test_a_tampered_run_is_left_out_with_the_name_of_the_check(tmp_path, tampering):
    if tampering.adaptive:
        folder = write_sealed_run(tmp_path / "run", "adp_fl", threshold=PERCENTILE)
    else:
        folder = write_sealed_run(tmp_path / "run")
    write_sealed_run(tmp_path / "fedprox", "fedprox", seed=3)
    tampering.edit(folder)
    tables, left_out = board(tmp_path)
    reasons = {entry.folder.name: entry.reason for entry in left_out}
    assert [row.method for table in tables for row in table.rows] == ["fedprox"] or tampering.check == "copy"
    if tampering.check == "copy":  # its record has the digests of another, too
        assert "its record contradicts itself or another: configuration: " in reasons["run-copy"]
        reseal_copy(tmp_path / "run-copy")
        tables, left_out = board(tmp_path)
        reasons = {entry.folder.name: entry.reason for entry in left_out}
        assert set(reasons) == {"run", "run-copy"}
    expected = BEFORE.get(tampering.name, f"{tampering.check}: ")
    assert expected in reasons["run"]


def reseal_copy(folder):
    """Make a copy under another seed as good as it can be made."""
    content = json.loads((folder / "run.json").read_text())
    config = configuration(content["method"], content["seed"], content["config"]["privacy"]["threshold"], "phantom")
    edit_record(folder, config=config, federated={**content["federated"], "seed": content["seed"]})
    reseal(folder)


def test_a_row_says_whether_its_records_are_verified(tmp_path):
    for seed in (0, 1):
        write_sealed_run(tmp_path / f"new{seed}", "new", seed=seed)
        folder = write_sealed_run(tmp_path / f"old{seed}", "old", seed=seed)
        edit_record(folder, digests=None)
    tables, left_out = board(tmp_path)
    assert not left_out
    (table,) = tables
    assert {row.label: row.records for row in table.rows} == {
        "new": "verified",
        "old": "not verifiable: recorded before digests",
    }
    text = text_table(table)
    cells = {line[0]: line[text.headings.index("Records")] for line in text.cells}
    assert cells == {"new": "verified", "old": "not verifiable"}
    assert "Records of old are not verifiable: recorded before digests." in table_notes(table)
    lines = list(csv.DictReader(io.StringIO(csv_files(tables)["leaderboard.csv"])))
    assert [line["records"] for line in lines if line["method"] == "new"] == ["verified"]


def test_a_method_with_one_older_record_says_so(tmp_path):
    write_sealed_run(tmp_path / "0", "m")
    edit_record(write_sealed_run(tmp_path / "1", "m", seed=1), digests=None)
    (table,) = board(tmp_path)[0]
    (row,) = table.rows
    assert row.records == "verified; not verifiable: recorded before digests"
    text = text_table(table)
    assert text.cells[0][text.headings.index("Records")] == "verified; not verifiable"


def test_the_order_of_its_records_is_nothing_to_a_method(tmp_path):
    edit_record(write_sealed_run(tmp_path / "0", "m"), digests=None)
    write_sealed_run(tmp_path / "1", "m", seed=1)
    (table,) = board(tmp_path)[0]
    text = text_table(table)
    assert text.cells[0][text.headings.index("Records")] == "not verifiable; verified"


def test_both_copies_are_named_and_neither_counts(tmp_path, capsys):
    write_sealed_run(tmp_path / "other", "other")
    one, two = write_sealed_run(tmp_path / "one"), write_sealed_run(tmp_path / "two")
    edit_record(two, seed=5)
    reseal_copy(two)
    tables, left_out = board(tmp_path)
    assert [row.label for table in tables for row in table.rows] == ["other"]
    assert {entry.folder: entry.reason for entry in left_out} == {
        one: f"its record contradicts itself or another: copy: it has the run id of {two}, which has the seed 5",
        two: f"its record contradicts itself or another: copy: it has the run id of {one}, which has the seed 0",
    }
    assert f"- `{one}`: its record contradicts itself or another: copy: it has the run id" in to_markdown(
        tables, left_out
    )
    leaderboard([tmp_path], tmp_path / "out", overlays=False)
    assert "records of 1 run: verified\n" in capsys.readouterr().out
    report([tmp_path], tmp_path / "report.html", overlays=False)
    assert f"left out: {two}: its record contradicts itself or another: copy:" in capsys.readouterr().out


def test_a_copy_under_the_same_seed_is_a_seed_that_is_there_twice(tmp_path):
    write_sealed_run(tmp_path / "one")
    write_sealed_run(tmp_path / "two")
    tables, (entry,) = board(tmp_path)
    assert len(tables) == 1
    assert "seed 0 of dp twice" in entry.reason


def test_files_are_phantoms_in_all_records_or_in_none(tmp_path):
    write_sealed_run(tmp_path / "phantom", "a")
    write_sealed_run(tmp_path / "real", "b", kind="real")
    tables, (entry,) = board(tmp_path)
    assert [row.kind for table in tables for row in table.rows] == ["phantom"]
    assert "data: the data are called real, but " in entry.reason
    assert entry.reason.endswith("/phantom calls the same files phantoms")
