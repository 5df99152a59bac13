"""Other hospitals' scores in tables, and those that are left out."""

import csv
import io
import math
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.hospitals import HospitalRow
from adpfl_bench.leaderboard.hospitals_text import hospital_notes, hospitals_text
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.statistics.bootstrap import MeanBootstrap
from adpfl_bench.leaderboard.statistics.drop_bootstrap import DropBootstrap
from adpfl_bench.leaderboard.statistics.paired_scores import PairedRun, PairedScores
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.report.page import to_html
from tests.leaderboard.hospital_runs import write_cohort
from tests.leaderboard.records import case_row, toy_runs, write_run

VIENNA = {"v1": 0.5, "v2": 0.7, "v3": 0.3}
OWN = {"fedavg0": {"a1": 0.9, "a2": 0.7, "b": 0.5}, "fedavg1": {"a1": 0.8, "a2": 0.8, "b": 0.6}}


@pytest.fixture
def runs(tmp_path):
    """fedavg with two seeds and dp_fl with one, scored on Vienna's cases; adp_fl is not."""
    root = toy_runs(tmp_path / "runs")
    for number, folder in enumerate(("fedavg0", "fedavg1", "dp")):
        write_cohort(root / folder, "vienna", {case: dice - 0.1 * number for case, dice in VIENNA.items()})
    return root


