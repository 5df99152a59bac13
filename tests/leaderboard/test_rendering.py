"""Tables as text."""

import csv
import io
import re
from pathlib import Path

from rich.console import Console

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.formatting import percent
from adpfl_bench.leaderboard.legend import LEGEND
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.rendering import text_table, to_terminal
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.records import case_row, private, toy_runs, write_run

ROOT = Path(__file__).parents[2]


def board(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    return [table for group in groups for table in tabulate(group)], left_out


def test_csv_gives_back_every_number_at_full_precision(tmp_path):
    write_run(tmp_path / "third", "thirds", {"a1": 1 / 3, "a2": 0.1 + 0.2, "b": 2 / 7}, privacy=private(1 / 3))
    tables, _ = board(toy_runs(tmp_path))
    lines = list(csv.DictReader(io.StringIO(csv_files(tables)["leaderboard.csv"])))
    rows = [row for table in tables for row in table.rows]
    assert len(lines) == len(rows) == 4
    for line, row in zip(lines, rows, strict=True):
        of_dice = {"mean", "ci_low", "ci_high", "sd_patients", "sd_seeds"}
        columns = {name: f"dice_{name}" for name in of_dice} | {"distance_unit": "hd95_unit"}
        columns |= {"worst_client_mean": "worst_client_dice"}
        values = {name: value for name, value in vars(row).items() if name not in ("metric", "means")}
        values |= {f"{name}_mean": mean for name, mean in row.means.items()}
        for name, value in values.items():
            cell = line[columns.get(name, name)]
            assert (type(value)(cell) if cell else None) == value, name


def test_markdown_rounds_and_says_what_it_shows(tmp_path):
    tables, left_out = board(toy_runs(tmp_path))
    text = to_markdown(tables, left_out)
    line = next(line for line in text.splitlines() if line.startswith("| fedavg"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == [
        *("fedavg", "71.67", "0.00 to 100.00", "1 (1)", "none", "–", "none [1]", "–"),  # noqa: RUF001
        *("south 55.00", "25.00", "100", "57.53", "2.83", "17.92", "17.68", "2.36", "2", "0 / 6", "global model"),
        *("–", "–", "10", "101", "not verifiable"),  # noqa: RUF001
    ]
    assert "| 8.5 (delta 0.0001) |" in text
    assert "[1] the method is not private." in text
    assert "[2] the threshold is raw." in text
    assert "## toy, phantom data: 3 test cases (data ffffffff, test set " in text
    assert "Phantoms are synthetic" in text
    assert "a patient's Dice is first averaged" in text
    assert "Left out" not in text


def test_headings_name_units_and_surfaces(tmp_path):
    write_run(tmp_path / "px", "fedavg", {"b": 0.5})
    write_run(tmp_path / "mm", "fedavg", [case_row("b", 0.5, distance_unit="mm")], task="volumes")
    tables, left_out = board(tmp_path)
    headings = {table.group.task: text_table(table).headings for table in tables}
    assert {"HD95 px (edge voxels)", "NSD % (area)"} <= set(headings["toy"])
    assert {"HD95 mm (edge voxels)", "NSD % (area)"} <= set(headings["volumes"])
    text = to_markdown(tables, left_out)
    assert "NSD is taken at a tolerance of 2 mm." in text
    assert "MONAI's definition" in text
    assert "the definition of the surface-distance package and of KiTS" in text


def test_the_legend_points_to_pages_that_exist():
    pages = [page for sentence in LEGEND for page in re.findall(r"docs/\w+\.md", sentence)]
    assert pages == ["docs/records.md", "docs/metrics.md", "docs/privacy.md", "docs/audit.md", "docs/leaderboard.md"]
    assert all((ROOT / page).is_file() for page in pages)


def test_phantom_and_real_have_headings_of_their_own(tmp_path):
    write_run(tmp_path / "p", "fedavg", {"b": 0.5})
    write_run(tmp_path / "r", "fedavg", {"b": 0.9}, kind="real")
    text = to_markdown(*board(tmp_path))
    real, phantom = text.index("## toy, real data: 1 test case ("), text.index("## toy, phantom data: 1 test case (")
    assert real < text.index("90.00") < phantom < text.index("50.00")


def test_markdown_escapes_what_would_break_a_table(tmp_path):
    write_run(tmp_path / "run", "a|b<script>*x*", {"b": 0.5})
    text = to_markdown(*board(tmp_path))
    assert "| a\\|b\\<script\\>\\*x\\* |" in text


def test_markdown_without_any_table(tmp_path):
    write_run(tmp_path / "run", "fedavg", None, status="running", rounds_completed=1)
    text = to_markdown(*board(tmp_path))
    assert "No run is finished and scored yet." in text
    assert f"- `{tmp_path / 'run'}`: unfinished: running after 1 of 3 rounds" in text


def test_gpu_memory_has_a_column_where_a_gpu_was_used(tmp_path):
    write_run(tmp_path / "cpu", "fedavg", {"b": 0.5})
    (table,), _ = board(tmp_path)
    assert "GPU MiB" not in text_table(table).headings
    write_run(tmp_path / "gpu", "dp_fl", {"b": 0.5}, peak_gpu_memory_mb=2048.4)
    (table,), _ = board(tmp_path)
    assert [cells[-2] for cells in text_table(table).cells] == ["–", "2,048"]  # noqa: RUF001


def test_terminal_shows_the_main_columns_and_no_markup(tmp_path):
    write_run(tmp_path / "run", "[red]x[/red]", {"b": 0.5})
    (table,), _ = board(tmp_path)
    console = Console(width=160, file=io.StringIO())
    console.print(to_terminal(table))
    text = console.file.getvalue()
    assert "[red]x[/red]" in text
    assert "50.00" in text
    assert "Wall s" not in text


def test_what_is_rounded_to_zero_has_no_minus():
    assert [percent(-0.001, ".0f"), percent(-0.001, "+.0f"), percent(-0.006, ".0f")] == ["0", "+0", "-1"]
    assert percent(None, ".0f") == "–"  # noqa: RUF001 - the dash of empty cells
