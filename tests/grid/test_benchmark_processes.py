"""Runs of a grid that several processes share: real ones, with the bits of one process."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.grid.checked_configuration import AskedProcesses
from adpfl_bench.grid.engine import LocalEngine
from adpfl_bench.grid.plan import GridRun
from adpfl_bench.grid.submitit_engine import SubmititEngine
from tests.grid.conftest import TOP
from tests.grid.fakes import planned
from tests.grid.shared_grid import benchmark_of_real_runs
from tests.processes import Command

RUN = Path("runs/isic/adp_fl/seed0")


def with_processes(run: GridRun, *asked: Any) -> GridRun:
    return GridRun(**{**vars(run), "asked": AskedProcesses(*asked)})


@pytest.fixture
def start(tmp_path: Path, phantoms: Path, write_grid: Callable[..., str]) -> Callable[..., Command]:
    def begin(output: str, *options: str, **overrides: Any) -> Command:
        settings = {"data.phantom_directory": str(phantoms), "trainer.accelerator": "cpu", **overrides}
        shape = {"methods": ["callbacks/adp_fl.yaml"], "configs": ["configs/smoke.yaml"], "overrides": settings}
        words = ["benchmark", "--config", write_grid(**shape), "--output", output, *options]
        command = Command(tmp_path, words, {"PYTHONPATH": str(TOP)}, benchmark_of_real_runs)
        command.wait_for(lambda: (tmp_path / output).exists() or command.status is not None)
        return command

    return begin


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("phantoms")


def record_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def test_two_processes_a_run_leave_what_one_leaves(tmp_path: Path, start: Callable[..., Command]) -> None:
    one = start("one", **{"trainer.devices": 1})
    assert one.wait() == 0, one.printed
    two = start("two", **{"trainer.devices": 2})
    jobs = start("jobs", "--engine", "submitit-local", **{"trainer.devices": 2})
    assert two.wait() == 0, two.printed
    assert jobs.wait() == 0, jobs.printed + "".join(p.read_text() for p in (tmp_path / "jobs").rglob("*.err"))
    single = tmp_path / "one" / RUN
    for name in ("two", "jobs"):
        shared = tmp_path / name / RUN
        for table in ("rounds.csv", "cases.csv", "partition.csv", "examples.npz"):
            assert (shared / table).read_bytes() == (single / table).read_bytes(), (name, table)
        assert record_of(shared)["digests"]["chain"] == record_of(single)["digests"]["chain"], name
        assert [block["number"] for block in record_of(shared)["processes"]] == [2]
        (attempt,) = json.loads((tmp_path / name / "state/isic/adp_fl/seed0.json").read_text())
        assert attempt["outcome"] == "finished"  # one attempt, of which the first process keeps the books
        log = (tmp_path / name / "logs/isic/adp_fl/seed0.log").read_text()
        assert log.count("round 2/2") == 1
    assert [block["number"] for block in record_of(single)["processes"]] == [1]
    again = start("two", **{"trainer.devices": 2})  # finished runs are skipped, whoever made them
    assert again.wait() == 0, again.printed
    assert len(json.loads((tmp_path / "two/state/isic/adp_fl/seed0.json").read_text())) == 1


def test_a_killed_process_of_a_run_is_made_good_by_a_second_attempt(
    tmp_path: Path, start: Callable[..., Command]
) -> None:
    command = start("killed", **{"trainer.devices": 2, "federated.rounds": 40})
    rounds = tmp_path / "killed" / RUN / "rounds.csv"
    command.wait_for(lambda: rounds.exists() and rounds.stat().st_size > 200)
    (attempt,) = json.loads((tmp_path / "killed/state/isic/adp_fl/seed0.json").read_text())
    (second,) = command.children() - {attempt["process"]}
    os.kill(second, signal.SIGKILL)
    assert command.wait() == 0, command.printed
    attempts = json.loads((tmp_path / "killed/state/isic/adp_fl/seed0.json").read_text())
    assert [attempt["outcome"] for attempt in attempts] == ["out of memory", "finished"]
    assert "it left no word and was killed" in attempts[0]["error"]
    assert record_of(tmp_path / "killed" / RUN)["status"] == "finished"


def test_what_a_run_asks_for_is_in_its_processes_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adpfl_bench.grid.engine.count_processors", lambda: 12)
    monkeypatch.setattr("adpfl_bench.running.process_choice.memory_gib", lambda: 64.0)
    run = planned(tmp_path, more=["--trainer.accelerator=cpu", "--trainer.devices=2"])
    first, second = LocalEngine(2, environment={}).environments(with_processes(run, 2), 1)
    assert (first["RANK"], second["RANK"]) == ("0", "1")
    assert first | {"RANK": ""} == second | {"RANK": ""}
    # Two runs of two processes of three threads on twelve processors.
    assert (first["WORLD_SIZE"], first["ADPFL_PROCESSORS"], first["OMP_NUM_THREADS"]) == ("2", "6", "3")
    (alone,) = LocalEngine(2, environment={"OMP_NUM_THREADS": "5"}).environments(
        planned(tmp_path, more=["--trainer.accelerator=cpu", "--trainer.devices=1"]), 0
    )
    assert (alone["OMP_NUM_THREADS"], "RANK" in alone) == ("5", False)
    left = LocalEngine(4, environment={}).environments(planned(tmp_path, more=["--trainer.accelerator=cpu"]), 0)
    assert [(env["RANK"], env["OMP_NUM_THREADS"]) for env in left] == [("0", "1"), ("1", "1"), ("2", "1")]


def test_each_run_has_gpus_of_its_own(tmp_path: Path) -> None:
    run = with_processes(planned(tmp_path), 2, 1, True)
    engine = LocalEngine(2, ["a", "b", "c", "d"], environment={})
    seen = [[env["CUDA_VISIBLE_DEVICES"] for env in engine.environments(run, slot)] for slot in (0, 1)]
    assert seen == [["a,b", "a,b"], ["c,d", "c,d"]]
    assert {env["CUDA_VISIBLE_DEVICES"] for env in LocalEngine(1, ["a"], environment={}).environments(run, 0)} == {"a"}


def test_one_machine_is_not_several(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"trainer\.num_nodes is 3, but --engine local has one machine"):
        LocalEngine(1).start(with_processes(planned(tmp_path), 1, 3), 0)


@pytest.mark.parametrize(
    ("trainer", "asked"),
    [
        ({}, AskedProcesses(1, 1, False)),
        ({"devices": "auto", "accelerator": "cpu"}, AskedProcesses(1, 1, False)),
        ({"devices": -1, "accelerator": "gpu"}, AskedProcesses(1, 1, True)),
        ({"devices": 2, "num_nodes": 3, "accelerator": "gpu"}, AskedProcesses(2, 3, True)),
        ({"devices": "0,3", "accelerator": "cuda"}, AskedProcesses(2, 1, True)),
        ({"devices": [1, 2, 3]}, AskedProcesses(3, 1, False)),
    ],
)
def test_processes_are_read_from_the_trainer_s_block(trainer: dict[str, Any], asked: AskedProcesses) -> None:
    assert AskedProcesses.of(trainer) == asked


class Asked:
    """An executor that notes what jobs ask for."""

    def __init__(self) -> None:
        self.parameters: list[dict[str, Any]] = []

    def update_parameters(self, **parameters: Any) -> None:
        if parameters.get("nodes", 1) > 2:
            raise ValueError("there are two nodes")
        del parameters["name"]
        self.parameters.append(parameters)

    def submit(self, job: object) -> object:
        return object()


def test_jobs_ask_for_a_task_and_a_gpu_for_each_process(tmp_path: Path) -> None:
    executor, run = Asked(), planned(tmp_path)
    engine = SubmititEngine(executor, 1)
    for asked in ((1, 1, False), (4, 2, True), (2, 1, False)):
        engine.start(with_processes(run, *asked), 0)
    assert executor.parameters == [
        {},
        {"nodes": 2, "tasks_per_node": 4, "gpus_per_node": 4},
        {"nodes": 1, "tasks_per_node": 2},
    ]
    with pytest.raises(BenchError, match="the cluster has no 3 machines of 1 processes: there are two nodes"):
        engine.start(with_processes(run, 1, 3), 0)
