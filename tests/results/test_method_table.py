"""docs/methods.md says what the files in callbacks/ say."""

import subprocess
import sys
from pathlib import Path

import pytest

from adpfl_bench.cli.config_files import packaged_root
from adpfl_bench.errors import ConfigError
from adpfl_bench.results.method_table import method_table

REPOSITORY = Path(__file__).parents[2]
COMMAND = "python -m adpfl_bench.results.method_table > docs/methods.md"


@pytest.fixture(scope="module")
def table():
    return method_table(packaged_root() / "callbacks")


def cells(table):
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    headings, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("` "): dict(zip([*map(str.strip, headings)], row, strict=True)) for row in rows}


def test_page_is_up_to_date(table):
    assert (REPOSITORY / "docs/methods.md").read_text(encoding="utf-8") == table, f"run {COMMAND}"
    assert COMMAND in table.partition("\n")[0]


def test_every_method_has_a_row(table):
    files = {path.name for path in (packaged_root() / "callbacks").glob("*.yaml")}
    assert set(cells(table)) == files


def test_rows_say_what_is_promised(table):
    found = cells(table)
    assert found["fedavg.yaml"]["Guarantee"] == "none: the method is not private: no noise is added"
    assert found["adp_fl.yaml"]["Guarantee"].startswith("none: the clipping threshold is a raw percentile")
    assert found["adp_fl.yaml"]["Nominal epsilon"] == "0.001"
    assert found["dp_sgd.yaml"]["Guarantee"] == "epsilon 8 at delta 0.0001, per patient"
    assert (found["dp_sgd.yaml"]["Sampling"], found["dp_sgd.yaml"]["Accountant"]) == ("poisson", "PLD")
    assert found["adp_fl_quantile.yaml"]["Threshold"] == "QuantileThreshold"
    assert found["dp_fl_record.yaml"]["Noise"] == "LaplaceMechanism, L2"
    for row in found.values():
        assert row["What it is"]


def test_what_a_file_leaves_out_is_taken_from_the_default(tmp_path):
    for path in (packaged_root() / "callbacks").glob("adp_fl.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "mine.yaml").write_text(
        "# Mine | with a bar.\nmethod: mine\nprivacy:\n  unit: client\n  delta: 0.001\n"
    )
    row = cells(method_table(tmp_path))["mine.yaml"]
    assert (row["Unit"], row["Threshold"], row["Noise"]) == ("client", "PercentileThreshold", "LaplaceMechanism, L2")
    assert row["What it is"] == "Mine \\| with a bar."


@pytest.mark.parametrize("content", ["- a list", "privacy: {unit: planet}", "privacy: {unitt: none}", "a: ["])
def test_file_that_is_no_method_is_named(content, tmp_path):
    (tmp_path / "adp_fl.yaml").write_text("privacy: {unit: none}")
    (tmp_path / "wrong.yaml").write_text(content)
    with pytest.raises(ConfigError, match=r"wrong\.yaml"):
        method_table(tmp_path)


def test_command_prints_the_page(table):
    command = [sys.executable, "-m", "adpfl_bench.results.method_table"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == table
