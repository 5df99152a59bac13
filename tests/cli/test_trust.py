"""Class paths of a stranger's configuration: no command imports, calls or makes what is not trusted."""

import json
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from adpfl_bench.cli import main
from tests.cli.conftest import Run, resolved

TASK = ["--config", "tasks/isic.yaml"]
SHELL = {"class_path": "os.system", "init_args": {"command": "touch ran"}}
FUNCTION = {"class_path": "adpfl_bench.files.replace_file", "init_args": {"path": "ran", "content": "aGVsbG8="}}

STRANGER = """
from pathlib import Path

from torch.optim import SGD

from adpfl_bench import FixedThreshold, SkinLesionTask

Path("ran").write_text("imported")


class Steps(SGD):
    pass


class Rule(FixedThreshold):
    pass


class Task(SkinLesionTask):
    pass
"""


@pytest.fixture
def stranger(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that leaves a file behind when it is imported."""
    Path("stranger.py").write_text(STRANGER)
    monkeypatch.syspath_prepend(str(empty_folder))
    monkeypatch.delitem(sys.modules, "stranger", raising=False)
    return empty_folder


def own_file(content: Any) -> list[str]:
    Path("stranger.yaml").write_text(yaml.safe_dump(content))
    return ["--config", "stranger.yaml"]


def block(key: str, value: Any) -> Any:
    """A value at a dotted key."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


def callback(setup: Any) -> list[Any]:
    return [{"class_path": "lightning.pytorch.callbacks.LambdaCallback", "init_args": {"setup": setup}}]


CALLBACK = "trainer.callbacks.0.init_args.setup"
PLACES = {
    "the task": ("model", {"class_path": "stranger.Task"}, "model.class_path"),
    "its path alone": ("model", "stranger.Task", "model"),
    "the datamodule": ("data", {"class_path": "stranger.Data"}, "data.class_path"),
    "a network": ("model.init_args.network", "stranger.Net", "model.network"),
    "an optimizer": ("model.init_args.optimizer", SHELL, "model.init_args.optimizer.class_path"),
    "an optimizer by its path": ("model.init_args.optimizer", "stranger.Steps", "model.init_args.optimizer"),
    "arguments left out": ("model.optimizer", SHELL, "model.optimizer.class_path"),
    "a schedule": ("model.init_args.lr_scheduler", SHELL, "model.init_args.lr_scheduler.class_path"),
    "a client's optimizer": ("federated.client_optimizer", SHELL, "federated.client_optimizer.class_path"),
    "the server's optimizer": ("federated.server_optimizer", "os.system", "federated.server_optimizer"),
    "a threshold": ("privacy", {"unit": "batch", "threshold": "stranger.Rule"}, "privacy.threshold"),
    "a mechanism": ("privacy.mechanism", {"class_path": "torch.hub.load"}, "privacy.mechanism.class_path"),
    "a partition": ("data.init_args.partition", "stranger.Rule", "data.init_args.partition"),
    "in a list": ("trainer.callbacks", [SHELL], "trainer.callbacks.0.class_path"),
    "a path in a list": ("trainer.callbacks", ["stranger.Rule"], "trainer.callbacks.0"),
    "a logger": ("trainer.logger", SHELL, "trainer.logger.class_path"),
    "a profiler": (
        "trainer.profiler",
        {"class_path": "lightning.pytorch.profilers.PyTorchProfiler"},
        "trainer.profiler",
    ),
    "a strategy": ("trainer.strategy", {"class_path": "stranger.Rule"}, "trainer.strategy.class_path"),
    "a callable": ("trainer.callbacks", callback("stranger.run"), CALLBACK),
    "torch's own callable": ("trainer.callbacks", callback("torch.nn.ReLU"), CALLBACK),
    "a function of the suite": ("trainer.callbacks", callback("adpfl_bench.files.replace_file"), CALLBACK),
    "one with arguments": ("trainer.callbacks", callback(FUNCTION), f"{CALLBACK}.class_path"),
    "one for an optimizer": ("federated.client_optimizer", FUNCTION, "federated.client_optimizer.class_path"),
    "through the suite": ("privacy.threshold", "adpfl_bench.files.os.system", "privacy.threshold"),
    "among plain values": ("model.init_args.network_arguments", {"act": SHELL}, "network_arguments.act.class_path"),
    "of no setting": ("model.init_args.actor", {"class_path": "stranger.Rule"}, "model.init_args.actor.class_path"),
    "in a block of the task": ("by_task.isic.model.init_args.optimizer", SHELL, "model.init_args.optimizer.class_path"),
}
OPTIONS = [
    ["--model=stranger.Task"],
    ["--model.class_path=stranger.Task"],
    ["--model.network=stranger.Net"],
    ["--model.optimizer=os.system", "--model.optimizer.command=touch ran"],
    ["--model.optimizer", json.dumps(SHELL)],
    ["--model", json.dumps({"init_args": {"lr_scheduler": SHELL}})],
    ["--federated.client_optimizer.class_path", "stranger.Steps"],
    ["--federated.client_optimizer", json.dumps(FUNCTION)],
    ["--trainer.callbacks+=stranger.Rule"],
    ["--trainer.callbacks", json.dumps(callback("os.getcwd"))],
    ["--model.network_arguments", json.dumps({"act": SHELL})],
    ["--model.help=stranger.Task"],
    ["--privacy=elsewhere.yaml"],
]


def refused(capsys: pytest.CaptureFixture[str], status: int) -> str:
    """The one sentence of a command that refused; nothing has run."""
    assert status == 1
    printed = capsys.readouterr().err
    assert not Path("ran").exists()
    assert "stranger" not in sys.modules
    assert "Traceback" not in printed
    last = printed.splitlines()[-1]
    assert last.startswith(("adpfl-bench: ", "  isic with callbacks/fedavg.yaml: "))
    return last


@pytest.mark.parametrize("place", PLACES)
def test_file_names_code_that_is_not_trusted(stranger: Path, capsys: pytest.CaptureFixture[str], place: str) -> None:
    key, value, named = PLACES[place]
    sentence = refused(capsys, main(["fit", *TASK, *own_file(block(key, value)), "--data.root=phantom"]))
    assert f"{named} " in sentence or f"{named}.class_path " in sentence
    assert ", add --trust " in sentence
    at_parsing = ("replace_file", "model.network names")  # when the file has become one with the others
    assert "in stranger.yaml" in sentence or any(words in sentence for words in at_parsing)


@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_option_names_code_that_is_not_trusted(
    stranger: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    Path("elsewhere.yaml").write_text(yaml.safe_dump({"unit": "batch", "threshold": SHELL}))
    sentence = refused(capsys, main(["fit", *TASK, *words, "--data.root=phantom"]))
    assert ", add --trust " in sentence


COMMANDS = ("fit", "validate", "test", "predict", "audit", "privacy", "benchmark")
EVERYWHERE = ("an optimizer", "a client's optimizer", "a schedule", "a threshold", "one for an optimizer")
# validate, test and predict miss their checkpoint before they make a network.
EACH = [*product(COMMANDS, EVERYWHERE), *product(("fit", "audit", "privacy", "benchmark"), ["a network"])]


@pytest.mark.parametrize(("command", "place"), EACH)
def test_no_command_runs_it(stranger: Path, capsys: pytest.CaptureFixture[str], command: str, place: str) -> None:
    key, value, _ = PLACES[place]
    words = [*TASK, *own_file(block(key, value)), "--data.root=phantom"]
    if command == "privacy":
        words += ["--clients", "9", "7"]
    if command == "benchmark":
        grid = {"tasks": ["tasks/isic.yaml"], "methods": ["callbacks/fedavg.yaml"], "seeds": [0]}
        Path("grid.yaml").write_text(yaml.safe_dump({**grid, "configs": ["configs/smoke.yaml", "stranger.yaml"]}))
        words = ["--config", "grid.yaml", "--dry_run"]
    assert ", add --trust " in refused(capsys, main([command, *words]))


@pytest.mark.parametrize("command", ["verify", "prepare", "phantom"])
def test_dataset_of_ones_own_is_trusted_by_name(
    stranger: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    place = ["--output=there"] if command == "phantom" else ["--root=there"]
    sentence = refused(capsys, main([command, "stranger.Task", *place]))
    assert "The command line names stranger.Task, whose code would run." in sentence
    assert main([command, "stranger.Task", *place, "--trust", "other", "--trust", "stranger"]) == 1
    assert "stranger.Task" in capsys.readouterr().err
    assert Path("ran").exists()


def test_grid_does_not_vouch_for_itself(stranger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = {"tasks": ["tasks/isic.yaml"], "methods": ["callbacks/fedavg.yaml"], "seeds": [0], "output": "out"}
    own_file(block("model.init_args.optimizer", "stranger.Steps"))
    configs = {"configs": ["configs/smoke.yaml", "stranger.yaml"], "trust": ["stranger"]}
    Path("grid.yaml").write_text(yaml.safe_dump({**grid, **configs}))
    words = ["benchmark", "--config", "grid.yaml", "--dry_run"]
    sentence = refused(capsys, main(words))
    assert "grid.yaml asks to trust stranger, whose code would run here." in sentence
    assert "add --trust stranger." in sentence
    assert main([*words, "--trust", "stranger"]) == 0
    assert Path("ran").exists()


def test_no_file_can_trust(stranger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *TASK, "--data.root=phantom", *own_file({"trust": ["stranger"]})]) == 1
    assert "There is no setting trust" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["strange-r", "*", "", "strang/er", "jsonargparse", "stranger..Task", "9"])
def test_what_is_no_module_cannot_be_trusted(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main(["fit", *TASK, f"--trust={name}"]) == 1
    assert f"--trust takes the name of a module, such as clinic or clinic.data, but it has {name}." in (
        capsys.readouterr().err
    )


def test_trusted_code_runs_and_is_recorded(
    adpfl_bench: Run, stranger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust = ["--trust=stranger", "--trust", "zoo"]
    words = ["--config=stranger.yaml", "--federated.rounds=1", "--score=false"]
    own_file(block("model.init_args.optimizer", "stranger.Steps"))
    assert adpfl_bench("fit", *words, *trust) == 0
    folder = Path("runs/isic/fedavg/seed0")
    assert json.loads((folder / "run.json").read_text())["trusted"] == ["stranger", "zoo"]
    assert "trust" not in yaml.safe_load((folder / "config.yaml").read_text())
    # What is trusted once is not trusted for ever, and not by the run's own configuration.
    capsys.readouterr()
    assert main(["fit", "--config", str(folder / "config.yaml"), "--ckpt_path=last"]) == 1
    assert f"optimizer.class_path in {folder}/config.yaml names stranger.Steps" in capsys.readouterr().err
    assert main(["test", "--config", str(folder / "config.yaml"), *trust]) == 0
    assert main(["verify-run", str(folder), "--score"]) == 1
    assert "scored again: it cannot be: model.init_args.optimizer.class_path in " in capsys.readouterr().out
    main(["verify-run", str(folder), "--score", *trust])
    assert "it cannot be" not in capsys.readouterr().out


def test_whoever_trusts_a_module_trusts_what_is_below_it(stranger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = resolved(capsys, *TASK, "--privacy.threshold=stranger.Rule", "--trust=stranger.Rule")
    assert found["privacy"]["threshold"]["class_path"] == "stranger.Rule"
    assert (
        resolved(capsys, *TASK, "--model=stranger.Task", "--trust=stranger")["model"]["class_path"] == "stranger.Task"
    )
    assert main(["fit", *TASK, "--model=stranger.Task", "--trust=strange", "--trust=stranger.Rule"]) == 1
    assert "names stranger.Task, whose code would run" in capsys.readouterr().err


def test_checkpoint_is_never_read_as_code(capsys: pytest.CaptureFixture[str], empty_folder: Path) -> None:
    assert main(["fit", *TASK, "--data.root=phantom", *own_file({"weights_only": False})]) == 1
    assert "weights_only is false, but a checkpoint" in capsys.readouterr().err
