"""The parts of a benchmark whose runs train nothing; see fake_worker."""

import json
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import adpfl_bench.grid.benchmark as command
from adpfl_bench.cli import main
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.grid.checked_configuration import Configuration
from adpfl_bench.grid.engine import Ended, Engine, Job, LocalEngine
from adpfl_bench.grid.plan import GridRun, make_plan, method_name, source_digests
from adpfl_bench.grid.submitit_engine import RunJob, _stops
from adpfl_bench.grid.work import Fit, exit_status, perform
from adpfl_bench.records.settings import flatten_config
from tests.grid.fake_worker import ROUNDS, configuration, fit
from tests.grid.forked_workers import fork_workers

FAKE_WORKER = (sys.executable, "-m", "tests.grid.fake_worker")


def check(words: Sequence[str]) -> Configuration:
    """In the place of the real check."""
    config = configuration(words)
    if config["model"]["behaviour"] == "typo":
        raise ConfigError("There is no setting typo.")
    task = next(Path(word).stem for word in words if word.startswith("tasks/"))
    return Configuration(task, method_name(words), config["federated"]["rounds"], flatten_config(config))


def planned(
    output: Path,
    behaviour: str = "train",
    task: str = "isic",
    method: str = "fedavg",
    seed: int = 0,
    rounds: int = ROUNDS,
    more: Sequence[str] = (),
) -> GridRun:
    """A planned fake run."""
    words = (f"--model.behaviour={behaviour}", f"--federated.rounds={rounds}", *more)
    run = GridRun(
        task, method, seed, rounds, words, flatten_config(configuration(words)), source_digests(words), output
    )
    return GridRun(**{**vars(run), "words": (*words, f"--trainer.default_root_dir={run.files.folder}")})


class FakeRunJob(RunJob):
    """Makes a run that trains nothing."""

    def make(self) -> int:
        print("in a job")
        os.system("echo in a process of the job")
        return perform(self.run, fit, _stops())


class BrokenRunJob(RunJob):
    """Breaks down."""

    def make(self) -> int:
        raise OSError("no such folder")


class InProcessEngine(Engine):
    """Runs one after the other in this process."""

    def __init__(self, fit: Fit | None = fit, slots: int = 1) -> None:
        self.fit, self.slots, self.started = fit, slots, []

    def start(self, run: GridRun, slot: int) -> Job:
        self.started.append(run.name)
        return EndedJob(Ended(exit_status(run, self.fit), "ended"))


class EndedJob(Job):
    """A job that has ended already."""

    def __init__(self, ended: Ended) -> None:
        self.ended = ended

    def poll(self) -> Ended:
        return self.ended

    def interrupt(self) -> None:
        raise AssertionError("it has ended")

    kill = interrupt


def leaderboard(runs: list[Path], output: Path) -> None:
    """In the place of the real one; refuses a method called ``tables``."""
    finished = [path for path in runs[0].rglob("run.json") if json.loads(path.read_text())["status"] == "finished"]
    if any("tables" in str(path) for path in finished):
        raise BenchError("no table today.")
    print(f"leaderboard of {len(finished)} runs in {output}")


FAKES: dict[str, Any] = {
    "make_plan": partial(make_plan, check=check),
    "LocalEngine": partial(LocalEngine, worker=FAKE_WORKER),
    "visible_gpus": list,
    "leaderboard": leaderboard,
}
"""What the command uses, in place of its own."""


def benchmark_of_fakes(arguments: list[str]) -> int:
    """The command line with fake runs, in a process of its own, from which they are forked."""
    for name, fake in FAKES.items():
        setattr(command, name, fake)
    fork_workers()
    return main(arguments)
