"""An argument parser whose errors are sentences."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from adpfl_bench.errors import ConfigError
from adpfl_bench.public_names import with_public_names

_NOT_SETTINGS = {"help", "print_config", "print_shtab", "config", "subcommand"}


class BenchArgumentParser(LightningArgumentParser):
    """LightningArgumentParser that says what was wrong and what was possible, without pages of usage.

    Options are never abbreviated: a typo must not become another setting.

    Args:
        positional: As LightningArgumentParser takes them.
        named: Likewise.
    """

    def __init__(self, *positional: Any, **named: Any) -> None:
        super().__init__(*positional, **{**named, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise the parser's complaint as a sentence.

        Raises:
            ConfigError: Always.
        """
        if not self.exit_on_error:  # a parser of a nested class, whose complaint the outer one will word
            super().error(message, ex)
        raise ConfigError(explain(message, self._known_keys()))

    def _known_keys(self) -> set[str]:
        subparsers = self._subcommands_action.choices.values() if self._subcommands_action else []
        return {str(action.dest) for parser in [self, *subparsers] for action in parser._actions}


def explain(message: str, known_keys: Iterable[str]) -> str:
    """Turn a message of jsonargparse into what a user can act on.

    Args:
        message: The message.
        known_keys: Dotted names of the parser's options.
    """
    unknown = re.search(r"(?:does not accept option '|unrecognized arguments: --)([\w.]+)", message)
    if unknown:
        return _unknown_key(unknown[1], list(known_keys))
    class_path = re.search(r"Problem with given class_path '([^']+)'", message)
    refused = re.search(r"Option '([^']+)' is not accepted", message)
    if class_path and refused:
        accepted = ", ".join(_parameters(class_path[1]))
        return f"{class_path[1]} has no setting {refused[1]}; it has {accepted}."
    if "required: root" in message:
        return (
            "data.root is missing: give the dataset's folder with --data.root PATH, or train on synthetic images with"
            " --config configs/phantom.yaml."
        )
    key, base = re.search(r'Parser key "([^"]+)"', message), re.search(r"Subtypes: \[<class '([\w.]+)'", message)
    unresolved = re.search(r"(Expected a dot import path string|has no attribute|No module named|expects a)", message)
    if key and base and unresolved:
        return f"{key[1]} cannot be made from what was given; possible are {_subclasses(base[1])}.\n{_gist(message)}"
    return _gist(message)


def _unknown_key(name: str, known: list[str]) -> str:
    block = name.rpartition(".")[0]
    while block and not any(key.startswith(f"{block}.") for key in known):
        block = block.rpartition(".")[0]
    prefix = f"{block}." if block else ""
    below = {key.removeprefix(prefix).split(".")[0] for key in known if key.startswith(prefix)}
    options = sorted(below - _NOT_SETTINGS)
    where = f"in {block} " if block else ""
    return f"There is no setting {name}; possible {where}are {', '.join(options)}."


def _import(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _parameters(class_path: str) -> list[str]:
    names: dict[str, None] = {}
    for kind in inspect.getmro(_import(class_path)):
        if kind.__module__.startswith("adpfl_bench") or not names:
            for parameter in inspect.signature(kind).parameters.values():
                if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                    names[parameter.name] = None
    return list(names)


def _subclasses(class_path: str) -> str:
    kinds: list[type] = [_import(class_path)]
    for kind in kinds:  # grows while it is walked: breadth first
        kinds += kind.__subclasses__()
    concrete = {kind for kind in kinds if not inspect.isabstract(kind)}
    return ", ".join(sorted(with_public_names(f"{kind.__module__}.{kind.__qualname__}") for kind in concrete))


def _gist(message: str) -> str:
    """The message without what jsonargparse says of values that were not given."""
    skipped = ("Does not validate", "Subtypes:", "Errors:", "- Expected a <class 'NoneType'>", "Given value")
    lines = [line for line in message.strip().splitlines() if not line.strip().startswith(skipped)]
    return "\n".join(lines)
