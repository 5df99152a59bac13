"""The command verify-run: what it says, how it ends, and that it needs neither torch nor the data."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.metrics.registry import UNSTATED
from adpfl_bench.records.score_columns import ScoreColumns
from adpfl_bench.records.verification.finding import CHECKS
from adpfl_bench.running.rescoring import compare_scores
from tests.cli.conftest import Run
from tests.leaderboard.records import case_row
from tests.records.sealed_runs import reseal, write_sealed_run
from tests.records.tampering import record, several, table


def test_one_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_sealed_run(tmp_path / "run")
    assert main(["verify-run", str(folder)]) == 0
    assert capsys.readouterr().out == f"{folder}: verified\n"
    record(privacy__accounted__epsilon=0.1)(folder)
    assert main(["verify-run", str(folder)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{folder}: epsilon: epsilon is 0.1, but the largest of the clients' is 4.")
    assert line.endswith("; record: privacy of run.json is not what was recorded")


def test_many_runs_are_a_table_with_what_is_wrong_below(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in (0, 1):
        write_sealed_run(tmp_path / f"seed{seed}", seed=seed)
    bad, unreadable = write_sealed_run(tmp_path / "bad", "other"), tmp_path / "unreadable"
    table("cases.csv", lambda lines: [{**lines[0], "dice": "1.7"}, *lines[1:]])(bad)
    unreadable.mkdir()
    (unreadable / "run.json").write_text("{")
    assert main(["verify-run", str(tmp_path)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "4 runs" in out
    assert out.count("finished, 3/3 verified") == 2
    assert "finished, 3/3 fails: scores, cases" in out
    assert f"{bad}: scores: dice of lesion of east-test-0 is 1.7" in out
    assert f"{unreadable}: record: {unreadable}/run.json cannot be read as JSON" in out


def test_a_copy_is_named_with_what_it_is_a_copy_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write_sealed_run(tmp_path / "one"), write_sealed_run(tmp_path / "other")
    seeds = {"seed": 5, "config__seed_everything": 5, "config__federated__seed": 5, "federated__seed": 5}
    record(**seeds)(other)
    reseal(other)
    assert main(["verify-run", str(tmp_path)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert f"{one}: copy: it has the run id of {other}, which has the seed 5" in out
    assert f"{other}: copy: it has the run id of {one}, which has the seed 0" in out
    record(run="another")(other)
    (other / "privacy_ledger.json").unlink()
    reseal(other)
    assert main(["verify-run", str(tmp_path)]) == 1
    assert "copy: it has the last weights of" in capsys.readouterr().out


def test_help_names_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify-run", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in CHECKS)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["missing"], "missing does not exist"),
        ([".", "--tolerance", "1"], "--tolerance is a share, from 0 on and below 1, but it is 1.0."),
        ([".", "--scores"], "Unrecognized arguments: --scores"),
        (["."], "There is no run.json in or below"),
    ],
)
def test_what_is_wrong_with_the_command_is_a_sentence(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert main(["verify-run", *words]) == 1
    assert sentence in capsys.readouterr().err


def test_it_needs_no_torch(tmp_path: Path) -> None:
    folder = write_sealed_run(tmp_path / "run")
    program = (
        "import sys; from adpfl_bench.cli import main\n"
        "assert main() == 0\n"
        "assert not {'torch', 'lightning', 'monai', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    command = [sys.executable, "-c", program, "verify-run", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{folder}: verified\n"), done.stderr


def test_the_scores_of_a_run_are_scored_again(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("fit", method="dp_fl_record") == 0
    folder = Path("runs/isic/dp_fl_record/seed0")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["verify-run", str(folder), "--score"]) == 0
    assert capsys.readouterr().out == f"{folder}: verified\n"
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    higher = {"dice": "0.99", "iou": repr(0.99 / 1.01)}
    several(table("cases.csv", lambda lines: [{**lines[0], **higher}, *lines[1:]]), record(model__parameters=9))(folder)
    reseal(folder, rounds=False)
    assert main(["verify-run", str(folder)]) == 0  # who computes all digests again leaves no trace but in the data
    capsys.readouterr()
    assert main(["verify-run", str(folder), "--data.root", "phantom"]) == 1
    out = capsys.readouterr().out
    assert "but run.json states 9" in out
    assert "scored again: dice of lesion of " in out
    assert " is 0.99 in cases.csv, and 0." in out
    assert main(["verify-run", str(folder), "--data.root", "nowhere"]) == 1
    assert "scored again: it cannot be: " in capsys.readouterr().out


def test_scores_are_compared_case_by_case() -> None:
    rows = [case_row("a1", 0.5), case_row("b", 0.6), case_row("c", 0.7, hd95=200.0)]

    def compared(*changed: object, tolerance: float = 1e-3) -> list[str]:
        found = compare_scores(ScoreColumns.of(rows), ScoreColumns.of(changed), tolerance, UNSTATED)
        return [finding.text for finding in found]

    assert compared(*rows[::-1]) == []
    assert compared(*rows[:2]) == ["lesion of c (test, model global) is not scored now"]
    assert compared(*rows, case_row("d", 0.1)) == ["lesion of d (test, model global) is not scored in cases.csv"]
    near = [*rows[:2], case_row("c", 0.7005, nsd=0.175, hd95=200.1)]
    assert compared(*near) == []
    assert len(compared(*near, tolerance=1e-6)) == 3
    assert compared(rows[0], case_row("b", 0.6, hd95=None), rows[2]) == [
        "hd95 of lesion of b is 4 in cases.csv, and nan now (1 of 3 scores differ)"
    ]


def test_what_depends_on_the_unit_of_distances_is_not_compared_where_an_older_record_has_another(capsys) -> None:
    before = ScoreColumns.of([case_row("a1", 0.5), case_row("b", 0.6)])
    for dice, expected in ((0.6, 0), (0.7, 1)):
        now = [case_row("a1", 0.5, hd95=1.4, nsd=0.3), case_row("b", dice, iou=0.6 / 1.4, hd95=1.1, nsd=0.4)]
        now = ScoreColumns.of([replace(row, distance_unit="% of diagonal") for row in now])
        assert len(list(compare_scores(before, now, 1e-3, UNSTATED))) == expected
        said = "HD95 and NSD cannot be compared: distances are in px there, and in % of diagonal now.\n"
        assert capsys.readouterr().out == said
