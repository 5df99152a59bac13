"""Another class in a later file or option starts from its own defaults; the same class goes on key by key."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import RichModelSummary

from adpfl_bench.config.config_files import settle
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from tests.cli.conftest import resolved

pytestmark = pytest.mark.usefixtures("empty_folder")

ADAMW = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.002, "weight_decay": 0.3, "betas": [0.8, 0.9]}}
SGD = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.3, "momentum": 0.9}}


def own_file(name: str, content: dict[str, Any]) -> list[str]:
    Path(name).write_text(yaml.safe_dump(content))
    return ["--config", name]


def optimizer_file(name: str, optimizer: Any) -> list[str]:
    return own_file(name, {"model": {"init_args": {"optimizer": optimizer}}})


def defaults(kind: Any, **stated: Any) -> dict[str, Any]:
    """What a class is made with when nothing but ``stated`` is."""
    own = {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    return {**own, **stated}


def optimizer_of(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    files = ["--config", "tasks/isic.yaml", *optimizer_file("adamw.yaml", ADAMW)]
    return resolved(capsys, *files, *words)["model"]["init_args"]["optimizer"]


FILES = {
    "with arguments": ({"model": {"init_args": {"optimizer": SGD}}}, {"lr": 0.3, "momentum": 0.9}),
    "without arguments": ({"model": {"init_args": {"optimizer": {"class_path": "torch.optim.SGD"}}}}, {}),
    "the path alone": ({"model": {"init_args": {"optimizer": "torch.optim.SGD"}}}, {}),
    "a short name": ({"model": {"init_args": {"optimizer": "SGD"}}}, {}),
    "another module that exports it": ({"model": {"init_args": {"optimizer": "torch.optim.sgd.SGD"}}}, {}),
    "arguments of the task left out": ({"model": {"optimizer": SGD}}, {"lr": 0.3, "momentum": 0.9}),
    "a block of the task": (
        {"by_task": {"isic": {"model": {"init_args": {"optimizer": SGD}}}}},
        {"lr": 0.3, "momentum": 0.9},
    ),
}
OPTIONS = {
    "the path": (["--model.init_args.optimizer", "torch.optim.SGD"], {}),
    "class_path": (["--model.init_args.optimizer.class_path=torch.optim.SGD"], {}),
    "a short name": (["--model.optimizer=SGD"], {}),
    "arguments after it": (["--model.optimizer=SGD", "--model.optimizer.momentum=0.9"], {"momentum": 0.9}),
    "all in one": (["--model.optimizer", '{"class_path": "SGD", "init_args": {"lr": 0.3}}'], {"lr": 0.3}),
    "the task's arguments": (
        ["--model.init_args", "{optimizer: {class_path: SGD, init_args: {lr: 0.3}}}"],
        {"lr": 0.3},
    ),
    "twice": (["--model.optimizer=Adam", "--model.optimizer.weight_decay=0.2", "--model.optimizer=SGD"], {}),
}


@pytest.mark.parametrize("case", FILES)
def test_another_class_of_a_file(capsys: pytest.CaptureFixture[str], case: str) -> None:
    content, stated = FILES[case]
    found = optimizer_of(capsys, *own_file("later.yaml", content))
    assert found["class_path"] == "torch.optim.SGD"
    assert found["init_args"] == defaults(torch.optim.SGD, **stated)


@pytest.mark.parametrize("case", OPTIONS)
def test_another_class_of_an_option(capsys: pytest.CaptureFixture[str], case: str) -> None:
    words, stated = OPTIONS[case]
    found = optimizer_of(capsys, *words)
    assert found["class_path"] == "torch.optim.SGD"
    assert found["init_args"] == defaults(torch.optim.SGD, **stated)


@pytest.mark.parametrize(
    "words",
    [
        ["--model.optimizer.lr=0.9"],
        ["--model.optimizer=AdamW", "--model.optimizer.lr=0.9"],
        ["--model.optimizer.class_path=torch.optim.adamw.AdamW", "--model.optimizer.lr=0.9"],
        ["--config", "later.yaml"],
        ["--config", "named.yaml"],
        ["--config", "module.yaml"],
    ],
)
def test_same_class_goes_on_key_by_key(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    optimizer_file("later.yaml", {"init_args": {"lr": 0.9}})
    optimizer_file("named.yaml", {"class_path": "AdamW", "init_args": {"lr": 0.9}})
    optimizer_file("module.yaml", {"class_path": "torch.optim.adamw.AdamW", "init_args": {"lr": 0.9}})
    found = optimizer_of(capsys, *words)
    assert found["class_path"] == "torch.optim.AdamW"
    assert found["init_args"] == defaults(torch.optim.AdamW, weight_decay=0.3, betas=[0.8, 0.9], lr=0.9)


def test_another_class_than_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    # Without a word on it the server steps by SGD with a learning rate of 1, which is not Adam's.
    files = ["--config", "tasks/isic.yaml", "--config", "callbacks/fedavg.yaml"]
    found = resolved(capsys, *files, "--federated.server_optimizer=torch.optim.Adam")["federated"]
    assert found["server_optimizer"]["init_args"]["lr"] == defaults(torch.optim.Adam)["lr"]
    kept = resolved(capsys, *files, "--federated.server_optimizer.momentum=0.5")["federated"]["server_optimizer"]
    assert (kept["init_args"]["lr"], kept["init_args"]["momentum"]) == (1.0, 0.5)


def test_another_class_around_the_class(capsys: pytest.CaptureFixture[str]) -> None:
    task = {"class_path": "adpfl_bench.BrainTumorTask", "init_args": {"label_scheme": "lgg"}}
    found = resolved(capsys, "--config", "tasks/isic.yaml", *own_file("task.yaml", {"model": task}))["model"]
    arguments = found["init_args"]
    assert (arguments["label_scheme"], arguments["network_arguments"], arguments["lr_scheduler"]) == ("lgg", None, None)
    assert arguments["optimizer"]["init_args"]["lr"] == 0.001  # the class's own, and not that of tasks/isic.yaml


def test_another_threshold_of_the_same_argument(capsys: pytest.CaptureFixture[str]) -> None:
    histogram = {"class_path": "HistogramThreshold", "init_args": {"initial": 7.0, "lowest": 0.5}}
    files = own_file("histogram.yaml", {"privacy": {"threshold": histogram}})
    found = resolved(capsys, "--config", "tasks/isic.yaml", *files, "--privacy.threshold=QuantileThreshold")
    assert found["privacy"]["threshold"]["init_args"] == defaults(QuantileThreshold)


def test_another_class_in_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    def file(name: str, kind: str, **arguments: Any) -> list[str]:
        callback = {"class_path": f"lightning.pytorch.callbacks.{kind}", "init_args": arguments}
        return own_file(name, {"trainer": {"callbacks": [callback]}})

    task = ["--config", "tasks/isic.yaml", *file("first.yaml", "LearningRateMonitor", log_momentum=True)]
    (same,) = resolved(capsys, *task, *file("same.yaml", "LearningRateMonitor", log_weight_decay=True))["trainer"][
        "callbacks"
    ]
    assert (same["init_args"]["log_momentum"], same["init_args"]["log_weight_decay"]) == (True, True)
    summary = ["--config", "tasks/isic.yaml", *file("summary.yaml", "ModelSummary", max_depth=3)]
    (other,) = resolved(capsys, *summary, *file("rich.yaml", "RichModelSummary"))["trainer"]["callbacks"]
    assert other["init_args"] == defaults(RichModelSummary)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--model.optimizer.lr=0.4", "--model.optimizer=SGD"], ("--model.optimizer.lr", "--model.optimizer")),
        (
            ["--model.init_args.optimizer.lr", "0.4", "--model.optimizer.class_path", "SGD"],
            ("--model.init_args.optimizer.lr", "--model.optimizer.class_path"),
        ),
        (["--data.root=x", "--data", "HAM10000DataModule"], ("--data.root", "--data")),
        (["--model.optimizer=SGD", "--model.optimizer.lr=0.4"], None),
        (["--model.optimizer.lr=0.4", "--model.optimizer.lr=0.5", "--model.optimizers=3"], None),
    ],
)
def test_argument_before_its_class_is_pointed_out(words: list[str], expected: tuple[str, str] | None) -> None:
    notes = settle(["--config", "tasks/isic.yaml", *words]).notes
    assert len(notes) == (expected is not None)
    if expected is not None:
        early, late = expected
        assert notes[0].startswith(f"{early} stands before {late}: if that is another class")
