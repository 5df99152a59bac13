"""The command as a whole, with runs that train nothing as processes of their own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adpfl_bench.grid.run_files import Attempt, RunFiles
from adpfl_bench.records.run_directory import RunDirectory
from tests.grid.conftest import ended, wait_until
from tests.processes import Command, alive

WriteGrid = Callable[..., str]
Start = Callable[..., Command]
Run = Callable[..., tuple[int, str]]


def methods(**behaviours: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "files": "callbacks/fedavg.yaml", "overrides": {"model.behaviour": behaviour}}
        for name, behaviour in behaviours.items()
    ]


def attempts(method: str, seed: int = 0, output: str = "benchmark") -> list[Attempt]:
    return RunFiles(Path(output), f"isic/{method}/seed{seed}").read_attempts()


def outcomes(method: str, seed: int = 0) -> list[str | None]:
    return [attempt.outcome for attempt in attempts(method, seed)]


def rounds(method: str, seed: int = 0) -> list[int]:
    directory = RunDirectory(Path(f"benchmark/runs/isic/{method}/seed{seed}"))
    return [row.round for row in directory.read_rounds()] if directory.rounds_file.exists() else []


def test_everything_finishes_and_is_tabulated(write_grid: WriteGrid, start_fake: Start) -> None:
    write_grid(methods=methods(a="train", b="die once"), seeds=[0, 1])
    status, output = ended(start_fake())
    assert status == 0, output
    assert "4 runs: 4 finished." in output
    assert (
        "isic/b/seed0 killed by SIGKILL (for want of memory, perhaps) after round 1, goes on from its checkpoint"
        in output
    )
    assert "leaderboard of 4 runs in benchmark/results\nThe tables are in benchmark/results." in output
    assert [rounds("b", seed) for seed in (0, 1)] == [[1, 2, 3], [1, 2, 3]]
    assert outcomes("b") == [None, "finished"]
    status, output = ended(start_fake("--dry_run"))
    assert (status, output.count("finished")) == (0, 4)
    assert "0 of 4 runs to make" in output


def test_failures_are_listed_at_the_end_and_make_the_status(write_grid: WriteGrid, start_fake: Start) -> None:
    write_grid(methods=methods(a="raise", b="die always", c="refuse", d="train"))
    status, output = ended(start_fake())
    assert status == 1
    end = output[output.index("4 runs: ") :]
    assert "isic/a/seed0 failed: ValueError: one" in end
    assert '    raise ValueError("one")' in end
    killed = "killed by SIGKILL (for want of memory, perhaps)"
    assert f"isic/b/seed0 broken off: {killed} in its first round, for the second time" in end
    assert "isic/c/seed0 failed: The partition needs 4 clients." in end
    assert "leaderboard of 1 runs" in end
    assert [len(attempts(method)) for method in "abcd"] == [1, 2, 1, 1]
    status, _ = ended(start_fake())
    assert status == 1
    assert [len(attempts(method)) for method in "abcd"] == [1, 4, 1, 1]
    ended(start_fake("--retry_failed", "--only", "*/a,*/c"))
    assert [len(attempts(method)) for method in "abcd"] == [2, 4, 2, 1]


def test_dry_run_plans_and_starts_nothing(write_grid: WriteGrid, run_fake: Run, tmp_path: Path) -> None:
    write_grid(methods=methods(a="train", b="raise", c="train"), seeds=[0, 1])
    status, output = run_fake("--dry_run")
    assert status == 0
    assert "6 of 6 runs to make, 1 at a time; time: unknown." in output
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]
    run_fake("--only", "isic/*/0")
    before = sorted(path for path in tmp_path.rglob("*"))
    status, output = run_fake("--dry_run=true", "--jobs", "2")
    lines = [" ".join(line.split()) for line in output.splitlines()]
    assert "isic a 0 finished 3/3 –" in lines  # noqa: RUF001 - as tables are set
    assert "isic b 0 failed: ValueError: one 1/3 –" in lines  # noqa: RUF001
    assert "isic a 1 new 0/3 6 s" in lines
    assert lines[-1] == "3 of 6 runs to make, 2 at a time; time: about 9 s."
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert "4 of 6 runs to make" in run_fake("--dry_run", "--retry_failed")[1]


def test_two_at_a_time_overlap_and_one_at_a_time_do_not(write_grid: WriteGrid, start_fake: Start) -> None:
    write_grid(methods=methods(a="slow", b="slow"))

    def overlap(output: str) -> bool:
        first, second = (attempts(method, output=output)[0] for method in "ab")
        start, end = (datetime.fromisoformat(str(time)) for time in (second.started, first.ended))
        return start < end

    assert ended(start_fake("--jobs", "2", "--output", "together"))[0] == 0
    assert ended(start_fake("--output", "apart"))[0] == 0
    assert overlap("together")
    assert not overlap("apart")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_leaves_everything_to_be_continued(
    write_grid: WriteGrid, start_fake: Start, number: signal.Signals
) -> None:
    write_grid(methods=methods(a="train", b="slow", c="slow", d="train"), overrides={"federated.rounds": 20})
    process = start_fake("--jobs", "2")
    wait_until(lambda: rounds("b") and rounds("c"))
    process.send(number)
    status, output = ended(process)
    assert status == 128 + number
    assert f"stopped by {number.name}; 1 of 4 runs are finished, and the same command continues the others." in output
    assert "Traceback" not in output
    assert [outcomes(method) for method in "abcd"] == [["finished"], ["interrupted"], ["interrupted"], []]
    status, output = ended(start_fake("--jobs", "2"))
    assert status == 0, output
    assert "isic/b/seed0 running from round" in output
    assert [rounds(method) for method in "abcd"] == [list(range(1, 21))] * 4
    assert [len(attempts(method)) for method in "abcd"] == [1, 2, 2, 1]


def test_second_ctrl_c_kills_what_does_not_listen(write_grid: WriteGrid, start_fake: Start) -> None:
    write_grid(methods=methods(a="deaf"), overrides={"federated.rounds": 1000})
    process = start_fake()
    wait_until(lambda: rounds("a"))
    process.send(signal.SIGINT)
    time.sleep(1.0)
    assert process.status is None  # it waits for the run
    process.send(signal.SIGINT)
    assert ended(process)[0] == 130
    assert outcomes("a") == [None]
    assert not alive(attempts("a")[0].process)


def test_ctrl_c_while_planning(write_grid: WriteGrid, start_fake: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    write_grid()
    monkeypatch.setattr("adpfl_bench.grid.benchmark.make_plan", lambda *_: signal.raise_signal(signal.SIGINT))
    from adpfl_bench.cli import main

    assert main(["benchmark", "--config", "grid.yaml"]) == 130


def test_killed_benchmark_takes_its_runs_along_and_is_continued(write_grid: WriteGrid, start_fake: Start) -> None:
    write_grid(methods=methods(a="slow", b="slow", c="train"), overrides={"federated.rounds": 20})
    process = start_fake("--jobs", "2")
    wait_until(lambda: rounds("a") and rounds("b"))
    process.stop(signal.SIGKILL)
    runs = [attempts(method)[0].process for method in "ab"]
    if sys.platform == "linux":
        wait_until(lambda: not any(alive(run) for run in runs), seconds=10)
    status, output = ended(start_fake("--jobs", "2"))
    assert status == 0, output
    assert [rounds(method) for method in "abc"] == [list(range(1, 21))] * 3
    assert [outcomes(method) for method in "abc"] == [[None, "finished"]] * 2 + [["finished"]]


def test_two_benchmarks_on_one_folder_share_the_work(write_grid: WriteGrid, start_fake: Start) -> None:
    write_grid(methods=methods(a="slow", b="slow", c="slow", d="raise"), seeds=[0, 1])
    both = [start_fake("--jobs", "2") for _ in range(2)]
    results = [ended(process) for process in both]
    assert [status for status, _ in results] == [1, 1]  # d fails
    for _, output in results:
        assert "8 runs: 6 finished, 2 failed." in output
    for method in "abcd":
        for seed in (0, 1):
            assert len(attempts(method, seed)) == 1, (method, seed)
    assert [rounds(method) for method in "abc"] == [[1, 2, 3]] * 3


def test_folder_of_another_grid_is_refused_before_anything_starts(write_grid: WriteGrid, run_fake: Run) -> None:
    write_grid()
    assert run_fake()[0] == 0
    before = Path("benchmark/runs/isic/fedavg/seed0/run.json").read_bytes()
    write_grid(overrides={"federated.rounds": 5}, seeds=[0, 1])
    for option in ("--dry_run", "--retry_failed"):
        status, output = run_fake(option)
        assert status == 1
        assert "adpfl-bench: Nothing was started, since a run would be overwritten" in output
        assert "federated.rounds is 3 (there), 5 (in the grid)" in output
    assert Path("benchmark/runs/isic/fedavg/seed0/run.json").read_bytes() == before
    assert attempts("fedavg", 1) == []
    assert run_fake("--only", "isic/fedavg/1")[0] == 0


def test_failed_run_is_tried_again_with_mended_settings(write_grid: WriteGrid, run_fake: Run) -> None:
    write_grid(methods=methods(a="raise"))
    assert run_fake()[0] == 1
    write_grid(methods=methods(a="train"))
    status, output = run_fake()
    assert status == 1
    assert "its settings have changed since: model.behaviour" in output
    assert run_fake("--retry_failed")[0] == 0
    assert (rounds("a"), outcomes("a")) == ([1, 2, 3], ["failed", "finished"])
    assert json.loads(Path("benchmark/replaced/isic/a/seed0-1/run.json").read_text())["status"] == "failed"


def test_without_a_finished_run_there_are_no_tables(write_grid: WriteGrid, run_fake: Run) -> None:
    write_grid(methods=methods(a="raise"))
    status, output = run_fake()
    assert (status, "leaderboard" in output) == (1, False)


def test_tables_that_cannot_be_made_do_not_hide_how_the_runs_went(write_grid: WriteGrid, run_fake: Run) -> None:
    write_grid(methods=methods(tables="train"))
    status, output = run_fake()
    assert status == 1
    assert "1 run: 1 finished." in output
    assert "the runs are there, but no tables: no table today." in output


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--jobs", "0"], "--jobs must be at least 1, but it is 0."),
        (["--only", "brats"], "--only has brats/*/*, which fits no run"),
        (["--only", "isic/a/b"], "--only takes patterns like"),
    ],
)
def test_wrong_options(write_grid: WriteGrid, run_fake: Run, options: list[str], sentence: str) -> None:
    write_grid()
    status, output = run_fake(*options)
    assert status == 1
    assert sentence in output


def test_typo_in_the_last_method_is_said_before_the_first_starts(
    write_grid: WriteGrid, run_fake: Run, tmp_path: Path
) -> None:
    write_grid(methods=methods(a="train", b="typo"))
    status, output = run_fake()
    assert status == 1
    assert "isic with b: There is no setting typo." in output
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]


def test_help_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from adpfl_bench.cli import main\n"
        "try: main(['benchmark', '--help'])\nexcept SystemExit as stop: assert not stop.code\n"
        "assert not {'torch', 'lightning', 'monai', 'matplotlib', 'pandas', 'submitit'} & sys.modules.keys()"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "--retry_failed" in result.stdout
