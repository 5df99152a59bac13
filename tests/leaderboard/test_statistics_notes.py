"""What a table finds, what it leaves undecided, and what it says that it cannot say."""

import csv
import io
import shutil

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.statistics_text import matrix_text, ranking_text, statistics_notes
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.golden_runs import METHODS
from tests.leaderboard.records import case_row, write_run


def tables_of(root):
    groups, _, _ = compare_runs(find_runs([root]))
    return [table for group in groups for table in tabulate(group)]


def two_methods(root, first, second, seeds=(0, 1), patients=30):
    """Two methods whose patients score ``first`` and ``second`` of (patient, seed)."""
    for method, dice in {"fedavg": first, "dp_fl": second}.items():
        for seed in seeds:
            rows = [case_row(f"p{n:02d}", dice(n, seed), hd95=9.0 + seed) for n in range(patients)]
            write_run(root / f"{method}{seed}", method, rows, seed)
    (table,) = tables_of(root)
    return table


def test_a_difference_beyond_patients_and_seeds_is_found(tmp_path):
    table = two_methods(tmp_path, lambda n, s: 0.8 + 0.001 * n + 0.001 * s, lambda n, s: 0.7 + 0.0012 * n + 0.001 * s)
    (row,) = table.statistics.comparisons
    assert row.finding == "first higher"
    assert matrix_text(table).cells == [["1 fedavg", "–", "+9.71 *"], ["2 dp_fl", "-9.71 *", "–"]]  # noqa: RUF001
    assert any("Of 1 comparison over 30 patients: 1 marked *." in note for note in statistics_notes(table))


def test_a_difference_within_what_seeds_do_is_the_tests_alone(tmp_path):
    table = two_methods(tmp_path, lambda n, s: 0.8 + 0.001 * n + 0.1 * s, lambda n, s: 0.79 + 0.0011 * n + 0.1 * s)
    (row,) = table.statistics.comparisons
    assert row.p_holm < 0.05
    assert row.finding == "first higher by the test alone"
    assert matrix_text(table).cells[1][1].endswith(" (*)")


def test_one_seed_tells_models_apart_and_not_methods(tmp_path):
    table = two_methods(tmp_path, lambda n, s: 0.8 + 0.001 * n, lambda n, s: 0.7 + 0.0011 * n, seeds=(0,))
    (row,) = table.statistics.comparisons
    assert row.difference_low > 0.09
    assert row.finding == "first higher by the test alone"
    assert any("One seed of every method: the interval covers" in note for note in statistics_notes(table))


def test_a_test_and_a_mean_that_disagree_are_marked(tmp_path):
    table = two_methods(tmp_path, lambda n, s: 0.8 + 0.001 * n, lambda n, s: 0.1 if n < 4 else 0.82 + 0.0011 * n)
    (row,) = table.statistics.comparisons
    assert row.difference > 0 > row.median_difference
    assert row.finding == "test and mean disagree"
    assert matrix_text(table).cells[0][2].endswith(" (!)")


def test_equal_methods_are_undecided(tmp_path):
    table = two_methods(tmp_path, lambda n, s: 0.8 + 0.001 * n, lambda n, s: 0.8 + 0.001 * (29 - n))
    (row,) = table.statistics.comparisons
    assert row.finding == "undecided"
    assert matrix_text(table).cells[0][2] in ("+0.00", "-0.00")
    assert [cells[1] for cells in ranking_text(table.statistics.ranking).cells] == ["1", "1"]


def test_few_patients_cannot_show_a_difference_and_it_is_said(tmp_path):
    table = two_methods(tmp_path, lambda n, s: 0.9 + 0.001 * n, lambda n, s: 0.1 + 0.002 * n, patients=5)
    assert table.statistics.comparisons[0].p_holm == pytest.approx(2 * 0.5**5)
    notes = statistics_notes(table)
    assert any("With 5 patients and 1 comparison no difference can be significant: the small" in n for n in notes)
    assert any("Intervals and ranking come from 5 patients only" in note for note in notes)
    assert any("Fewer than 5 seeds of every method" in note for note in notes)


def test_one_patient_has_no_statistics(tmp_path):
    write_run(tmp_path / "a", "fedavg", {"a1": 0.9, "a2": 0.8})
    write_run(tmp_path / "b", "dp_fl", {"a1": 0.7, "a2": 0.8})
    (table,) = tables_of(tmp_path)
    assert table.statistics.comparisons == table.statistics.ranking == ()
    assert all(row.ci_low is row.ci_high is None for row in table.rows)
    (note,) = statistics_notes(table)
    assert note.startswith("One patient shows nothing")
    assert "#### Comparisons" not in to_markdown([table], [])


def test_one_method_has_an_interval_alone(tmp_path):
    write_run(tmp_path / "a", "fedavg", [case_row(f"p{n}", 0.8 + 0.01 * n) for n in range(12)])
    (table,) = tables_of(tmp_path)
    assert table.rows[0].ci_low < table.rows[0].mean < table.rows[0].ci_high
    assert table.statistics.comparisons == table.statistics.ranking == ()
    assert any(note.startswith("One method alone") for note in statistics_notes(table))


