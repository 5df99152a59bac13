"""configs/sweep.yaml drives adpfl-bench, without an account: wandb's own agent makes the command lines of its runs."""

import itertools
import json
import os
from pathlib import Path

import pytest
import wandb
import yaml
from wandb.wandb_agent import Agent

from adpfl_bench.cli import main
from adpfl_bench.config.config_files import find_config
from tests.cli.offline_runs import OfflineRun, without_account
from tests.processes import Command

NOTE = """#!/bin/sh
printf '%s\\0' "$@" > "$WANDB_DIR/$WANDB_RUN_ID.words"
env -0 > "$WANDB_DIR/$WANDB_RUN_ID.environment"
"""
SWEEP = yaml.safe_load(find_config("configs/sweep.yaml").read_text())


@pytest.fixture
def folder(empty_folder: Path, phantom_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the smoke cohort as configs/phantom.yaml, and an adpfl-bench that notes its words."""
    without_account(monkeypatch)
    smoke = yaml.safe_load(find_config("configs/smoke.yaml").read_text())
    smoke["data"]["init_args"]["phantom_directory"] = str(phantom_folder)
    (empty_folder / "configs").mkdir()
    (empty_folder / "configs" / "phantom.yaml").write_text(yaml.safe_dump(smoke))
    program = empty_folder / "bin" / "adpfl-bench"
    program.parent.mkdir()
    program.write_text(NOTE)
    program.chmod(0o755)
    settings = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "WANDB_MODE": "offline",
        "WANDB_SWEEP_ID": "sweep1",  # these the agent sets for its runs, and leaves behind
        "WANDB_RUN_ID": "",
        "WANDB_SWEEP_PARAM_PATH": "",
        "WANDB_DIR": str(empty_folder),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return empty_folder


def noted(file: Path) -> list[str]:
    """Words that end with zeros."""
    return file.read_text().split("\0")[:-1]


def as_noted(folder: Path, run_id: str) -> Command:
    """The command line that the agent started, without an interpreter's start."""
    variables = dict(line.split("=", 1) for line in noted(folder / f"{run_id}.environment"))
    return Command(folder, noted(folder / f"{run_id}.words"), variables, program=to_the_end)


def to_the_end(arguments: list[str]) -> int:
    """The command line with what wandb does when an interpreter ends, which a forked process does not."""
    status = main(arguments)
    if wandb.run is not None:
        wandb.run.finish(status)  # waits until all is written, however busy the machine is
    wandb.teardown(status)
    return status


def points() -> list[dict[str, float]]:
    """The grid of the sweep."""
    assert SWEEP["method"] == "grid"
    names = list(SWEEP["parameters"])
    values = [SWEEP["parameters"][name]["values"] for name in names]
    return [dict(zip(names, point, strict=True)) for point in itertools.product(*values)]


def test_the_agent_trains_with_the_settings_of_each_point(folder: Path) -> None:
    first, *_, last = points()
    agent = Agent(api=None, queue=None)
    agent._sweep_command = SWEEP["command"]
    chosen = {"first": first, "last": last}
    for run_id, point in chosen.items():
        arguments = {name: {"value": value} for name, value in point.items()}
        agent._command_run({"run_id": run_id, "program": SWEEP["program"], "args": arguments})
    assert {name: process.wait() for name, process in agent._run_processes.items()} == {"first": 0, "last": 0}
    for command in [as_noted(folder, run_id) for run_id in chosen]:
        assert command.wait() == 0, command.printed
    for run_id, point in chosen.items():
        record = json.loads((folder / "runs" / "sweep" / run_id / "run.json").read_text())
        assert (record["method"], record["status"]) == ("adp_fl_quantile", "trained")
        assert record["privacy"]["target_epsilon"] == point["privacy.target_epsilon"]
        rate = record["config"]["federated"]["client_optimizer"]["init_args"]["lr"]
        assert rate == point["federated.client_optimizer.init_args.lr"]
        assert record["privacy"]["accounted"]["epsilon"] <= point["privacy.target_epsilon"]
        (path,) = (folder / "runs" / "sweep" / run_id / "wandb").glob("offline-run-*/*.wandb")
        logged = OfflineRun(path)
        assert (logged.run.run_id, logged.run.sweep_id) == (run_id, "sweep1")
        assert logged.run.display_name == run_id
        assert SWEEP["metric"]["name"] in logged.summary
        assert not [name for name in logged.summary if name.startswith("test/")]
        assert not (folder / "runs" / "sweep" / run_id / "cases.csv").exists()
    rates = [json.loads((folder / f"runs/sweep/{name}/run.json").read_text())["privacy"] for name in chosen]
    assert rates[0]["noise_multiplier"] > rates[1]["noise_multiplier"]


def test_the_sweep_is_judged_by_the_last_round_s_validation() -> None:
    assert SWEEP["metric"] == {"name": "val_dice", "goal": "maximize"}
    assert len(points()) == 8
