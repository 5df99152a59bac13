"""How many processes a command line asks for, and which of them this one is."""

import os
from types import SimpleNamespace

import pytest
import torch

from adpfl_bench.config.config_files import settle
from adpfl_bench.errors import ConfigError
from adpfl_bench.peers import gpu_name, sum_backend
from adpfl_bench.processors import PROCESSORS, THREADS, count_processors, stated_threads
from adpfl_bench.running.places import (
    Asked,
    RunPlace,
    as_chosen,
    asked_for,
    check_place,
    computing_with,
    found_place,
)

NO_PLACE = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID")


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    for name in NO_PLACE:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("adpfl_bench.running.places._gpus", lambda: 4)
    monkeypatch.setattr("adpfl_bench.running.places.count_processors", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], Asked(1, 1, ())),
        (["--trainer.devices", "3", "--trainer.accelerator", "cpu"], Asked(3, 1, ())),
        (["--trainer.devices=3", "--trainer.num_nodes=2", "--trainer.accelerator=cpu"], Asked(3, 2, ())),
        (["--trainer.devices", "auto", "--trainer.accelerator", "cpu"], Asked(4, 1, (), 2, True)),
        (["--trainer.accelerator", "cpu"], Asked(4, 1, (), 2, True)),
        (["--trainer.devices", "1", "--trainer.accelerator", "cpu"], Asked(1, 1, ())),
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


def test_only_fit_takes_several_processes_unasked_and_only_on_a_cpu(monkeypatch):
    monkeypatch.setattr("adpfl_bench.running.places._gpus", lambda: 0)
    line = settle(["--config", "tasks/isic.yaml"])
    assert asked_for(line) == Asked(4, 1, (), 2, True)
    assert asked_for(line, processors=2) == Asked(2, 1, (), 1, True)
    assert asked_for(line, "test") == Asked(1, 1, ())
    assert asked_for(settle(["--config", "tasks/isic.yaml", "--trainer.accelerator", "mps"])) == Asked(1, 1, ())
    monkeypatch.setattr("adpfl_bench.running.places._has_mps", lambda: True)
    assert asked_for(line) == Asked(1, 1, ())


def test_the_record_says_that_the_number_was_left_to_the_suite():
    line = settle(["--config", "tasks/isic.yaml"])
    assert as_chosen(line, ["--seed_everything=1"]) == ["--seed_everything=1", "--trainer.devices=auto"]
    stated = settle(["--config", "tasks/isic.yaml", "--trainer.devices", "auto"])
    assert as_chosen(stated, ["--x"]) == ["--x"]


def test_one_process_computes_with_the_threads_that_were_chosen():
    before = torch.get_num_threads()
    with computing_with(3):
        assert torch.get_num_threads() == 3
    with computing_with(None):
        assert torch.get_num_threads() == before


@pytest.mark.parametrize("name", [PROCESSORS, THREADS])
@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_numbers_in_the_environment_are_checked(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"{name} must be a whole number of at least 1, but it is '{value}'"):
        count_processors() if name == PROCESSORS else stated_threads()


def test_a_command_may_be_given_fewer_processors_than_there_are(monkeypatch):
    monkeypatch.delenv(PROCESSORS)
    there = count_processors()
    monkeypatch.setenv(PROCESSORS, "1")
    assert count_processors() == 1
    monkeypatch.setenv(PROCESSORS, str(there + 5))
    assert count_processors() == there
    monkeypatch.setenv(THREADS, "3,2")
    assert stated_threads() == 3


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
    check_place(RunPlace(1, 4), Asked(2, 1, (), 1, True))
    with pytest.raises(ConfigError, match=r"4 processes were started, but trainer\.devices and .* ask for 2"):
        check_place(RunPlace(1, 4), Asked(2, 1, ()))


@pytest.mark.parametrize(
    ("names", "nccl", "backend"),
    [
        (["GPU-1", "GPU-2"], True, "nccl"),
        (["GPU-1", "GPU-2", "GPU-1"], True, "gloo"),  # two processes on one GPU, which NCCL does not connect
        (["GPU-1", ""], True, "gloo"),
        (["", ""], True, "gloo"),
        (["GPU-1", "GPU-2"], False, "gloo"),
    ],
)
def test_sums_go_over_nccl_where_each_process_has_a_gpu_to_itself(names, nccl, backend):
    assert sum_backend(names, nccl) == backend


def test_only_whole_gpus_have_names(monkeypatch):
    properties = SimpleNamespace(uuid="8f6d")
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda device: properties)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpu_name(torch.device("cuda", 1)) == "8f6d"
    assert gpu_name(torch.device("cpu")) == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    assert gpu_name(torch.device("cuda", 1)) == ""
