"""The command as a whole."""

import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from adpfl_bench.cli import main
from adpfl_bench.errors import RecordError
from adpfl_bench.files import replace_file_by
from adpfl_bench.report.commands import leaderboard
from tests.leaderboard.records import toy_runs, write_examples, write_rounds, write_run

FILES = {
    *(f"leaderboard.{ending}" for ending in ("md", "csv", "tex")),
    *("comparisons.csv", "ranking.csv", "thresholds.csv", "clients.csv", "hospitals.csv", "report.html"),
}

PICTURES = ("patients", "privacy-1", "clients", "val-dice", "train-loss", "overlays")


@pytest.fixture
def runs(tmp_path):
    root = toy_runs(tmp_path / "runs")
    for folder in root.iterdir():
        write_rounds(folder)
        write_examples(folder, ["a1", "b"])
    return root


def written(output):
    return {path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file()}


def test_files_and_what_is_printed(runs, tmp_path, capsys):
    write_run(runs / "stopped", "fedavg", None, status="interrupted", seed=5)
    leaderboard([runs], tmp_path / "out")
    names = written(tmp_path / "out")
    (folder,) = {name.split("/")[0] for name in names - FILES}
    assert folder.startswith("toy-phantom-")
    assert names == FILES | {f"{folder}/{name}.png" for name in PICTURES}
    printed = capsys.readouterr()
    for name in names:
        assert str(tmp_path / "out" / name) in printed.out
    assert "71.67" in printed.out
    assert "[2] the threshold is raw" in printed.out
    assert f"left out: {runs / 'stopped'}: unfinished: interrupted" in printed.out
    assert printed.err == ""


def test_the_same_runs_give_the_same_bytes(runs, tmp_path):
    for name in ("one", "two"):
        leaderboard([runs], tmp_path / name)
    assert written(tmp_path / "one") == written(tmp_path / "two")
    for name in written(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_several_folders_are_one_leaderboard(runs, tmp_path):
    leaderboard([runs / "fedavg0", runs / "fedavg1", runs / "dp"], tmp_path / "out")
    lines = (tmp_path / "out" / "leaderboard.csv").read_text().splitlines()
    assert [line.split(",")[5] for line in lines] == ["method", "fedavg", "dp_fl"]


def test_real_cases_are_pointed_out_and_can_be_left_away(tmp_path, capsys):
    run = write_run(tmp_path / "run", "fedavg", {"b": 0.5}, kind="real")
    write_examples(run, ["b"])
    leaderboard([run], tmp_path / "with")
    assert "show patients' images" in capsys.readouterr().err
    leaderboard([run], tmp_path / "without", overlays=False)
    assert capsys.readouterr().err == ""
    assert {name.split("/")[-1] for name in written(tmp_path / "without")} == FILES | {"clients.png", "patients.png"}
    pictures = {name: (tmp_path / name / "report.html").read_text().count("data:image") for name in ("with", "without")}
    assert pictures == {"with": 2, "without": 0}  # all methods side by side, and the best case of the one


def test_a_full_disk_leaves_the_earlier_tables_whole(runs, tmp_path, monkeypatch):
    out = tmp_path / "out"
    leaderboard([runs], out)
    before = {name: (out / name).read_bytes() for name in written(out)}
    write_run(runs / "adp", "adp_fl", {"a1": 0.1, "a2": 0.1, "b": 0.1})

    def no_room(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(RecordError, match=r"leaderboard.md could not be written: No space left on device"):
        leaderboard([runs], out)
    assert {name: (out / name).read_bytes() for name in written(out)} == before


def test_what_a_killed_command_left_of_a_table_goes_with_the_next(runs, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    process = multiprocessing.get_context("fork").Process(
        target=killed_while_it_writes, args=(out / "leaderboard.csv",)
    )
    process.start()
    process.join()
    assert [path.name.startswith(".leaderboard.csv.") for path in out.iterdir()] == [True]
    leaderboard([runs], out, overlays=False)
    assert not list(out.glob(".*"))


def killed_while_it_writes(path):
    replace_file_by(path, lambda _: os.kill(os.getpid(), signal.SIGKILL))


def test_output_that_is_a_file_is_a_sentence(runs, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(RecordError, match="choose another --output"):
        leaderboard([runs], tmp_path / "out")


def test_tables_need_neither_torch_nor_matplotlib(tmp_path):
    write_run(tmp_path / "running", "fedavg", None, status="running")
    program = (
        "import sys\nfrom pathlib import Path\nfrom adpfl_bench.report.commands import leaderboard\n"
        "heavy = {'torch', 'lightning', 'monai', 'pandas', 'wandb'}\n"
        "assert not (heavy | {'matplotlib', 'jinja2'}) & set(sys.modules)\n"
        f"leaderboard([Path({str(tmp_path / 'running')!r})], Path({str(tmp_path / 'out')!r}))\n"
        "assert not (heavy | {'matplotlib'}) & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_command_line_takes_one_or_more_runs(runs, tmp_path, capsys):
    assert main(["leaderboard", str(runs), "--output", str(tmp_path / "all")]) == 0
    assert main(["leaderboard", str(runs / "dp"), str(runs / "adp"), "--output", str(tmp_path / "two")]) == 0
    rows = {name: len((tmp_path / name / "leaderboard.csv").read_text().splitlines()) - 1 for name in ("all", "two")}
    assert rows == {"all": 3, "two": 2}


def test_command_line_without_runs_is_a_sentence(tmp_path, capsys):
    assert main(["leaderboard", str(tmp_path)]) == 1
    assert "There is no run.json in or below" in capsys.readouterr().err
