"""configs/sweep.yaml drives adpfl-bench, without an account: wandb's own agent starts its runs."""

import itertools
import json
import os
import sys
from pathlib import Path

import pytest
import yaml
from wandb.wandb_agent import Agent

from adpfl_bench.config.config_files import find_config
from tests.cli.offline_runs import OfflineRun, without_account

SWEEP = yaml.safe_load(find_config("configs/sweep.yaml").read_text())


@pytest.fixture
def folder(empty_folder: Path, phantom_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory whose configs/phantom.yaml is the smoke cohort, and where adpfl-bench is on the PATH."""
    without_account(monkeypatch)
    smoke = yaml.safe_load(find_config("configs/smoke.yaml").read_text())
    smoke["data"]["init_args"]["phantom_directory"] = str(phantom_folder)
    (empty_folder / "configs").mkdir()
    (empty_folder / "configs" / "phantom.yaml").write_text(yaml.safe_dump(smoke))
    program = empty_folder / "bin" / "adpfl-bench"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -c "import sys; from adpfl_bench.cli import main; sys.exit(main())" "$@"\n'
    )
    program.chmod(0o755)
    settings = {
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
        "WANDB_MODE": "offline",
        "WANDB_SWEEP_ID": "sweep1",  # these the agent sets for its runs, and leaves behind
        "WANDB_RUN_ID": "",
        "WANDB_SWEEP_PARAM_PATH": "",
        "WANDB_DIR": str(empty_folder),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return empty_folder


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
