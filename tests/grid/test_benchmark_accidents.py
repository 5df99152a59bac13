"""A grid of real runs that meets every accident, against the same grid without any."""

import csv
import json
import os
import re
import signal
from pathlib import Path

import pytest
import yaml

from adpfl_bench.cli import main
from adpfl_bench.grid.grid import read_grid
from adpfl_bench.grid.plan import GridRun, make_plan
from adpfl_bench.grid.run_state import TrackedRun, inspect_run
from adpfl_bench.grid.scheduler import Scheduler
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.report.commands import leaderboard
from tests.grid.conftest import ended, wait_until
from tests.grid.fakes import InProcessEngine
from tests.grid.forked_workers import fork_workers
from tests.grid.test_benchmark_scheduler import Changes
from tests.processes import Command

ROUNDS, LAST = 3, "isic/fedprox+dp_fl/seed1"
GRID = {
    "tasks": ["tasks/isic.yaml"],
    "methods": [
        "callbacks/fedavg.yaml",
        ["callbacks/fedprox.yaml", "callbacks/dp_fl.yaml"],
        {"name": "diverges", "files": "callbacks/fedavg.yaml", "overrides": {"model.optimizer.init_args.lr": 1e30}},
        {"name": "starves", "files": "callbacks/fedavg.yaml", "overrides": {"data.phantom_cases": 3}},
        {"name": "refused", "files": "callbacks/fedavg.yaml", "overrides": {"trainer.limit_train_batches": 1}},
    ],
    "seeds": [0, 1],
    "exclude": [{"method": ["diverges", "starves", "refused"], "seed": [1]}],
    "configs": ["configs/smoke.yaml"],
    "overrides": {"data.phantom_directory": "phantoms", "federated.rounds": ROUNDS, "trainer.accelerator": "cpu"},
}
FAILING = {
    "diverges": "diverged in round 1",
    "starves": "4 clients of at least 1 patient(s) need 4 patients",
    "refused": "limit_train_batches",
}


def plan(output: str) -> list[GridRun]:
    Path(f"{output}.yaml").write_text(yaml.safe_dump({**GRID, "output": output}, sort_keys=False))
    return make_plan(read_grid(f"{output}.yaml"))


def start(output: str, *options: str) -> Command:
    return Command(Path.cwd(), ["benchmark", "--config", f"{output}.yaml", *options], program=benchmark)


def benchmark(arguments: list[str]) -> int:
    """The command line, whose runs are forked from it; the last one alone has an interpreter started for it."""
    fork_workers(unless=lambda command: GridRun.from_json(command[-1]).name == LAST)
    return main(arguments)


def rounds(run: GridRun) -> list[int]:
    directory = RunDirectory(run.files.folder)
    if not directory.rounds_file.exists():
        return []
    return [row.round for row in directory.read_rounds() if (row.client, row.name) == ("all", "val_dice")]


def tables(results: Path) -> list[list[dict[str, str]]]:
    """The tables, without what depends on the machine's other work."""
    read = [list(csv.DictReader((results / name).open())) for name in ("leaderboard.csv", "clients.csv")]
    varying = {"wall_seconds", "peak_memory_mb", "peak_gpu_memory_mb"}
    return [[{name: row[name] for name in row.keys() - varying} for row in rows] for rows in read]


def test_grid_with_every_accident_ends_with_the_tables_of_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plain, runs = plan("plain"), plan("hard")
    assert len(runs) == 7
    assert runs[-1].name == LAST
    reference = [TrackedRun.of(run, inspect_run(run)) for run in plain]
    Scheduler(reference, InProcessEngine(fit=None), Changes(), pause=0.001).run()
    assert sorted(entry.run.method for entry in reference if entry.status == "failed") == sorted(FAILING)
    leaderboard([Path("plain/runs")], Path("plain/results"), overlays=False)

    # A run is killed between two rounds, then the benchmark between two rounds of another one.
    process = start("hard", "--jobs", "2")
    victim = next(run for run in runs if run.method == "fedprox+dp_fl")
    wait_until(lambda: rounds(victim), seconds=300)
    os.kill(victim.files.read_attempts()[-1].process, signal.SIGKILL)
    late = [run for run in runs if run.seed == 1]
    wait_until(lambda: any(rounds(run) for run in late), seconds=300)
    process.stop(signal.SIGKILL)
    printed = process.printed
    assert f"{victim.name} killed by SIGKILL" in printed
    before = {run.name: inspect_run(run).stage for run in runs}
    wait_until(lambda: not any(run.files.lock.taken for run in runs), seconds=30)
    stages = {run.name: inspect_run(run).stage for run in runs}
    broken_off = [name for name, stage in stages.items() if stage == "resumable"]
    assert broken_off, (before, printed)
    assert inspect_run(victim).stage == "finished"
    # One is left as it is after its last round and before its scores.
    trained = next(run for run in runs if run.method == "fedavg" and run.seed == 0)
    directory = RunDirectory(trained.files.folder)
    directory.write_record(directory.read_record().model_copy(update={"status": "trained"}))
    directory.cases_file.unlink()
    finished = [run for run in runs if inspect_run(run).stage == "finished"]
    records = {run.name: (run.files.folder / "run.json").read_bytes() for run in finished}
    tried = {run.name: len(run.files.read_attempts()) for run in runs}

    status, output = ended(start("hard", "--jobs", "2"))
    assert status == 1, output
    assert "7 runs: 4 finished, 3 failed." in output
    for method, reason in FAILING.items():
        run = next(run for run in runs if run.method == method)
        state = inspect_run(run)
        assert state.stage == "failed"
        assert reason in state.reason
        assert f"{run.name} failed: {state.reason.splitlines()[0]}" in output
    # Nothing that was finished or had failed was started again, and no round was made twice.
    for run in runs:
        starts = len(run.files.read_attempts())
        again = run is trained or run.name in broken_off or tried[run.name] == 0
        assert starts == tried[run.name] + again, run.name
        # One killed between its header in the log and the note of its attempt has its number given once more.
        headers = re.findall(r"--- attempt (\d+), ", run.files.log.read_text())
        assert {int(number) for number in headers} == set(range(1, starts + 1)), run.name
        if run.method not in FAILING:
            assert rounds(run) == list(range(1, ROUNDS + 1)), run.name
    assert records == {run.name: (run.files.folder / "run.json").read_bytes() for run in finished}
    assert len(victim.files.read_attempts()) == 2
    assert sum(len(run.files.read_attempts()) for run in runs) == 7 + 1 + len(broken_off) + 1
    assert tables(Path("hard/results")) == tables(Path("plain/results"))
    assert json.loads((trained.files.folder / "run.json").read_text())["status"] == "finished"
