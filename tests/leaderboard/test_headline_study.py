"""The committed study: its tables follow from its records, and its page from its tables."""

import csv
import json
import re
import statistics
from collections import Counter
from pathlib import Path

import pytest

from adpfl_bench.grid.grid import read_grid
from adpfl_bench.grid.plan import make_plan
from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.latex import to_latex
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.table import tabulate
from tests.grid.fakes import check

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "results"
RECORDS = {"run.json", "cases.csv", "rounds.csv"}
TABLES = ("leaderboard.csv", "clients.csv", "comparisons.csv", "ranking.csv", "thresholds.csv")
PRECISION = 1e-9


@pytest.fixture(scope="module")
def tables():
    groups, left_out, audits = compare_runs(find_runs([STUDY / "runs"]))
    assert left_out == []
    assert audits == []
    return [table for group in groups for table in tabulate(group)]


@pytest.fixture(scope="module")
def records():
    return {path.parent: json.loads(path.read_text()) for path in (STUDY / "runs").rglob("run.json")}


def test_text_follows_from_the_records(tables):
    assert to_markdown(tables, []) == (STUDY / "leaderboard.md").read_text()
    assert to_latex(tables) == (STUDY / "leaderboard.tex").read_text()


def test_the_page_of_tables_is_short_enough_to_be_read():
    assert len((STUDY / "leaderboard.md").read_text().splitlines()) < 800


@pytest.mark.parametrize("name", TABLES)
def test_numbers_follow_from_the_records(tables, name):
    found, expected = (
        list(csv.reader(text.splitlines())) for text in (csv_files(tables)[name], (STUDY / name).read_text())
    )
    assert len(found) == len(expected)
    for line, wanted in zip(found, expected, strict=True):
        for cell, other in zip(line, wanted, strict=True):
            assert cell == other or float(cell) == pytest.approx(float(other), rel=PRECISION, abs=1e-12)


def test_rows_of_the_page_are_rows_of_the_leaderboard():
    known = set((STUDY / "leaderboard.md").read_text().splitlines())
    rows = [line for line in (STUDY / "README.md").read_text().splitlines() if line.startswith("|")]
    assert len(rows) > 20
    assert [row for row in rows if row not in known] == []


def test_every_run_of_the_grid_is_there_and_no_other(records):
    grid = read_grid(str(ROOT / "configs" / "headline.yaml"))
    planned = [(run.task, run.method, run.seed) for run in make_plan(grid, check=check)]
    assert sorted((record["task"], record["method"], record["seed"]) for record in records.values()) == sorted(planned)
    assert min(Counter((task, method) for task, method, _ in planned).values()) >= 3
    for record in records.values():
        assert record["config"]["federated"]["rounds"] == grid.by_task[record["task"]]["federated.rounds"]


def test_thresholds_that_the_page_states_are_those_of_the_records():
    page = (STUDY / "README.md").read_text()
    (stated,) = re.findall(r"a median of (.*) on ISIC, (.*) on LGG, (.*) on BraTS and (.*) on KiTS", page)
    for task, number in zip(("isic", "lgg_slices", "brats", "kits"), stated, strict=True):
        rows = [
            row
            for path in (STUDY / "runs" / task / "adp_fl").rglob("rounds.csv")
            for row in csv.DictReader(path.read_text().splitlines())
        ]
        thresholds = [float(row["value"]) for row in rows if row["name"] == "clipping_threshold"]
        assert f"{statistics.median(thresholds):.2f}" == number


def test_all_runs_are_of_one_revision_and_one_set_of_versions_but_those_that_were_made_again(records):
    made: dict[bool, set[tuple[str, str]]] = {False: set(), True: set()}
    for record in records.values():
        again = record["method"].endswith("fl_sgd") or "fl_sgd_" in record["method"] or record["method"] == "fedavg_sgd"
        made[again].add((record["git_revision"], json.dumps(record["versions"])))
    assert [len(found) for found in made.values()] == [1, 1]
    assert {record["data"]["kind"] for record in records.values() if record["task"] in ("isic", "lgg_slices")} == {
        "real"
    }
    assert {record["data"]["kind"] for record in records.values() if record["task"] in ("kits", "brats")} == {"phantom"}


def test_records_hold_scores_and_neither_images_nor_places(records):
    files = [path for path in (STUDY / "runs").rglob("*") if path.is_file()]
    assert {path.name for path in files} == RECORDS
    assert len(files) == len(RECORDS) * len(records)
    assert sum(path.stat().st_size for path in files) < 30e6
    for folder in records:
        assert re.findall(r'"(?:/|[A-Z]:\\)[^"]*"', (folder / "run.json").read_text()) == []
