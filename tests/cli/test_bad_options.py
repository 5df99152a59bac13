"""Options out of range, each a sentence before any data are read; nothing is written elsewhere than asked for."""

import json
from collections.abc import Callable
from functools import partial
from math import nan
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD as SGDOptimizer

from adpfl_bench import DifferentialPrivacy, ExampleCases, ISICDataModule, KiTSDataModule, SkinLesionTask
from adpfl_bench.cli import main
from adpfl_bench.config.config_files import settle
from adpfl_bench.errors import ConfigError
from adpfl_bench.processors import count_processors
from adpfl_bench.tasks.schedules import CosineOverRounds
from tests.cli.conftest import resolved

pytestmark = pytest.mark.usefixtures("empty_folder")

SEED = "seed_everything must be a whole number from 0 to 4294967295, so that the run can be repeated, but it is"
WORKERS = f"from {{}} to {max(64, 4 * count_processors())} on this machine, which has {count_processors()} processors"
REFUSES = "The Trainer refuses its settings (trainer): "
SGD = '--federated.client_optimizer={"class_path": "SGD", "init_args": {"lr": %s}}'
CALLBACK = '--trainer.callbacks={"class_path": "ModelCheckpoint", "init_args": {"save_top_k": -7}}'
STEP_LR = '--model.lr_scheduler={"class_path": "StepLR", "init_args": {"step_size": 0}}'
LINE = {
    "--seed_everything=-1": f"{SEED} -1.",
    "--seed_everything=no": f"{SEED} false.",
    "--trainer.devices=99999": f"trainer.devices must be {WORKERS.format(1)}, but it is 99999.",
    "--trainer.devices=0": "trainer.devices must be a whole number of at least 1, but it is 0.",
    "--trainer.num_nodes=-1": "trainer.num_nodes must be a whole number of at least 1, but it is -1.",
    "--trainer.max_time=soon": f"{REFUSES}`Timer(duration='soon')` is not a valid duration",
    "--trainer.check_val_every_n_epoch=0": "trainer.check_val_every_n_epoch is a number of rounds",
    "--trainer.max_epochs=3": "trainer.max_epochs follows from federated.rounds, federated.fine_tuning",
    "--federated.seed=3": "federated.seed follows from seed_everything and cannot be given; give that.",
    "--model.optimizer.lr=-1": "model.optimizer cannot be made: Invalid learning rate: -1.0; change its settings.",
    "--model.optimizer.lr=nan": "is nan, but must be a number",
    "--federated.server_optimizer.lr=-1": "federated.server_optimizer cannot be made: Invalid learning rate: -1.0",
    SGD % -2: "federated.client_optimizer cannot be made: Invalid learning rate: -2.0; change its settings.",
    CALLBACK: "Invalid value for save_top_k=-7. Must be >= -1",
    STEP_LR: "model.lr_scheduler cannot be made: integer modulo by zero; change its settings.",
    "--model.lr_scheduler.rounds=0": "The rounds of CosineOverRounds must be at least 1, but they are 0.",
    "--data.num_workers=100000": f"data.num_workers must be {WORKERS.format(0)}, but it is 100000.",
    "--method=../../x": "The method is called '../../x', which is no folder's: it begins with a dot, or has a slash",
}
ISIC, KITS = partial(ISICDataModule, Path("x")), partial(KiTSDataModule, Path("x"))
OPTIMIZER = SGDOptimizer([nn.Parameter(torch.zeros(1))])
SETTINGS = [
    (ISIC, {"num_workers": -1}, f"data.num_workers must be {WORKERS.format(0)}, but it is -1."),
    (
        ISIC,
        {"image_size": (0, 0)},
        "data.image_size is height and width in pixels, from 1 to 16,384, but it is [0, 0].",
    ),
    (
        ISIC,
        {"image_size": (32, 99999)},
        "data.image_size is height and width in pixels, from 1 to 16,384, but it is [32",
    ),
    (ISIC, {"memory_budget_gib": -1.0}, "data.memory_budget_gib must be at least 0, but it is -1.0."),
    (
        KITS,
        {"spacing": (1e-9, 1, 1)},
        "data.spacing must be three positive lengths in mm, from 0.01 to 1000; found [1e-",
    ),
    (
        KITS,
        {"spacing": (1e30, 1, 1)},
        "data.spacing must be three positive lengths in mm, from 0.01 to 1000; found [1e+",
    ),
    (
        KITS,
        {"spacing": (nan, 1, 1)},
        "data.spacing must be three positive lengths in mm, from 0.01 to 1000; found [nan",
    ),
    (KITS, {"patch_size": (999999, 9, 9)}, "data.patch_size must have sides from 1 to 4,096 voxels"),
    (KITS, {"patch_size": (0, 9, 9)}, "data.patch_size must have sides from 1 to 4,096 voxels"),
    (KITS, {"window_batch_size": 0}, "data.window_batch_size be at least 1; they are [128, 128, 64] and 0."),
    (KITS, {"prepare_workers": 0}, f"data.prepare_workers must be {WORKERS.format(1)}, but it is 0."),
    (KITS, {"prepare_workers": 100000}, f"data.prepare_workers must be {WORKERS.format(1)}, but it is 100000."),
    (SkinLesionTask, {"surface_tolerance": -1.0}, "model.surface_tolerance must be at least 0, but it is -1.0."),
    (
        DifferentialPrivacy,
        {"nominal_epsilon": -1.0},
        "privacy.nominal_epsilon is what a method's authors state, a finite",
    ),
    (ExampleCases, {"per_client": -1}, "examples.per_client must be at least 0, which keeps none, but it is -1."),
    (
        partial(CosineOverRounds, OPTIMIZER),
        {"final_fraction": -1.0},
        "final_fraction of CosineOverRounds must be in [0, 1]",
    ),
    (
        partial(CosineOverRounds, OPTIMIZER),
        {"rounds": 0},
        "The rounds of CosineOverRounds must be at least 1, but they are",
    ),
]
COMMANDS = {
    "verify isic --root x --workers 100000": f"--workers must be {WORKERS.format(1)}, but it is 100000.",
    "phantom isic --workers -1": "The number of workers that write a phantom must be from 1 to",
    "phantom isic --image_size [99999,99999]": "Images of a phantom have at most 134,217,728 pixels, but",
    "phantom kits --image_size [9999,9999,9]": "Images of a phantom have at most 134,217,728 voxels, but",
    "privacy --config tasks/isic.yaml --clients all=5 b=3": "A client cannot be called all, which stands for",
}
NAMES = ["", "../../x", "..", ".hidden", "a/b", "a\\b", "/tmp/x", "a\nb", "a" * 500]


def refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    assert main(words) == 1
    printed = capsys.readouterr().err
    assert "Traceback" not in printed
    assert "adpfl-bench: " in printed
    assert not list(Path().iterdir())
    return printed


@pytest.mark.parametrize("option", LINE)
def test_option_out_of_range(capsys: pytest.CaptureFixture[str], option: str) -> None:
    files = ["tasks/isic.yaml", "callbacks/fedavg.yaml", "configs/smoke.yaml"]
    words = ["privacy", "--clients", "40", "30", *(word for file in files for word in ("--config", file)), option]
    assert LINE[option] in refused(capsys, words)


@pytest.mark.parametrize(("make", "settings", "sentence"), SETTINGS, ids=[str(settings) for _, settings, _ in SETTINGS])
def test_setting_out_of_range(make: Callable[..., Any], settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**settings)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("command", COMMANDS)
def test_option_of_a_command_out_of_range(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert COMMANDS[command] in refused(capsys, command.split())


@pytest.mark.parametrize("key", ["task", "method"])
@pytest.mark.parametrize("name", NAMES)
def test_name_that_is_another_place(key: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^The {key} is called "):
        settle(["--config", "tasks/isic.yaml", f"--{key}={name}"])
    Path("x.yaml").write_text(json.dumps({"task": "mine", "method": "mine", key: name}))
    with pytest.raises(ConfigError, match=rf"^The {key} is called "):
        settle(["--config", "x.yaml"])


@pytest.mark.parametrize("name", ["adp_fl+mine", "dp_fl_c0.05", "a b", "größer", "-1", "x" * 100])
def test_name_of_a_folder(name: str) -> None:
    assert settle(["--config", "tasks/isic.yaml", f"--method={name}"]).method == name


def test_one_callback_is_as_good_as_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", "tasks/isic.yaml", "--trainer.callbacks=Timer"]  # with a member of an enumeration
    assert main(["fit", *words, "--data.root=nowhere"]) == 1
    assert "the folder nowhere does not exist" in capsys.readouterr().err
    callbacks = resolved(capsys, *words)["trainer"]["callbacks"]
    assert callbacks["init_args"]["interval"] == "step"


def test_largest_seed_is_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", "tasks/isic.yaml", "--seed_everything=4294967295", "--clients", "9", "7"]
    assert main(["privacy", *words]) == 0
    assert "seed 4294967295" in capsys.readouterr().out
