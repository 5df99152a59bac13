"""Audits among the runs: whose rows they join, what they hold against a method, and that nothing else takes them."""

import csv
import io
import json

import pytest

from adpfl_bench.leaderboard.audits import bound_text
from adpfl_bench.leaderboard.comparability import compare_runs, find_runs
from adpfl_bench.leaderboard.csv_files import csv_files
from adpfl_bench.leaderboard.markdown import to_markdown
from adpfl_bench.leaderboard.notes import table_notes
from adpfl_bench.leaderboard.rendering import text_table
from adpfl_bench.leaderboard.run_summary import summarize_run
from adpfl_bench.leaderboard.table import tabulate
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.report.commands import leaderboard
from adpfl_bench.report.page import to_html
from tests.leaderboard.records import NOT_PRIVATE, by_target, edit_record, private, write_audit, write_run
from tests.report.test_report import Page

DICE = {"a1": 0.5, "b": 0.6}
BOUND = ">= 1.52 (95 %, 200 canaries)"
FAILED = {"noise scale": {"passed": False, "reason": "half of the stated scale"}}


class Board:
    """The leaderboard of a folder, in every form."""

    def __init__(self, root):
        groups, self.left_out, self.audits = compare_runs(find_runs([root]))
        self.tables = [table for group in groups for table in tabulate(group)]
        self.rows = {row.label: row for table in self.tables for row in table.rows}
        self.notes = "\n".join(note for table in self.tables for note in table_notes(table))
        self.markdown = to_markdown(self.tables, self.left_out, self.audits)
        self.html = to_html(self.tables, self.left_out, {}, self.audits)
        self.page = Page(self.html).text

    def cell(self, label, heading="Epsilon audited"):
        for table in self.tables:
            text = text_table(table)
            for cells in text.cells:
                if cells[0] == label:
                    return cells[text.headings.index(heading)]
        raise KeyError(label)


@pytest.fixture
def root(tmp_path):
    write_run(tmp_path / "m" / "seed0", "m", DICE, privacy=by_target())
    write_run(tmp_path / "fedavg", "fedavg", DICE)
    return tmp_path


def test_three_epsilons_in_every_form(root):
    write_audit(root / "m" / "audit-seed0", "m")
    board = Board(root)
    assert board.cell("m") == BOUND
    assert board.cell("fedavg") == "–"  # noqa: RUF001
    assert f"| – | 8 (delta 0.0001) | {BOUND} |" in board.markdown  # noqa: RUF001
    lines = csv.DictReader(io.StringIO(csv_files(board.tables)["leaderboard.csv"]))
    (line,) = [line for line in lines if line["method"] == "m"]
    assert (line["audited_epsilon"], line["audited_delta"], line["audited_confidence"]) == ("1.529", "0.0001", "0.95")
    assert (line["audited_canaries"], line["audits"], line["audited_problems"]) == ("200", "1", "")
    assert f"{BOUND} at delta 0.0001, for client south, seed 0. No check failed" in board.page
    assert "not audited: no audit with these privacy settings was among the runs" in board.page
    summary = summarize_run(RunDirectory(root / "m" / "seed0"))
    assert f"epsilon nominal none, accounted 8 at delta 0.0001, audited {BOUND}\n" in summary


def test_an_audit_is_named_as_one(root, capsys):
    audit = write_audit(root / "m" / "audit-seed0", "m")
    lone = write_audit(root / "x", "x")
    stopped = write_audit(root / "stopped", "m", status="interrupted", rounds_completed=2)
    edit_record(stopped, privacy=by_target())
    board = Board(root)
    assert not board.left_out
    texts = {entry.folder: entry.text for entry in board.audits}
    found = f"(client south, seed 0): epsilon {BOUND} at delta 0.0001, accounted 7; no check failed"
    assert texts[audit] == f"audit of m on toy {found}; in the row of m"
    assert texts[lone] == f"audit of x on toy {found}; in no row: no finished run of this method on this task is here"
    assert texts[stopped] == "audit, unfinished: interrupted after 2 of 3 rounds"
    assert board.rows["m"].audits == 1
    for text in (board.markdown, board.page):
        assert "Left out" not in text
        assert "unfinished: interrupted after 2 of 3 rounds" in text
        assert "in the row of m" in text
    leaderboard([root], root / "out", overlays=False)
    printed = capsys.readouterr().out
    assert f"{audit}: audit of m on toy" in printed
    assert "left out" not in printed