def compared(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    return [table for group in groups for table in tabulate(group)], left_out


def rows_of(table):
    return {(row.hospital, row.label, row.metric): row for hospital in table.hospitals for row in hospital.rows}


def paired(by_run):
    """Scores of one method's runs, given as Dice by case."""
    runs = {}
    for seed, dice in enumerate(by_run):
        rows = [case_row(*item) for item in sorted(dice.items())]
        owners = [row.case for row in rows], [row.patient for row in rows], [row.client for row in rows]
        runs[seed] = PairedRun(*owners, np.array([row.values["dice"] for row in rows]))
    return PairedScores({"m": runs})


def test_means_drops_and_their_intervals(runs):
    (table,), left_out = compared(runs)
    assert left_out == []
    rows = rows_of(table)
    assert list(dict.fromkeys(label for _, label, _ in rows)) == ["fedavg", "dp_fl"]
    assert list(dict.fromkeys(metric for _, _, metric in rows)) == ["dice", "iou", "hd95", "nsd"][:1] + [
        metric.name for metric in table.metrics[1:] if metric.ranked
    ]
    row = rows["vienna", "fedavg", "dice"]
    there = [VIENNA, {case: dice - 0.1 for case, dice in VIENNA.items()}]
    assert row.mean == pytest.approx(np.mean([list(dice.values()) for dice in there]))
    assert row.own_mean == pytest.approx(np.mean([list(dice.values()) for dice in OWN.values()])) == table.rows[0].mean
    assert row.drop == pytest.approx(row.own_mean - row.mean)
    assert (row.n_seeds, row.seeds, row.hospital_cases, row.hospital_patients) == (2, "0 1", 3, 3)
    assert (row.hospital_kind, row.hospital_contents, row.unit) == ("phantom", "1" * 64, "share")
    # Percentiles hang on what is drawn, by some hundredths of the interval's width.
    expected = MeanBootstrap(paired(there)).interval("m")
    assert (row.ci_low, row.ci_high) == pytest.approx((max(expected.low, 0), min(expected.high, 1)), abs=0.05)
    assert 0 <= row.ci_low < row.mean < row.ci_high <= 1
    expected = DropBootstrap(paired(OWN.values()), paired(there)).interval("m")
    assert (row.drop_low, row.drop_high) == pytest.approx(expected, abs=0.1)
    assert row.drop_low < row.drop < row.drop_high
    distance = rows["vienna", "fedavg", "hd95"]
    assert (distance.unit, distance.drop) == ("px", pytest.approx(10 * row.drop))  # longer is worse
    assert rows["vienna", "dp_fl", "dice"].n_seeds == 1


def test_own_means_are_of_the_runs_that_scored_the_hospital(runs):
    shutil.rmtree(runs / "fedavg1" / "cohorts")
    (table,), _ = compared(runs)
    row = rows_of(table)["vienna", "fedavg", "dice"]
    assert (row.own_mean, row.mean, row.seeds) == (pytest.approx(0.7), pytest.approx(0.5), "0")
    notes = hospital_notes(table)
    assert "vienna was not scored by adp_fl." in notes
    assert "vienna was not scored by all runs: fedavg by seeds 0 of 0, 1." in notes
    assert "vienna: intervals of one run are over patients alone (fedavg, dp_fl)." in notes


def test_files_and_page_have_them(runs):
    tables, _ = compared(runs)
    text = to_markdown(tables, [])
    page = to_html(tables, [], {}).replace("<wbr>", "")
    assert "#### Other hospitals, region lesion" in text
    assert "<h4>Other hospitals, region lesion</h4>" in page
    cells = hospitals_text(tables[0]).cells
    assert cells[0][:6] == ["vienna (phantom)", "fedavg", "2", "3", "71.67", "45.00"]
    assert cells[0][7] == "+26.67"
    for line in cells:
        assert f"| {' | '.join(line)} |" in text
        assert f'<th scope="row">{line[0]}</th>' in page
        assert f">{line[7]}</td>" in page
    assert "vienna: phantom data, ToyDataModule, 3 cases of 3 patient ids, contents 11111111." in text
    lines = list(csv.DictReader(io.StringIO(csv_files(tables)["hospitals.csv"])))
    rows = list(rows_of(tables[0]).values())
    assert len(lines) == len(rows) > 0
    for line, row in zip(lines, rows, strict=True):
        for field in fields(HospitalRow):
            value = getattr(row, field.name)
            assert (type(value)(line[field.name]) if line[field.name] else None) == value, field.name


def test_without_hospitals_tables_are_what_they_were(runs):
    with_hospitals, _ = compared(runs)
    for folder in runs.iterdir():
        shutil.rmtree(folder / "cohorts", ignore_errors=True)
    without, _ = compared(runs)
    text = to_markdown(without, [])
    assert "Other hospitals" not in text + to_html(without, [], {})
    assert csv_files(without)["hospitals.csv"].count("\n") == 1
    section = to_markdown(with_hospitals, [])
    start = section.index("#### Other hospitals")
    assert section[:start] + section[section.index("## How to read") :] == text
    assert {**csv_files(with_hospitals), "hospitals.csv": ""} == {**csv_files(without), "hospitals.csv": ""}


def test_other_data_under_one_name_stand_apart(runs):
    write_cohort(runs / "adp", "vienna", VIENNA, root="2" * 64)
    (table,), left_out = compared(runs)
    assert left_out == []
    first, second = sorted({name for name, _, _ in rows_of(table)})
    assert first.startswith("vienna [")
    by_name = {hospital.name: {row.label for row in hospital.rows} for hospital in table.hospitals}
    assert sorted(map(sorted, by_name.values())) == [["adp_fl"], ["dp_fl", "fedavg"]]
    assert by_name.keys() == {first, second}


def test_phantoms_and_real_data_are_not_one_hospital(runs):
    write_cohort(runs / "adp", "vienna", VIENNA, kind="real")
    (table,), _ = compared(runs)
    assert len(table.hospitals) == 2
    (note,) = [note for note in hospital_notes(table) if "no drop between them" in note]
    assert "is real data and the own test cases are phantom" in note
    real, phantom = (
        next(row for row in rows_of(table).values() if row.hospital_kind == kind and row.metric == "dice")
        for kind in ("real", "phantom")
    )
    assert (real.drop, real.drop_low, real.mean) == (None, None, pytest.approx(0.5))
    assert real.ci_low is not None
    assert phantom.drop is not None


def test_the_runs_own_files_are_no_other_hospital(tmp_path):
    contents = {"algorithm": "sha256-tree-1", "root": "5" * 64, "test_root": "6" * 64, "files": 3, "bytes": 3}
    data = {"kind": "phantom", "fingerprint": "f" * 64, "contents": contents}
    write_run(tmp_path / "m", "m", {"a1": 0.9, "b": 0.5}, data=data)
    write_cohort(tmp_path / "m", "self", VIENNA, root="5" * 64)
    (table,), _ = compared(tmp_path)
    assert any("it is no other hospital" in note for note in hospital_notes(table))


def test_clients_own_models_count_each(tmp_path):
    own = [replace(case_row(case, dice), model=case_row(case, dice).client) for case, dice in OWN["fedavg0"].items()]
    write_run(tmp_path / "m", "ditto", own, federated={"headline": "own"})
    scores = {"global": 0.1, "north": 0.5, "south": 0.7}
    rows = [replace(case_row(case, dice), model=model) for case in VIENNA for model, dice in scores.items()]
    write_cohort(tmp_path / "m", "north", rows)  # though a client has the name
    (table,), left_out = compared(tmp_path)
    assert left_out == []
    row = rows_of(table)["north", "ditto", "dice"]
    assert (row.mean, row.scored_model) == (pytest.approx(0.6), "training clients' own")


def test_one_patient_has_no_interval(tmp_path):
    write_run(tmp_path / "m", "m", {"a1": 0.9, "b": 0.5})
    write_cohort(tmp_path / "m", "vienna", {"v1": 0.5})
    (table,), _ = compared(tmp_path)
    row = rows_of(table)["vienna", "m", "dice"]
    assert (row.drop, row.ci_low, row.drop_low) == (pytest.approx(0.2), None, None)
    assert "vienna has one patient, so there are no intervals." in hospital_notes(table)


def test_units_that_differ_have_no_drop(tmp_path):
    write_run(tmp_path / "m", "m", {"a1": 0.9, "b": 0.5})
    write_cohort(tmp_path / "m", "vienna", [case_row(case, dice, distance_unit="mm") for case, dice in VIENNA.items()])
    (table,), _ = compared(tmp_path)
    row = rows_of(table)["vienna", "m", "hd95"]
    assert row.unit == "mm"
    assert math.isfinite(row.mean)
    assert (row.drop, row.drop_low) == (None, None)
    assert row.ci_low is not None
    assert rows_of(table)["vienna", "m", "nsd"].drop is None  # a tolerance in mm is another than one in px
    assert rows_of(table)["vienna", "m", "dice"].drop is not None


def _remove(folder):
    (folder / "cohort.json").unlink()


def _cut(folder):
    path = folder / "cohort.json"
    path.write_bytes(path.read_bytes()[:40])


def _edit(folder):
    path = folder / "cases.csv"
    path.write_text(path.read_text().replace("0.3", "0.9"))


def _no_scores(folder):
    (folder / "cases.csv").unlink()


def _renamed(folder):
    folder.rename(folder.with_name("graz"))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (_remove, "cannot be read as the record of a cohort"),
        (_cut, "cannot be read as the record of a cohort"),
        (_edit, "cases.csv is not the file that cohort.json was written with"),
        (_no_scores, "cases.csv"),
        (_renamed, "cohort.json calls the cohort vienna"),
    ],
)
def test_damaged_folders_are_left_out_with_the_reason(runs, damage, reason):
    damage(runs / "dp" / "cohorts" / "vienna")
    (table,), (left_out,) = compared(runs)
    assert left_out.folder.parent == runs / "dp" / "cohorts"
    assert reason in left_out.reason
    assert {label for _, label, _ in rows_of(table)} == {"fedavg"}
    assert "dp_fl" in {row.label for row in table.rows}
    assert reason in to_markdown([table], [left_out]).replace("\\", "")


