"""Runs that train nothing: what they do is stated as the setting ``model.behaviour``."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import adpfl_bench.cli.benchmark as command
from adpfl_bench.benchmark import worker
from adpfl_bench.benchmark.configuration import Configuration, method_name, source_digests
from adpfl_bench.benchmark.engine import Ended, Engine, Job, LocalEngine
from adpfl_bench.benchmark.plan import PlannedRun, make_plan
from adpfl_bench.benchmark.work import Fit, Work, exit_status
from adpfl_bench.cli import main
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.results.run_directory import RoundRow, RunDirectory
from adpfl_bench.results.settings import flatten_settings

ROUNDS = 3
FAKE_WORKER = (sys.executable, "-m", "tests.benchmark.fakes")


def configuration(words: Sequence[str]) -> dict[str, Any]:
    """The configuration of a fake run: the settings given on the command line."""
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    return {
        "model": {"behaviour": options.get("model.behaviour", "train")},
        "federated": {"rounds": int(options.get("federated.rounds", ROUNDS))},
    }


def check(words: Sequence[str]) -> Configuration:
    """In the place of the real check."""
    config = configuration(words)
    if config["model"]["behaviour"] == "typo":
        raise ConfigError("There is no setting typo.")
    task = "isic" if "tasks/isic.yaml" in words else "brats"
    return Configuration(task, method_name(words), config["federated"]["rounds"], flatten_settings(config))


def planned(
    output: Path,
    behaviour: str = "train",
    task: str = "isic",
    method: str = "fedavg",
    seed: int = 0,
    rounds: int = ROUNDS,
) -> PlannedRun:
    """A planned fake run."""
    words = (f"--model.behaviour={behaviour}", f"--federated.rounds={rounds}")
    run = PlannedRun(
        task, method, seed, rounds, words, flatten_settings(configuration(words)), source_digests(words), output
    )
    return PlannedRun(**{**vars(run), "words": (*words, f"--trainer.default_root_dir={run.files.folder}")})


def fit(words: list[str]) -> None:
    """Make the records of a run, from the last round on."""
    options = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    directory, config = RunDirectory(Path(options["trainer.default_root_dir"])), configuration(words)
    behaviour, rounds = config["model"]["behaviour"], config["federated"]["rounds"]
    done = len(directory.read_rounds()) if directory.rounds_file.exists() else 0

    def save(status: str, **more: Any) -> None:
        record = {"status": status, "rounds_completed": done, "wall_seconds": 2.0 * done, "config": config, **more}
        directory.write_record(record)

    if behaviour == "refuse":
        raise ConfigError("The partition needs 4 clients.")
    save("running")
    while done < rounds:
        if behaviour in ("slow", "deaf"):
            time.sleep(0.25)
        if behaviour == "raise" and done == 1:
            save("failed", error="ValueError: one")
            raise ValueError("one")
        if behaviour == "die always" or (behaviour == "die once" and done == 1 and _first_time(directory.path)):
            os.kill(os.getpid(), signal.SIGKILL)
        directory.append_rounds([RoundRow(done + 1, "all", "val_dice", 0.5 + 0.1 * done)])
        done += 1
        save("running")
    save("trained")
    if behaviour != "unscored":
        save("finished")


def _first_time(folder: Path) -> bool:
    mark = folder / "died"
    first = not mark.exists()
    mark.touch()
    return first


class InProcessEngine(Engine):
    """Runs one after the other in this process."""

    def __init__(self, fit: Fit | None = fit, slots: int = 1) -> None:
        self.fit, self.slots, self.started = fit, slots, []

    def start(self, work: Work, slot: int) -> Job:
        self.started.append(work.name)
        return EndedJob(Ended(exit_status(work, self.fit), "ended"))


class EndedJob(Job):
    """A job that has ended already."""

    def __init__(self, ended: Ended) -> None:
        self.ended = ended

    def poll(self) -> Ended:
        return self.ended

    def interrupt(self) -> None:
        raise AssertionError("it has ended")

    kill = interrupt


def fake_command(arguments: list[str]) -> int:
    """The command line with fake runs, as processes of their own."""

    def leaderboard(runs: list[Path], output: Path) -> None:
        finished = [path for path in runs[0].rglob("run.json") if json.loads(path.read_text())["status"] == "finished"]
        if any("tables" in str(path) for path in finished):
            raise BenchError("no table today.")
        print(f"leaderboard of {len(finished)} runs in {output}")

    command.make_plan = partial(make_plan, check=check)
    command.LocalEngine = partial(LocalEngine, worker=FAKE_WORKER)
    command.visible_gpus = list
    command.leaderboard = leaderboard
    return main(arguments)


if __name__ == "__main__":
    if sys.argv[1] == "benchmark":
        sys.exit(fake_command(sys.argv[1:]))
    sys.exit(worker.main(sys.argv[1:], fit))