def test_scores_of_an_audit_are_in_no_table(root):
    audit = write_audit(root / "audit", "m", seed=1, status="finished")
    RunDirectory(audit).write_cases(RunDirectory(root / "m" / "seed0").read_cases())
    board = Board(root)
    assert (board.rows["m"].seeds, board.rows["m"].audits, len(board.left_out)) == ("0", 1, 0)


def test_the_largest_of_several_audits(root):
    for seed, epsilon in enumerate((0.5, 1.529, 1.0)):
        write_audit(root / f"audit{seed}", "m", epsilon, seed=seed)
    board = Board(root)
    assert board.cell("m") == BOUND
    assert "for client south, seed 1, the largest of 3 audits" in board.page
    assert "The audited epsilon of m is the largest of 3 audits. Each holds at its own confidence" in board.notes


def test_a_failed_check_is_marked_and_named_whichever_audit_failed(root, capsys):
    write_audit(root / "m" / "audit-seed0", "m")
    write_audit(root / "m" / "audit-seed1", "m", 0.2, seed=1, checks=FAILED, verdict="check failed")
    board = Board(root)
    problem = "check noise scale failed (half of the stated scale) in the audit of client south, seed 1"
    assert board.cell("m") == f"! {BOUND} [2]"
    assert f"[2] ! m is contradicted: {problem}." in board.markdown
    assert board.rows["m"].audited_problems == problem
    assert f"! Contradicted: {problem}" in board.page
    assert board.html.count('class="alarm"') == board.html.count('class="bound alarm"') == 1
    assert f"audited ! {BOUND} ({problem})" in summarize_run(RunDirectory(root / "m" / "seed0"))
    leaderboard([root], root / "out", overlays=False)
    assert problem in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ({"epsilon": 7.5}, "audited 7.5 exceeds accounted 7 in"),
        ({"epsilon": 8.5, "accounted": 9.0}, "audited 8.5 exceeds accounted 8 in"),
        ({"epsilon": 8.5, "accounted": None}, "which itself accounts for nothing"),
        ({"epsilon": 8.5, "accounted": 9.0, "delta": 1e-5}, None),  # epsilon may be larger at a smaller delta
        ({"epsilon": 7.0}, None),
        ({"verdict": "something else"}, "something else in"),
    ],
)
def test_an_audited_epsilon_above_an_accounted_one_is_marked(root, found, problem):
    write_audit(root / "audit", "m", **found)
    board = Board(root)
    if problem is None:
        assert board.rows["m"].audited_problems is None
        assert not board.cell("m").startswith("!")
    else:
        assert problem in board.rows["m"].audited_problems
        assert board.cell("m").startswith("! >= ")


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "patient"},
        {"threshold": "QuantileThreshold"},
        {"mechanism": "GaussianMechanism"},
        {"sampling": "poisson"},
        {"units_per_step": 64},
        {"target_epsilon": 4.0},
        {"target_epsilon": None},
        {"secure": True},
        {"accounted": {"epsilon": 8.0, "delta": 1e-5, "reason": None}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_audit_with_other_privacy_is_not_attached(root, changes):
    write_audit(root / "m" / "audit-seed0", "m", privacy=by_target(**changes))
    board = Board(root)
    name = {"accounted": "delta"}.get(next(iter(changes)), next(iter(changes)))
    assert board.rows["m"].audited_epsilon is None
    note = f"An audit (client south, seed 0: {BOUND}) is not of m, which is another: {name} is "
    assert note in board.notes
    assert "in no row: the runs of this method have another privacy, data or network" in board.page
    assert "audited none" in summarize_run(RunDirectory(root / "m" / "seed0"))


def test_arguments_of_the_threshold_are_privacy_too(root):
    config = {"privacy": {"threshold": {"class_path": "adpfl_bench.a.FixedThreshold", "init_args": {"value": 1.0}}}}
    edit_record(root / "m" / "seed0", config=config)
    text = json.dumps(config)
    write_audit(root / "same", "m", config=json.loads(text.replace("a.Fixed", "b.Fixed")))
    write_audit(root / "other", "m", seed=1, config=json.loads(text.replace("1.0", "2.0")))
    board = Board(root)
    assert board.rows["m"].audits == 1
    assert "threshold.init_args.value is 1.0 (runs), 2.0 (audit)" in board.notes


def test_solved_noise_may_differ_and_given_noise_may_not(root):
    write_audit(root / "a", "m", privacy=by_target(noise_multiplier=0.3))
    write_run(root / "given", "z", DICE, privacy=by_target(target_epsilon=None, noise_multiplier=0.25))
    write_audit(root / "b", "z", privacy=by_target(target_epsilon=None, noise_multiplier=0.3))
    board = Board(root)
    assert board.cell("m") == BOUND
    assert board.rows["z"].audits == 0
    assert "noise_multiplier is 0.25 (runs), 0.3 (audit)" in board.notes


def test_each_setting_of_a_method_has_its_own_audits(root):
    write_run(root / "four", "m", DICE, privacy=by_target(target_epsilon=4.0), learning_rate=0.2)
    write_audit(root / "audit", "m")
    board = Board(root)
    assert sorted(row.audits for label, row in board.rows.items() if label.startswith("m (")) == [0, 1]
    assert "is not of" not in board.notes


CANARIES = {"client": "south", "count": 200, "included": 90, "records": 1}
NETWORK = {"init_args": {"lr": 0.1, "network": "UNet", "network_arguments": {"channels": [8, 16]}}}


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        (
            {"data": {"kind": "real", "fingerprint": "f" * 64, "canaries": CANARIES}},
            "kind of data is phantom (runs), real",
        ),
        (
            {"data": {"kind": "phantom", "fingerprint": "e" * 64, "canaries": CANARIES}},
            "fingerprint of the data is ffffff",
        ),
        ({"model": {"scored_round": None, "parameters": 99}}, "number of parameters is 1234 (runs), 99 (audit)"),
        (
            {"model": {"scored_round": None, "class": "OtherTask"}},
            "class of the task is ToyTask (runs), OtherTask (audit)",
        ),
        (
            {"config": {"model": NETWORK}},
            "model.init_args.network_arguments.channels is [8, 8] (runs), [8, 16] (audit)",
        ),
    ],
    ids=["kind", "files", "parameters", "task", "network"],
)
def test_an_audit_of_other_data_or_of_another_network_is_in_no_row(root, changes, note):
    edit_record(
        root / "m" / "seed0",
        model={"class": "ToyTask", "scored_round": 3, "parameters": 1234},
        config={"model": {"init_args": {"lr": 0.1, "network": "UNet", "network_arguments": {"channels": [8, 8]}}}},
    )
    write_audit(root / "m" / "audit-seed0", "m", **changes)
    board = Board(root)
    assert board.rows["m"].audited_epsilon is None
    assert f"is not of m, which is another: {note}" in board.notes
    assert "in no row: the runs of this method have another privacy, data or network" in board.page
    assert "audited none" in summarize_run(RunDirectory(root / "m" / "seed0"))


