"""Runs that are killed, interrupted and continued."""

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from adpfl_bench.callbacks.checkpointing import last_checkpoint
from adpfl_bench.records.run_directory import RunDirectory
from tests.callbacks.shared_runs import free_port
from tests.processes import Command, finish

ROUNDS = 6


def fit(
    folder: Path, phantom_folder: Path, run: Path, *more: str, variables: Mapping[str, str] | None = None
) -> Command:
    configs = ["tasks/ham10000.yaml", "callbacks/adp_fl.yaml", "configs/smoke.yaml"]
    return Command(
        folder,
        [
            "fit",
            *(word for file in configs for word in ("--config", file)),
            f"--data.phantom_directory={phantom_folder}",
            f"--federated.rounds={ROUNDS}",
            "--federated.clients_per_round=2",  # rounds of varying length
            "--federated.local_epochs=3",
            "--federated.client_optimizer_state=keep",
            "--model.network_arguments.dropout=0.1",
            f"--trainer.default_root_dir={run}",
            *more,
        ],
        variables,
    )


def rounds_recorded(run: Path) -> int:
    directory = RunDirectory(run)
    return max((row.round for row in directory.read_rounds()), default=0) if directory.rounds_file.exists() else 0


def wait_for_round(run: Path, number: int, command: Command) -> None:
    command.wait_for(lambda: rounds_recorded(run) >= number)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, phantom_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    finish(fit(folder, phantom_folder, folder / "run"))
    return folder / "run"


def assert_same_run(run: Path, reference: Path) -> None:
    ours, theirs = (torch.load(last_checkpoint(path), weights_only=True) for path in (run, reference))
    assert ours["state_dict"].keys() == theirs["state_dict"].keys()
    for name, value in ours["state_dict"].items():
        assert torch.equal(value, theirs["state_dict"][name]), name
    private = ours["callbacks"]["DifferentialPrivacy"]
    assert private["threshold"]
    assert private == theirs["callbacks"]["DifferentialPrivacy"]
    for name in ("cases.csv", "rounds.csv"):
        assert (run / name).read_bytes() == (reference / name).read_bytes(), name
    records = [json.loads((path / "run.json").read_text()) for path in (run, reference)]
    assert [record["status"] for record in records] == ["finished", "finished"]
    for key in ("privacy", "rounds_completed", "model", "data", "federated"):
        assert records[0][key] == records[1][key], key
    assert records[0]["digests"]["chain"] == records[1]["digests"]["chain"]
    assert len(records[0]["digests"]["chain"]["links"]) == ROUNDS


@pytest.mark.parametrize(("after_round", "pause"), [(0, 0.0), (2, 0.0), (4, 0.05)])
def test_killed_and_resumed_run_ends_like_one_never_killed(
    uninterrupted: Path, tmp_path: Path, phantom_folder: Path, after_round: int, pause: float
) -> None:
    run = tmp_path / "run"
    command = fit(tmp_path, phantom_folder, run)
    if after_round == 0:
        command.wait_for((run / "run.json").exists)  # before the first round is done
    else:
        wait_for_round(run, after_round, command)
    time.sleep(pause)
    command.stop(signal.SIGKILL)
    assert command.status == -signal.SIGKILL
    assert json.loads((run / "run.json").read_text())["status"] == "running"
    assert rounds_recorded(run) < ROUNDS
    finish(fit(tmp_path, phantom_folder, run, "--ckpt_path=last"))
    assert_same_run(run, uninterrupted)


def test_killed_while_scoring_is_scored_again(uninterrupted: Path, tmp_path: Path, phantom_folder: Path) -> None:
    run = tmp_path / "run"
    command = fit(tmp_path, phantom_folder, run)
    wait_for_round(run, ROUNDS, command)
    command.wait_for(last_checkpoint(run).exists)
    command.wait_for(lambda: json.loads((run / "run.json").read_text())["status"] != "running")
    command.stop(signal.SIGKILL)
    finish(fit(tmp_path, phantom_folder, run, "--ckpt_path", str(last_checkpoint(run))))
    assert_same_run(run, uninterrupted)


def test_a_stop_leaves_a_checkpoint_and_a_status(uninterrupted: Path, tmp_path: Path, phantom_folder: Path) -> None:
    run, completed, options = tmp_path / "run", 0, []
    for number in (signal.SIGTERM, signal.SIGINT):
        command = fit(tmp_path, phantom_folder, run, *options)
        wait_for_round(run, completed + 1, command)
        command.stop(number)
        assert command.status == 128 + number, command.printed
        assert "Traceback" not in command.printed
        assert f"stopped by {number.name}; the same command with --ckpt_path last continues" in command.printed
        record = json.loads((run / "run.json").read_text())
        assert record["status"] == "interrupted"
        assert completed < record["rounds_completed"] < ROUNDS
        completed = record["rounds_completed"]
        saved = torch.load(last_checkpoint(run), weights_only=True)["callbacks"]["FederatedLoop"]["rounds_completed"]
        assert saved == completed == rounds_recorded(run)
        options = ["--ckpt_path=last", "--data.num_workers=1"]  # how it is loaded is free
    finish(fit(tmp_path, phantom_folder, run, *options))
    assert_same_run(run, uninterrupted)


