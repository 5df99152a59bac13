"""What may stand in one table, and what is left out."""

import shutil

import pytest

from adpfl_bench.errors import RecordError
from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.table import tabulate
from tests.leaderboard.records import by_target, case_row, edit_record, toy_runs, write_run


def groups_of(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    return groups, {entry.folder.name: entry.reason for entry in left_out}


def test_the_same_cases_of_the_same_files_share_a_group(tmp_path):
    (group,), left_out = groups_of(toy_runs(tmp_path))
    assert not left_out
    assert [variant.label for variant in group.variants] == ["adp_fl", "dp_fl", "fedavg"]
    assert group.variants[2].seeds == (0, 1)
    assert "phantom" in group.heading
    assert "3 test cases" in group.heading
    assert "ffffffff" in group.heading


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "real"},
        {"fingerprint": "e" * 64},
        {"task": "another"},
        {"dice": {"a1": 0.5}},
        {"dice": {"a1": 0.5, "a2": 0.5}},
        {"dice": [case_row("a1", 0.5, "whole"), case_row("b", 0.5, "whole")]},
        {"dice": [case_row("a1", 0.5), case_row("b", 0.5), case_row("b", 0.5, "whole")]},
    ],
    ids=["kind", "files", "task", "fewer cases", "other cases", "other region", "one region more"],
)
def test_what_differs_is_never_mixed(tmp_path, other):
    write_run(tmp_path / "one", "fedavg", {"a1": 0.5, "b": 0.5})
    write_run(tmp_path / "two", "fedavg", **{"dice": {"a1": 0.7, "b": 0.7}, "seed": 1, **other})
    groups, left_out = groups_of(tmp_path)
    assert not left_out
    assert len(groups) == 2
    assert len({group.digest for group in groups}) == 2
    assert len({group.slug for group in groups}) == 2
    assert all(row.n_seeds == 1 for group in groups for table in tabulate(group) for row in table.rows)


def test_runs_that_trust_a_sum_are_in_a_table_of_their_own_which_says_so(tmp_path):
    for name, trust in (("one", "server"), ("two", "sum"), ("three", None)):
        privacy = {**by_target(), "trust": trust}
        write_run(tmp_path / name, f"dp_{name}", {"a1": 0.5, "b": 0.5}, privacy=privacy)
    groups, left_out = groups_of(tmp_path)
    assert not left_out
    assert sorted([variant.method for variant in group.variants] for group in groups) == [
        ["dp_one", "dp_three"],
        ["dp_two"],
    ]
    (summed,) = (group for group in groups if group.summed)
    assert len({group.digest for group in groups}) == len({group.slug for group in groups}) == 2
    assert "under a trusted sum" in summed.heading
    (table, *_) = tabulate(summed)
    assert any("privacy.trust" in note for note in table_notes(table))


def test_order_of_groups(tmp_path):
    for task in ("b", "a"):
        for kind in ("phantom", "real"):
            write_run(tmp_path / task / kind, "fedavg", {"b": 0.5}, task=task, kind=kind)
    groups, _ = groups_of(tmp_path)
    assert [(group.task, group.kind) for group in groups] == [
        ("a", "real"),
        ("a", "phantom"),
        ("b", "real"),
        ("b", "phantom"),
    ]


@pytest.mark.parametrize("status", ["running", "trained", "interrupted", "failed"])
def test_unfinished_runs_are_left_out_with_their_status(tmp_path, status):
    toy_runs(tmp_path)
    edit_record(tmp_path / "adp", status=status, rounds_completed=2, error="OutOfMemory: no" * (status == "failed"))
    (group,), left_out = groups_of(tmp_path)
    assert "adp_fl" not in [variant.label for variant in group.variants]
    ending = " (OutOfMemory: no)" if status == "failed" else ""
    assert left_out == {"adp": f"unfinished: {status} after 2 of 3 rounds{ending}"}


def test_runs_without_test_scores_are_left_out(tmp_path):
    toy_runs(tmp_path)
    (tmp_path / "adp" / "cases.csv").unlink()
    write_run(tmp_path / "validated", "fedavg", [case_row("b", 0.5, split="validation")], seed=7)
    _, left_out = groups_of(tmp_path)
    assert left_out == {
        "adp": "no test scores: there is no cases.csv",
        "validated": "no test scores: cases.csv has no case of the split test",
    }


def test_scores_of_an_earlier_round_are_left_out(tmp_path):
    write_run(tmp_path / "run", "fedavg", {"b": 0.5}, model={"scored_round": 2})
    _, left_out = groups_of(tmp_path)
    assert left_out == {"run": "its scores are those of round 2, but 3 rounds are completed"}