def test_an_audit_that_contradicts_itself_is_in_no_row(root):
    folder = write_audit(root / "audit", "m")
    edit_record(folder, data={"kind": "phantom", "fingerprint": "f" * 64, "canaries": {**CANARIES, "count": 20}})
    board = Board(root)
    assert board.rows["m"].audited_epsilon is None
    (entry,) = board.audits
    assert entry.text == (
        "audit, in no row: its record contradicts itself or another: audit: it is of 200 canaries of south, but the"
        " data had 20 of south"
    )


def test_what_else_an_audit_has_otherwise_is_noted(root):
    write_audit(root / "audit", "m", learning_rate=0.5, delta=1e-3)
    board = Board(root)
    assert board.cell("m") == BOUND
    assert (
        "m was audited in a run that differs in more than the canaries: model.init_args.lr is 0.1 (runs), 0.5 (audit)"
        in board.notes
    )
    assert "The audited epsilon of m is stated at delta 0.001, the accounted one at 0.0001." in board.notes


def test_methods_without_privacy_are_audited_too(root):
    write_audit(root / "audit", "fedavg", 3.12, privacy=NOT_PRIVATE, accounted=None)
    board = Board(root)
    assert board.cell("fedavg") == ">= 3.12 (95 %, 200 canaries)"
    assert board.rows["fedavg"].audited_problems is None