def with_scontrol(tmp_path: Path) -> str:
    """A PATH with a scontrol that notes what it is asked, and what the record says by then."""
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\ncat {tmp_path}/run/run.json > {tmp_path}/then\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    return f"{scontrol.parent}:{os.environ['PATH']}"


def test_slurms_signal_puts_the_job_into_the_queue_again_where_its_run_goes_on(
    uninterrupted: Path, tmp_path: Path, phantom_folder: Path
) -> None:
    job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "fit", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    job |= {"SLURM_LOCALID": "0", "SLURM_NODEID": "0", "PATH": with_scontrol(tmp_path)}
    run = tmp_path / "run"
    command = fit(tmp_path, phantom_folder, run, variables=job)
    wait_for_round(run, 2, command)
    command.stop(signal.SIGUSR1)
    assert command.status == 128 + signal.SIGUSR1, command.printed
    assert "Slurm starts job 4711 again" in command.printed
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"
    assert json.loads((tmp_path / "then").read_text())["status"] == "interrupted"  # before Slurm kills what is left
    assert list(run.glob("hpc_ckpt*")) == []  # Lightning's own, in the midst of a round
    again = fit(tmp_path, phantom_folder, run, variables={**job, "SLURM_RESTART_COUNT": "1"})
    assert "Slurm has started this job again, so its run goes on." in finish(again)
    assert_same_run(run, uninterrupted)


def test_slurms_signal_stops_all_processes_of_a_run_and_the_first_asks_for_their_job(
    uninterrupted: Path, tmp_path: Path, phantom_folder: Path
) -> None:
    job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "fit", "SLURM_NTASKS": "2", "SLURM_STEP_NUM_TASKS": "2"}
    job |= {"SLURM_STEP_NODELIST": "127.0.0.1", "MASTER_ADDR": "127.0.0.1"}
    job |= {"SLURM_NODEID": "0", "PATH": with_scontrol(tmp_path)}
    run = tmp_path / "run"

    def start(**more: str) -> list[Command]:
        step = {**job, **more, "MASTER_PORT": str(free_port())}
        places = [{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
        return [fit(tmp_path, phantom_folder, run, variables={**step, **place}) for place in places]

    first, second = start()
    wait_for_round(run, 2, first)
    second.stop(signal.SIGUSR1)
    assert second.status == 128 + signal.SIGUSR1, second.printed
    first.stop(signal.SIGUSR1)  # which has seen that the other one has ended, and not why
    assert first.status == 128 + signal.SIGUSR1, first.printed
    assert "Slurm starts job 4711 again" in first.printed
    assert second.printed == ""
    assert (tmp_path / "asked").read_text() == "requeue 4711\n"
    assert json.loads((tmp_path / "then").read_text())["status"] == "interrupted"
    first, second = start(SLURM_RESTART_COUNT="1")
    assert "Slurm has started this job again, so its run goes on." in finish(first)
    assert finish(second) == ""
    assert_same_run(run, uninterrupted)


@pytest.mark.parametrize("methods", [["scaffold", "fedadam"], ["ditto"]], ids="+".join)
def test_killed_and_resumed_run_of_a_method_with_state(
    tmp_path: Path, phantom_folder: Path, methods: list[str]
) -> None:
    files = [word for name in methods for word in ("--config", f"callbacks/{name}.yaml")]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    finish(fit(tmp_path, phantom_folder, whole, *files))
    command = fit(tmp_path, phantom_folder, broken, *files)
    wait_for_round(broken, 3, command)
    command.stop(signal.SIGKILL)
    assert rounds_recorded(broken) < ROUNDS
    finish(fit(tmp_path, phantom_folder, broken, *files, "--ckpt_path=last"))
    assert_same_run(broken, whole)
    states = []
    for run in (broken, whole):
        federation = torch.load(last_checkpoint(run), weights_only=True)["callbacks"]["FederatedLoop"]["federation"]
        states.append(federation["method"].get("clients") or federation["personal_models"])
    assert states[0].keys() == states[1].keys()
    assert states[0]
    for name, tensors in states[0].items():
        assert all(torch.equal(a, b) for a, b in zip(tensors, states[1][name], strict=True)), name
