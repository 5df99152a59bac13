"""The tables of committed records, and that they depend on nothing but these."""

import csv
import random
import re
import shutil
from pathlib import Path

import pytest

from adpfl_bench.report.commands import leaderboard
from tests.leaderboard.golden_runs import FILES, GOLDEN, golden_tables, write_golden_runs

# Sums are rounded in the last digit as the processor's kernels order them; a table shows none of that.
PRECISION = 1e-9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    output = tmp_path_factory.mktemp("golden")
    golden_tables(output)
    return output


@pytest.mark.parametrize("name", [name for name in FILES if not name.endswith(".csv")])
def test_texts_of_the_golden_runs(made, name):
    assert (made / name).read_text() == (GOLDEN / "expected" / name).read_text()


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".csv")])
def test_numbers_of_the_golden_runs(made, name):
    found, expected = (
        list(csv.reader((folder / name).read_text().splitlines())) for folder in (made, GOLDEN / "expected")
    )
    assert found[0] == expected[0]
    assert len(found) == len(expected)
    for found_line, expected_line in zip(found, expected, strict=True):
        for cell, wanted in zip(found_line, expected_line, strict=True):
            assert cell == wanted or float(cell) == pytest.approx(float(wanted), rel=PRECISION, abs=1e-12)


def test_the_golden_runs_are_small_and_can_be_made_again(tmp_path):
    files = [path for path in GOLDEN.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 200_000
    write_golden_runs(tmp_path)
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")}
    assert made == {path.relative_to(GOLDEN / "runs") for path in (GOLDEN / "runs").rglob("*.*")}
    for path in made:
        if path.name == "run.json":  # it names the folder that it was made in
            assert '"root": "runs/' in (GOLDEN / "runs" / path).read_text()
        else:
            assert (tmp_path / path).read_bytes() == (GOLDEN / "runs" / path).read_bytes()


def test_the_order_and_names_of_runs_change_nothing(made, tmp_path):
    folders = [path.parent for path in sorted((GOLDEN / "runs").rglob("run.json"))]
    shuffled = random.Random(0).sample(folders, len(folders))
    renamed = []
    for number, folder in enumerate(shuffled):
        renamed.append(tmp_path / "renamed" / f"{number:02d}")
        shutil.copytree(folder, renamed[-1])
    leaderboard(renamed, tmp_path / "other", overlays=False)
    for name in FILES:
        assert without_left_out(tmp_path / "other" / name) == without_left_out(made / name), name


def without_left_out(path: Path) -> str:
    """A file without the section that names folders."""
    return re.sub(r"## Left out\n.*?\n## ", "## ", path.read_text(), flags=re.DOTALL)


def test_pictures_and_page_are_the_same_in_any_order(tmp_path):
    folders = [path.parent for path in sorted((GOLDEN / "runs").rglob("run.json"))]
    leaderboard(folders, tmp_path / "one")
    leaderboard(folders[::-1], tmp_path / "two")
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert any(name.suffix == ".png" for name in names)
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