def test_another_task_is_not_this_one(root):
    write_audit(root / "audit", "m", task="another")
    assert Board(root).cell("m") == "–"  # noqa: RUF001


def test_what_the_accounted_epsilon_does_not_cover_is_noted_at_it(tmp_path):
    for seed, choices in enumerate((["stopping early by val_dice"], ["weights that started from real data"])):
        accounted = {"epsilon": 8.0, "delta": 1e-4, "reason": None, "not_covered": choices}
        write_run(tmp_path / str(seed), "m", DICE, seed=seed, privacy=by_target(accounted=accounted))
    board = Board(tmp_path)
    both = "stopping early by val_dice; weights that started from real data"
    assert board.cell("m", "Epsilon accounted") == "8 (delta 0.0001) [1]"
    assert f"[1] Not covered by the accounted epsilon: {both}." in board.markdown
    assert (
        "the largest over clients and seeds; what all training examples of one person together get is not known"
        in board.page
    )
    assert f"is not known. Not covered: {both}" in board.page
    assert "at delta 0.0001 (not covered: stopping early by val_dice), audited" in summarize_run(
        RunDirectory(tmp_path / "0")
    )


def test_an_epsilon_that_is_claimed_is_marked_in_its_cell(tmp_path):
    claim = "what is claimed by the author of Double (noise of twice the scale)"
    accounted = {"epsilon": 8.0, "delta": 1e-4, "reason": None, "not_covered": [claim]}
    write_run(tmp_path / "0", "m", DICE, privacy=by_target(accounted=accounted))
    board = Board(tmp_path)
    assert board.cell("m", "Epsilon accounted") == "8 (delta 0.0001), claimed [1]"
    assert f"[1] Not covered by the accounted epsilon: {claim}." in board.markdown


def test_older_records_are_read_and_compared_by_what_they_state(tmp_path):
    write_run(tmp_path / "old", "dp_fl", DICE, privacy=private())
    assert Board(tmp_path).cell("dp_fl") == "–"  # noqa: RUF001
    newer = {**private(), "clipping_norm": "l2", "sampling": "shuffle", "units_per_step": 8, "target_epsilon": None}
    write_audit(tmp_path / "audit", "dp_fl", privacy=newer)
    assert Board(tmp_path).cell("dp_fl") == BOUND
    edit_record(tmp_path / "old", privacy={**private(), "noise_multiplier": 0.5})
    assert Board(tmp_path).cell("dp_fl") == "–"  # noqa: RUF001


def test_bounds_are_never_rounded_up():
    assert bound_text(0.29, 0.95, 100) == ">= 0.29 (95 %, 100 canaries)"
    assert bound_text(1.5299, 0.999, 7) == ">= 1.52 (99.9 %, 7 canaries)"
    assert bound_text(0, 0.9, 7) == ">= 0.00 (90 %, 7 canaries)"