@pytest.mark.parametrize(
    ("rows", "changes", "reason"),
    [
        ([case_row("v1", 1.7)], {}, "dice of lesion of v1 is 1.7"),
        ([case_row("v1", 0.5, hd95=-1.0)], {}, "hd95 of lesion of v1 is -1"),
        ([case_row("v1", 0.5)], {"weights": {"north": "9" * 64}}, "cases.csv has scores by global"),
        ([case_row("v1", 0.5, region="core")], {}, "scores lesion of 0 cases, and cohort.json states 1"),
        ([case_row("v1", 0.5)], {"chain": "7" * 64}, "trained on after this was scored"),
    ],
)
def test_impossible_cohorts_are_left_out_with_the_reason(tmp_path, rows, changes, reason):
    write_run(tmp_path / "m", "m", {"a1": 0.9, "b": 0.5})
    write_cohort(tmp_path / "m", "vienna", rows, **changes)
    (table,), (left_out,) = compared(tmp_path)
    assert reason in left_out.reason
    assert table.hospitals == ()


def test_what_a_killed_command_left_is_passed_over(runs):
    (runs / "dp" / "cohorts" / ".graz-partial-host-1-abcd").mkdir()
    (runs / "dp" / "cohorts" / "vienna" / "notes.txt").write_text("ours")
    _, left_out = compared(runs)
    assert left_out == []
