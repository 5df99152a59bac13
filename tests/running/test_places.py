"""How many processes a command line asks for, and which of them this one is."""

import os

import pytest

from adpfl_bench.config.config_files import settle
from adpfl_bench.errors import ConfigError
from adpfl_bench.running.places import Asked, RunPlace, asked_for, check_place, found_place

NO_PLACE = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in NO_PLACE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("adpfl_bench.running.places._gpus", lambda: 4)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], Asked(1, 1, ())),
        (["--trainer.devices", "3", "--trainer.accelerator", "cpu"], Asked(3, 1, ())),
        (["--trainer.devices=3", "--trainer.num_nodes=2", "--trainer.accelerator=cpu"], Asked(3, 2, ())),
        (["--trainer.devices", "auto", "--trainer.accelerator", "cpu"], Asked(1, 1, ())),
        (["--trainer.devices", "-1"], Asked(4, 1, (0, 1, 2, 3))),
        (["--trainer.devices", "6", "--trainer.accelerator", "gpu"], Asked(6, 1, (0, 1, 2, 3))),
        (["--trainer.devices", "[1,3]", "--trainer.accelerator", "gpu"], Asked(2, 1, (1, 3))),
        (["--trainer.devices", "1,3", "--trainer.accelerator", "gpu"], Asked(2, 1, (1, 3))),
        (["--trainer", "{devices: 2, accelerator: cpu}"], Asked(2, 1, ())),
        (["--config", "configs/gpu.yaml"], Asked(1, 1, ())),
        (["--config", "configs/gpu.yaml", "--trainer.devices", "2"], Asked(2, 1, (0, 1, 2, 3))),
    ],
)
def test_what_a_command_line_asks_for(options, asked):
    assert asked_for(settle(["--config", "tasks/isic.yaml", *options])) == asked


def test_a_place_is_torchrun_s_or_srun_s_and_no_other(monkeypatch):
    assert found_place() is None
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}.items():  # a script of sbatch, without srun
        monkeypatch.setenv(name, value)
    assert found_place() is None
    slurm = {
        "SLURM_STEP_NUM_TASKS": "4",
        "SLURM_PROCID": "3",
        "SLURM_NODELIST": "node[7-8]",
        "SLURM_JOB_ID": "12345",
        "SLURM_STEP_ID": "2",
    }
    for name, value in slurm.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "")  # so that what is set in its place is taken back
    monkeypatch.setenv("MASTER_PORT", "")
    monkeypatch.delenv("MASTER_ADDR")
    monkeypatch.delenv("MASTER_PORT")
    assert found_place() == RunPlace(3, 4)
    assert (os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]) == ("node7", "17347")
    for name, value in {"WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    assert found_place() == RunPlace(1, 2)


def test_a_command_line_agrees_with_what_was_started():
    check_place(RunPlace(1, 4), Asked(1, 1, ()))
    check_place(RunPlace(1, 4), Asked(2, 2, ()))
    with pytest.raises(ConfigError, match=r"4 processes were started, but trainer\.devices and .* ask for 2"):
        check_place(RunPlace(1, 4), Asked(2, 1, ()))
