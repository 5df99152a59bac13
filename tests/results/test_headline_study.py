"""The committed study: its tables follow from its records, and its page from its tables."""

import csv
import json
import re
from itertools import product
from pathlib import Path

import pytest

from adpfl_bench.benchmark.grid_file import read_grid
from adpfl_bench.results.comparability import compare_runs, find_runs
from adpfl_bench.results.rendering import (
    clients_csv,
    comparisons_csv,
    ranking_csv,
    thresholds_csv,
    to_csv,
    to_markdown,
)
from adpfl_bench.results.table import tabulate

ROOT = Path(__file__).parents[2]
STUDY = ROOT / "results"
RECORDS = {"run.json", "cases.csv", "rounds.csv"}
TABLES = {
    "leaderboard.csv": to_csv,
    "clients.csv": clients_csv,
    "comparisons.csv": comparisons_csv,
    "ranking.csv": ranking_csv,
    "thresholds.csv": thresholds_csv,
}
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


@pytest.mark.parametrize("name", TABLES)
def test_numbers_follow_from_the_records(tables, name):
    found, expected = (
        list(csv.reader(text.splitlines())) for text in (TABLES[name](tables), (STUDY / name).read_text())
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
    methods = [entry.name or Path(entry.files[0]).stem for entry in grid.methods]
    planned = {
        (task.name, method, seed)
        for task, method, seed in product(grid.tasks, methods, grid.seeds)
        if not any(pattern.matches(task.name, method, seed) for pattern in grid.exclude)
    }
    assert {(record["task"], record["method"], record["seed"]) for record in records.values()} == planned
    seeds = {(task, method): {s for t, m, s in planned if (t, m) == (task, method)} for task, method, _ in planned}
    assert min(len(found) for found in seeds.values()) >= 3


def test_all_runs_are_of_one_revision_and_one_set_of_versions(records):
    assert len({record["git_revision"] for record in records.values()}) == 1
    assert len({json.dumps(record["versions"]) for record in records.values()}) == 1
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