def test_intervals_are_cut_where_dice_ends(tmp_path):
    for seed, dice in enumerate((0.999, 0.9)):
        write_run(tmp_path / f"{seed}", "fedavg", {"a1": dice, "b": dice, "c": dice - 0.01}, seed)
    (table,) = tables_of(tmp_path)
    assert table.rows[0].ci_high == 1.0


@pytest.mark.parametrize(
    ("change", "left_out"),
    [
        ({"hd95": None}, "HD95 is not in the ranking: dp_fl with seed 0 has none for case p03."),
        ({"nsd": None}, "NSD is not in the ranking: dp_fl with seed 0 has none for case p03."),
        ({"dice": None}, "There are no intervals, comparisons and ranking of region lesion: dp_fl with seed 0"),
        ({"patient": "x"}, "There are no intervals, comparisons and ranking of region lesion: Expected case p03"),
    ],
)
def test_what_cannot_be_compared_is_left_out_with_the_reason(tmp_path, change, left_out):
    write_run(tmp_path / "a", "fedavg", [case_row(f"p{n:02d}", 0.8 + 0.01 * n) for n in range(12)])
    rows = [case_row(f"p{n:02d}", 0.7 + 0.01 * n) for n in range(12)]
    rows[3] = case_row("p03", **{"dice": 0.73, **change})
    write_run(tmp_path / "b", "dp_fl", rows)
    (table,) = tables_of(tmp_path)
    assert any(note.startswith(left_out) for note in statistics_notes(table))
    if table.statistics.ranking:
        assert left_out[:4].strip() not in table.statistics.ranking[0].metrics.split("; ")
        assert len(table.statistics.ranking[0].metrics.split("; ")) == 2


def test_distances_of_methods_in_two_units_are_not_ranked(tmp_path):
    for method, unit in {"fedavg": "mm", "dp_fl": "px"}.items():
        rows = [case_row(f"p{n:02d}", 0.7 + 0.01 * n + 0.1 * (unit == "mm"), distance_unit=unit) for n in range(12)]
        write_run(tmp_path / method, method, rows)
    (table,) = tables_of(tmp_path)
    notes, text = statistics_notes(table), text_table(table)
    assert any(note.startswith("HD95 is not in the ranking: some are in mm and some in px") for note in notes)
    # A tolerance of as many mm and px is another tolerance too.
    assert "NSD is not in the ranking: the methods were scored at different tolerances." in notes
    distances = {cells[0]: cells[text.headings.index("HD95 (edge voxels)")] for cells in text.cells}
    assert {name: cell.split()[1] for name, cell in distances.items()} == {"fedavg": "mm", "dp_fl": "px"}
    said = "Neither distances nor NSD must be compared here: some in mm and some in px"
    assert any(note.startswith(said) for note in table_notes(table))


def test_nsd_at_several_tolerances_is_not_ranked(tmp_path):
    for method, tolerance in {"fedavg": 2.0, "dp_fl": 3.0}.items():
        model = {"scored_round": 3, "parameters": 1, "surface_tolerance": {"lesion": tolerance}}
        write_run(tmp_path / method, method, [case_row(f"p{n}", 0.1 * n) for n in range(9)], model=model)
    (table,) = tables_of(tmp_path)
    assert table.statistics.ranking[0].metrics == "Dice; HD95"
    assert "NSD is not in the ranking: the methods were scored at different tolerances." in statistics_notes(table)


def test_regions_with_other_patients_are_not_ranked_together(tmp_path):
    for method in METHODS:
        level = len(method) / 20
        rows = [
            case_row(f"p{n}", level + 0.01 * n, r) for r in ("whole", "core") for n in range(9) if r == "whole" or n
        ]
        write_run(tmp_path / method, method, rows)
    tables = tables_of(tmp_path)
    assert [table.statistics.patients for table in tables] == [8, 9]
    lines = csv.DictReader(io.StringIO(csv_files(tables)["ranking.csv"]))
    assert {line["regions"] for line in lines} == {"core", "whole"}


def test_runs_that_were_extended_are_named(tmp_path):
    moment = "2026-01-02T00:00:00+00:00"
    added = [{"from_rounds": 1, "rounds": 2, "completed": 1, "when": moment}]
    added += [{"from_rounds": 2, "rounds": 3, "completed": 2, "when": moment}]
    for seed in (0, 1):
        write_run(tmp_path / f"a{seed}", "fedavg", {"a1": 0.5}, seed=seed, **({"extended": added} if seed else {}))
        write_run(tmp_path / f"b{seed}", "dp_fl", {"a1": 0.4}, seed=seed)
    (table,) = tables_of(tmp_path)
    said = (
        "Rounds were added to runs that had been planned with fewer: fedavg (seed 1) from 1 to 2 rounds after round 1"
    )
    assert f"{said}, then from 2 to 3 rounds after round 2." in table_notes(table)
    for folder in (tmp_path / "a1", tmp_path / "b1"):
        shutil.rmtree(folder)
    (table,) = tables_of(tmp_path)
    assert not any("Rounds were added" in note for note in table_notes(table))