def test_damaged_records_are_left_out_and_harm_no_other(tmp_path):
    toy_runs(tmp_path)
    edit_record(tmp_path / "adp", privacy=None)
    (tmp_path / "dp" / "run.json").write_text('{"task": ')
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "run.json").write_text("[]")
    cut = (tmp_path / "fedavg1" / "cases.csv").read_text()
    (tmp_path / "fedavg1" / "cases.csv").write_text(cut[: cut.rindex(",px")])
    (group,), left_out = groups_of(tmp_path)
    assert [(variant.label, variant.seeds) for variant in group.variants] == [("fedavg", (0,))]
    assert "run.json is no usable record of a run: privacy is missing." in left_out["adp"]
    assert "cannot be read as JSON" in left_out["dp"]
    assert "cases.csv cannot be read as a table of cases" in left_out["fedavg1"]
    assert "run.json is no usable record of a run: the file should be an object, but it is []." in left_out["listed"]


def test_a_repeated_seed_counts_once_and_the_later_run_is_used(tmp_path):
    write_run(tmp_path / "early", "fedavg", {"b": 0.2}, started="2026-01-01T00:00:00+00:00")
    write_run(tmp_path / "late", "fedavg", {"b": 0.6}, started="2026-01-02T00:00:00+00:00")
    (group,), left_out = groups_of(tmp_path)
    assert tabulate(group)[0].rows[0].mean == 0.6
    assert list(left_out) == ["early"]
    assert "seed 0 of fedavg twice" in left_out["early"]


def test_other_settings_of_a_method_are_not_averaged(tmp_path):
    toy_runs(tmp_path)
    write_run(tmp_path / "fast", "fedavg", {"a1": 0.1, "a2": 0.1, "b": 0.1}, seed=2, learning_rate=0.5)
    (group,), left_out = groups_of(tmp_path)
    assert not left_out
    (table,) = tabulate(group)
    means = {row.n_seeds: row.mean for row in table.rows if row.method == "fedavg"}
    assert means == {2: pytest.approx(4.3 / 6), 1: pytest.approx(0.1)}
    labels = [row.label for row in table.rows if row.method == "fedavg"]
    assert len(set(labels)) == 2
    assert all(row.gap_closed is None for row in table.rows)
    notes = "\n".join(table_notes(table))
    assert "fedavg was run with several settings, which are not averaged: model.init_args.lr is" in notes
    assert "Gap closed is empty: fedavg is here with several settings." in notes


def test_seed_and_place_of_a_run_are_not_settings(tmp_path):
    (group,), _ = groups_of(toy_runs(tmp_path))  # its runs have other seeds and other data roots
    assert [variant.method for variant in group.variants].count("fedavg") == 1


def test_runs_are_found_once_however_they_are_named(tmp_path, monkeypatch):
    toy_runs(tmp_path / "runs")
    shutil.copytree(tmp_path / "runs", tmp_path / "deep" / "er")
    monkeypatch.chdir(tmp_path)
    found = find_runs([tmp_path / "runs", tmp_path / "runs" / "dp", tmp_path / "runs" / "adp" / "run.json"])
    assert [path.name for path in found] == ["adp", "dp", "fedavg0", "fedavg1"]
    assert len(find_runs([tmp_path])) == 8


def test_no_runs_is_a_sentence(tmp_path):
    with pytest.raises(RecordError, match=r"no run.json in or below .*adpfl-bench fit"):
        find_runs([tmp_path])
    with pytest.raises(RecordError, match="nowhere does not exist"):
        find_runs([tmp_path / "nowhere"])


def test_regions_keep_the_order_in_which_the_task_states_them(tmp_path):
    run = write_run(tmp_path / "run", "fedavg", [case_row("b", 0.75, "whole"), case_row("b", 0.5, "core")])
    assert groups_of(tmp_path)[0][0].regions == ["core", "whole"]
    edit_record(run, model={"scored_round": 3, "parameters": 1, "surface_tolerance": {"whole": 1.0, "core": 1.0}})
    assert groups_of(tmp_path)[0][0].regions == ["whole", "core"]


def test_a_class_that_has_moved_since_is_the_same_setting(tmp_path):
    for seed, place in enumerate(("privacy.earlier", "privacy.now")):
        folder = write_run(tmp_path / place, "dp_fl", {"a1": 0.5, "b": 0.5}, seed=seed)
        mechanism = {"class_path": f"adpfl_bench.{place}.LaplaceMechanism"}
        edit_record(folder, config={"privacy": {"mechanism": mechanism}})
    (group,), left_out = groups_of(tmp_path)
    assert not left_out
    assert [variant.seeds for variant in group.variants] == [(0, 1)]
