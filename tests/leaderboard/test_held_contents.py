"""Runs on files that held other things are in no table together, and no mean."""

import pytest

from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.file_digests import ALGORITHM, FileDigest, contents_root
from adpfl_bench.records.run_directory import RunDirectory
from tests.leaderboard.records import write_run

DICE = {"a1": 0.5, "b": 0.5}


def files(**contents):
    """Two test cases and one that trains, each with a digit for what its file holds."""
    return [FileDigest(case, f"images/{case}.png", 9, contents.get(case, "0") * 64) for case in ("a1", "b", "trains")]


def write(folder, method="fedavg", seed=0, held=None, table=True, **record):
    data = {"kind": "phantom", "fingerprint": "f" * 64}
    if held is not None:
        data["contents"] = {
            "algorithm": ALGORITHM,
            "root": contents_root(held),
            "test_root": contents_root(row for row in held if row.case in DICE),
            "files": 3,
            "bytes": 27,
        }
    write_run(folder, method, DICE, seed, data=data, **record)
    if held is not None and table:
        RunDirectory(folder).write_data(held)


def groups_of(root):
    groups, left_out, _ = compare_runs(find_runs([root]))
    assert not left_out
    return groups


def notes_of(group):
    return "\n".join(table_notes(tabulate(group)[0]))


def test_test_cases_that_hold_the_same_share_a_table(tmp_path):
    for seed in (0, 1):
        write(tmp_path / f"run{seed}", seed=seed, held=files())
    (group,) = groups_of(tmp_path)
    assert [variant.seeds for variant in group.variants] == [(0, 1)]
    assert not group.apart


def test_test_cases_that_hold_other_things_have_tables_of_their_own(tmp_path):
    write(tmp_path / "one", held=files())
    write(tmp_path / "two", seed=1, held=files(b="1"))
    groups = groups_of(tmp_path)
    assert [[variant.seeds for variant in group.variants] for group in groups] in ([[(0,)], [(1,)]], [[(1,)], [(0,)]])
    assert len({group.digest for group in groups}) == len({group.slug for group in groups}) == 2
    for group in groups:
        assert "there, images/b.png of the case b has another content." in notes_of(group)


@pytest.mark.parametrize("table", [None, "broken"])
def test_without_the_digests_of_files_roots_are_told(tmp_path, table):
    write(tmp_path / "one", held=files(), table=False)
    write(tmp_path / "two", seed=1, held=files(b="1"))
    if table is not None:
        RunDirectory(tmp_path / "one").data_file.write_text(table)
    for group in groups_of(tmp_path):
        assert f"and here {group.test_root[:8]}" in notes_of(group)


def test_seeds_that_trained_on_other_contents_are_not_averaged(tmp_path):
    write(tmp_path / "one", held=files())
    write(tmp_path / "two", seed=1, held=files(trains="1"))
    (group,) = groups_of(tmp_path)
    assert sorted(variant.seeds for variant in group.variants) == [(0,), (1,)]
    assert len({variant.label for variant in group.variants}) == 2
    assert "fedavg was run with several settings, which are not averaged: data.contents is" in notes_of(group)


def test_an_earlier_record_joins_those_that_agree_and_no_others(tmp_path):
    write(tmp_path / "earlier")
    alone = groups_of(tmp_path)
    write(tmp_path / "now", seed=1, held=files())
    (group,) = groups_of(tmp_path)
    assert [variant.seeds for variant in group.variants] == [(0, 1)]
    write(tmp_path / "other", seed=2, held=files(a1="1"))
    unstated, *stated = sorted(groups_of(tmp_path), key=lambda group: group.test_root != "")
    assert len(stated) == 2
    assert [variant.seeds for variant in unstated.variants] == [(0,)]
    assert unstated.digest == alone[0].digest
    assert "the records of this table do not" in notes_of(unstated)
