"""Class paths that a configuration may not name: nothing of them is imported or called."""

from pathlib import Path
from typing import Any

import yaml

from tests.corpus.asks import command
from tests.corpus.bad_configurations import FILE, WORDS
from tests.corpus.damages import Damage
from tests.corpus.kind import Refused, kinds

SHELL = {"class_path": "os.system", "init_args": {"command": "rm kept"}}
"""Were it made, a file that lay in the working directory would be gone."""


def _stated(key: str, value: Any) -> Damage:
    """State a value at a dotted key alone."""
    for name in reversed(key.split(".")):
        value = {name: value}

    def damage(root: Path) -> None:
        FILE(root).write_text(yaml.safe_dump(value))
        (root.parent / "kept").write_text("x")

    return damage


def _untrusted(key: str, path: str = "os.system") -> Refused:
    module = path.rpartition(".")[0]
    return Refused(rf"{key} in .*x\.yaml names {path}, whose code would run\. .* add --trust {module}")


_FUNCTION = {"class_path": "adpfl_bench.files.replace_file", "init_args": {"path": "kept", "content": "aGVsbG8="}}


def _callback(setup: Any) -> list[Any]:
    return [{"class_path": "lightning.pytorch.callbacks.LambdaCallback", "init_args": {"setup": setup}}]


CLASS_PATHS = kinds(
    "class paths",
    command("fit", "configuration", lambda root: ["fit", *WORDS, "--config", FILE(root)]),
    [
        ("a shell command as the model", _stated("model", SHELL), _untrusted("model.class_path")),
        ("a stranger's task", _stated("model", "stranger.Task"), _untrusted("model", "stranger.Task")),
        (
            "a stranger's data",
            _stated("data.class_path", "stranger.Data"),
            _untrusted("data.class_path", "stranger.Data"),
        ),
        (
            "a shell command as a network",
            _stated("model.init_args.network", "os.system"),
            Refused("network.* names os.system"),
        ),
        (
            "a shell command as an optimizer",
            _stated("model.init_args.optimizer", SHELL),
            _untrusted("optimizer.class_path"),
        ),
        (
            "a shell command as a client's optimizer",
            _stated("federated.client_optimizer", SHELL),
            _untrusted("federated.client_optimizer.class_path"),
        ),
        (
            "a shell command as the server's optimizer",
            _stated("federated.server_optimizer", "os.system"),
            Refused("federated.server_optimizer.* names os.system"),
        ),
        (
            "a shell command as a schedule",
            _stated("model.init_args.lr_scheduler", SHELL),
            _untrusted("lr_scheduler.class_path"),
        ),
        (
            "a shell command as a threshold",
            _stated("privacy", {"unit": "batch", "threshold": SHELL}),
            _untrusted("threshold.class_path"),
        ),
        (
            "a shell command as a callback",
            _stated("trainer.callbacks", [SHELL]),
            _untrusted("trainer.callbacks.0.class_path"),
        ),
        (
            "a stranger's callback",
            _stated("trainer.callbacks", ["stranger.Rule"]),
            Refused("callbacks.* names stranger.Rule"),
        ),
        (
            "a shell command in a callback",
            _stated("trainer.callbacks", _callback("os.system")),
            Refused("names os.system|posix.system"),
        ),
        (
            "a function of the suite in a callback",
            _stated("trainer.callbacks", _callback("adpfl_bench.files.replace_file")),
            Refused("names the function adpfl_bench.files.replace_file, but a configuration may name classes only"),
        ),
        ("a shell command as a logger", _stated("trainer.logger", SHELL), _untrusted("trainer.logger.class_path")),
        (
            "a stranger's logger",
            _stated("trainer.logger", "stranger.Log"),
            Refused("trainer.logger.* names stranger.Log"),
        ),
        (
            "a profiler of Lightning",
            _stated("trainer.profiler.class_path", "lightning.pytorch.profilers.PyTorchProfiler"),
            _untrusted("trainer.profiler.class_path", "lightning.pytorch.profilers.PyTorchProfiler"),
        ),
        (
            "a stranger's strategy",
            _stated("trainer.strategy.class_path", "stranger.Rule"),
            _untrusted("strategy.class_path", "stranger.Rule"),
        ),
        (
            "a function as an optimizer",
            _stated("federated.client_optimizer", _FUNCTION),
            Refused("client_optimizer"),
        ),
        (
            "a shell through the suite",
            _stated("privacy.threshold", "adpfl_bench.files.os.system"),
            Refused("names posix.system, whose code would run"),
        ),
        (
            "a shell command for a network",
            _stated("model.init_args.network_arguments.act", SHELL),
            _untrusted("act.class_path"),
        ),
        ("a shell command of no setting", _stated("model.init_args.actor", SHELL), _untrusted("actor.class_path")),
        (
            "a shell command for a task",
            _stated("by_task.isic.model.init_args.optimizer", SHELL),
            _untrusted("optimizer.class_path"),
        ),
        (
            "a parser as a class",
            _stated("model.class_path", "jsonargparse.ArgumentParser"),
            _untrusted("model.class_path", "jsonargparse.ArgumentParser"),
        ),
        ("a class path that is a number", _stated("model.class_path", 3), Refused("model")),
        ("a class path with a line break", _stated("model.class_path", "os.\nsystem"), Refused("model")),
    ],
)
