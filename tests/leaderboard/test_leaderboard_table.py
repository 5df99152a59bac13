"""The numbers of a table, against arithmetic done by hand."""

import math

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.records import NOT_PRIVATE, case_row, private, toy_runs, write_run


def tables_of(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    assert not left_out
    return [table for group in groups for table in tabulate(group)]


def rows_of(root):
    (table,) = tables_of(root)
    return {row.label: row for row in table.rows}


def test_code_of_others_is_noted_at_its_method(tmp_path):
    for seed, trusted in enumerate((["zoo"], ["clinic"], [])):
        write_run(tmp_path / f"a{seed}", "fedavg", {"a1": 0.5, "b": 0.6}, seed=seed, trusted=trusted)
        write_run(tmp_path / f"b{seed}", "dp_fl", {"a1": 0.4, "b": 0.5}, seed=seed)
    (table,) = tables_of(tmp_path)
    (note,) = [note for note in table_notes(table) if "--trust" in note]
    assert note == "fedavg: made with code of clinic and zoo (--trust), which does not come with the suite."


def test_what_runs_of_one_account_have_spent_together_is_noted(tmp_path):
    account = {"account": "id", "name": "ward 3", "unit": "patient", "epsilon": 8.0, "delta": 1e-5}
    for seed, composed in enumerate((3.0, 5.125, None)):
        block = {**account, "simulation": False, "reservation": "r", "composed_epsilon": composed}
        write_run(tmp_path / f"a{seed}", "fedavg", {"a1": 0.5, "b": 0.6}, seed=seed, account=block)
        write_run(tmp_path / f"b{seed}", "dp_fl", {"a1": 0.4, "b": 0.5}, seed=seed)
    (table,) = tables_of(tmp_path)
    (note,) = [note for note in table_notes(table) if "account" in note]
    assert note.startswith(
        "3 runs here released under the account ward 3. All runs of the account together had come to"
    )
    assert "epsilon 5.125 at delta 1e-05, for the patient with most" in note


def test_golden_row(tmp_path):
    row = rows_of(toy_runs(tmp_path))["fedavg"]
    assert (row.task, row.kind, row.region, row.method, row.seeds, row.n_seeds) == (
        "toy",
        "phantom",
        "lesion",
        "fedavg",
        "0 1",
        2,
    )
    assert (row.cases, row.patients, row.missed, row.scored) == (3, 2, 0, 6)
    assert row.mean == pytest.approx((0.9 + 0.7 + 0.5 + 0.8 + 0.8 + 0.6) / 6)
    # Patient P has 0.8 over its two cases and two seeds, patient Q 0.55.
    assert row.sd_patients == pytest.approx(0.25 / math.sqrt(2))
    # The seeds' means are 0.7 and 2.2 / 3.
    assert row.sd_seeds == pytest.approx((2.2 / 3 - 0.7) / math.sqrt(2))
    assert row.means["iou"] == pytest.approx(sum(d / (2 - d) for d in (0.9, 0.7, 0.5, 0.8, 0.8, 0.6)) / 6)
    assert row.means["hd95"] == pytest.approx(10 * (1 - 4.3 / 6))
    assert row.distance_unit == "px"
    assert row.means["nsd"] == pytest.approx(4.3 / 24)
    assert (row.worst_client, row.worst_client_mean) == ("south", pytest.approx(0.55))
    assert row.client_spread == pytest.approx(0.25)
    assert row.wall_seconds == 10.5
    assert row.peak_memory_mb == 101
    assert row.peak_gpu_memory_mb is None


def test_privacy_of_rows(tmp_path):
    rows = rows_of(toy_runs(tmp_path))
    assert (rows["fedavg"].unit, rows["fedavg"].nominal_epsilon, rows["fedavg"].accounted_epsilon) == (
        "none",
        None,
        None,
    )
    assert (rows["dp_fl"].unit, rows["dp_fl"].nominal_epsilon) == ("batch", 0.001)
    assert (rows["dp_fl"].accounted_epsilon, rows["dp_fl"].accounted_delta) == (8.5, 1e-4)
    assert (rows["adp_fl"].accounted_epsilon, rows["adp_fl"].accounted_reason) == (None, "the threshold is raw")


@pytest.mark.parametrize(("second", "expected"), [(9.5, 9.5), (7.5, 8.5), (None, None)])
def test_accounted_epsilon_is_that_of_the_worst_seed(tmp_path, second, expected):
    write_run(tmp_path / "0", "dp_fl", {"b": 0.5}, privacy=private(8.5))
    write_run(tmp_path / "1", "dp_fl", {"b": 0.5}, seed=1, privacy=private(second))
    row = rows_of(tmp_path)["dp_fl"]
    assert row.accounted_epsilon == expected
    assert row.accounted_reason == (None if expected else "the threshold is raw")


def test_gap_closed(tmp_path):
    rows = rows_of(toy_runs(tmp_path))
    assert rows["adp_fl"].gap_closed == pytest.approx(6 / 13)  # (0.6 - 0.5) / (4.3 / 6 - 0.5)
    assert rows["fedavg"].gap_closed == 1
    assert rows["dp_fl"].gap_closed == 0


@pytest.mark.parametrize("missing", ["fedavg", "dp_fl"])
def test_gap_closed_is_empty_without_a_reference(tmp_path, missing):
    for method in {"fedavg", "dp_fl", "adp_fl"} - {missing}:
        write_run(tmp_path / method, method, {"b": 0.5})
    assert all(row.gap_closed is None for row in rows_of(tmp_path).values())


def test_gap_closed_is_empty_where_there_is_no_gap(tmp_path):
    for method, dice in {"fedavg": 0.5, "dp_fl": 0.6, "adp_fl": 0.7}.items():
        write_run(tmp_path / method, method, {"b": dice})
    (table,) = tables_of(tmp_path)
    assert all(row.gap_closed is None for row in table.rows)
    assert any("no gap to close" in note for note in table_notes(table))


def test_references_of_another_group_do_not_count(tmp_path):
    write_run(tmp_path / "fedavg", "fedavg", {"b": 0.9}, kind="real")
    write_run(tmp_path / "dp_fl", "dp_fl", {"b": 0.5})
    write_run(tmp_path / "adp_fl", "adp_fl", {"b": 0.6})
    assert all(row.gap_closed is None for table in tables_of(tmp_path) for row in table.rows)


def test_gap_below_the_scatter_of_seeds_is_said(tmp_path):
    for seed, dice in enumerate((0.4, 0.8)):
        write_run(tmp_path / f"fedavg{seed}", "fedavg", {"b": dice}, seed=seed)
        write_run(tmp_path / f"dp{seed}", "dp_fl", {"b": dice - 0.1}, seed=seed)
    (table,) = tables_of(tmp_path)
    assert any("10.00 points) is smaller than the SD over seeds (28.28 points)" in note for note in table_notes(table))


def test_one_seed_and_one_patient_have_no_deviation(tmp_path):
    write_run(tmp_path / "run", "fedavg", {"a1": 0.9, "a2": 0.7})
    row = rows_of(tmp_path)["fedavg"]
    assert (row.sd_seeds, row.sd_patients, row.patients) == (None, None, 1)


def test_misses_are_counted_over_seeds(tmp_path):
    write_run(tmp_path / "0", "fedavg", {"a1": 0.0, "b": 0.5})
    write_run(tmp_path / "1", "fedavg", {"a1": 0.0, "b": 0.0}, seed=1)
    row = rows_of(tmp_path)["fedavg"]
    assert (row.missed, row.scored) == (3, 4)
    assert row.means["hd95"] == pytest.approx((10 + 5 + 10 + 10) / 4)


def test_a_distance_that_one_case_lacks_or_in_two_units_has_no_mean(tmp_path):
    write_run(tmp_path / "run", "fedavg", [case_row("a1", 0.5, hd95=None, nsd=None), case_row("b", 0.5)])
    row = rows_of(tmp_path)["fedavg"]
    assert (row.means["hd95"], row.means["nsd"]) == (None, None)
    for seed, unit in enumerate(("mm", "px")):
        rows = [case_row("a1", 0.5, distance_unit=unit), case_row("b", 0.5, distance_unit=unit)]
        write_run(tmp_path / ("run" if seed == 0 else "other"), "fedavg", rows, seed)
    row = rows_of(tmp_path)["fedavg"]
    assert (row.means["hd95"], row.distance_unit) == (None, "mm/px")


def test_validation_cases_do_not_count(tmp_path):
    write_run(tmp_path / "run", "fedavg", [case_row("b", 0.5), case_row("a1", 1.0, split="validation")])
    assert rows_of(tmp_path)["fedavg"].mean == 0.5


def test_regions_have_tables_of_their_own(tmp_path):
    write_run(tmp_path / "run", "fedavg", [case_row("b", 0.5, "core"), case_row("b", 0.75, "whole")])
    found = {table.region: table.rows[0].mean for table in tables_of(tmp_path)}
    assert found == {"core": 0.5, "whole": 0.75}


def test_order_of_methods(tmp_path):
    scores = {"adp_fl": 0.4, "quantile": 0.5, "dp_fl": 0.2, "local": 0.3, "centralized": 0.1, "fedavg": 0.3}
    scores["fedprox"] = 0.9
    for method, dice in scores.items():
        privacy = private() if method in ("adp_fl", "quantile", "dp_fl") else NOT_PRIVATE
        write_run(tmp_path / method, method, {"b": dice}, privacy=privacy)
    assert list(rows_of(tmp_path)) == ["centralized", "fedavg", "local", "fedprox", "dp_fl", "quantile", "adp_fl"]


def test_unequal_seeds_and_unequal_settings_are_said(tmp_path):
    toy_runs(tmp_path)
    write_run(tmp_path / "prox", "fedprox", {"a1": 0.5, "a2": 0.5, "b": 0.5}, learning_rate=0.5)
    (table,) = tables_of(tmp_path)
    notes = "\n".join(table_notes(table))
    assert "same seeds (fedavg: 0, 1; " in notes
    assert "model.init_args.lr is 0.1 (adp_fl, dp_fl, fedavg), 0.5 (fedprox)" in notes
    assert "tolerance of 2 px" in notes


def test_rows_are_plain_values(tmp_path):
    row = rows_of(toy_runs(tmp_path))["fedavg"]
    values = [value for name, value in vars(row).items() if name not in ("metric", "means")]
    assert {type(value) for value in [*values, *row.means.values()]} <= {str, int, float, type(None)}
