"""Pages of every setting, as the parser of the command line knows it: key, type, default and what it is."""

from __future__ import annotations

import re
import types
from argparse import SUPPRESS, Action
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import cache
from inspect import isabstract, isclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.cli import LightningArgumentParser
from markdown_table import code, markdown_table
from plain_roles import without_roles

import adpfl_bench
from adpfl_bench.public_names import with_public_names
from adpfl_bench.running.training import BenchCLI

_HEADINGS = ("Key", "Type", "Default", "What it is")
_BLOCKS = {
    "": ("The run", "Keys at the top of a configuration."),
    "federated": ("federated", "How clients learn together: [the federation](../federation.md)."),
    "privacy": ("privacy", "What is protected, and how: [privacy](../privacy.md)."),
    "record": ("record", "What the run leaves behind: [records](../records.md)."),
    "examples": ("examples", "Test cases that a run keeps to be looked at."),
    "trainer": ("trainer", "Lightning's Trainer; its epochs are rounds, so `max_epochs` is not set here."),
}
_SETTINGS = """# Every setting

Each key of a run's configuration: in a YAML file nested by its dots, on the command line behind two dashes
(`--federated.rounds 25`). `data` and `model` name a class with settings of its own:
[settings of classes](class_settings.md). `adpfl-bench fit --print_config` prints all of them as one run
has them. This page is made from the parser itself.

"""
_CLASSES = """# Settings of classes

Where a setting names a class, `class_path` says which and `init_args` has its settings
(`--data.init_args.batch_size 8`, or shorter `--data.batch_size 8`). Your own classes have theirs in the same way. This
page is made from the parser itself.

"""
_FAMILIES = {
    "FederatedDataModule": ("data", "Where cases come from."),
    "FederatedTask": ("model", "What is learned, by which network, and how it is scored."),
    "Partition": ("data.partition", "Which client holds which patients."),
    "Threshold": ("privacy.threshold", "The rule for the clipping threshold."),
    "Mechanism": ("privacy.mechanism", "The law of the noise."),
    "ClientMethod": ("federated.client_method", "What clients do beside plain local steps."),
    "Aggregator": ("federated.aggregator", "How one delta is made of the participants'."),
}
_SAID = {
    "config": "A file of settings; later ones override earlier ones, options override files.",
    "seed_everything": "The run's seed; `true` draws one.",
    "ckpt_path": "Where to go on: `last` for the run's last checkpoint, or a checkpoint's path; `null` starts anew.",
    "weights_only": "Whether a checkpoint may hold weights and plain values only; `null` is Lightning's default.",
    "model": "The task: `class_path` and `init_args`, or the name of a class alone.",
    "data": "The datamodule: `class_path` and `init_args`, or the name of a class alone.",
}
"""What keys are that the parser itself explains in its own terms."""


class _ParserMade(Exception):
    def __init__(self, parser: LightningArgumentParser) -> None:
        super().__init__("the parser is all that is wanted of the command line")
        self.parser = parser


class _ParserOnly(BenchCLI):
    """The command line up to the parser that it makes."""

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        raise _ParserMade(parser)


@cache  # for mkdocs serve, which builds again at every change
def settings_pages(top: Path) -> Mapping[str, str]:
    """Return the page of the blocks and the page of the classes."""
    return {"reference/settings.md": _SETTINGS + _blocks(), "reference/class_settings.md": _CLASSES + _classes()}


def _blocks() -> str:
    with ExitStack() as nothing_held:
        try:
            _ParserOnly("fit", [], nothing_held)
        except _ParserMade as made:
            parser = made.parser
    rows: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for action in _settings(parser):
        rows[action.dest.rpartition(".")[0]].append(_row(action))
    if unknown := rows.keys() - _BLOCKS.keys():
        raise KeyError(f"The parser has blocks that the page of settings says nothing of: {sorted(unknown)}.")
    parts = [
        f"## {title}\n\n{text}\n\n{markdown_table(_HEADINGS, rows[block])}" for block, (title, text) in _BLOCKS.items()
    ]
    return "\n".join(parts)


def _classes() -> str:
    public = {name: getattr(adpfl_bench, name) for name in adpfl_bench.__all__}
    parts = []
    for base, (key, text) in _FAMILIES.items():
        parts.append(f"## {key}\n\n{text}\n")
        for name, value in public.items():
            if isclass(value) and issubclass(value, public[base]) and not isabstract(value):
                parts.append(_class(name, value))
    return "\n".join(parts)


def _class(name: str, value: type[Any]) -> str:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(value, "its", fail_untyped=False)
    rows = [_row(action, "its.") for action in _settings(parser)]
    summary = without_roles((value.__doc__ or "").strip().partition("\n\n")[0])
    table = markdown_table(_HEADINGS, rows) if rows else "It has no settings.\n"
    return f"### {name}\n\n`class_path: adpfl_bench.{name}`. {' '.join(summary.split())}\n\n{table}"


def _settings(parser: ArgumentParser) -> Iterable[Action]:
    """Actions of settings: not those that ask for help, nor those of keys that follow from others."""
    for action in parser._actions:
        kind = type(action).__name__
        if action.dest != "help" and kind in ("ActionTypeHint", "_StoreAction", "ActionConfigFile"):
            yield action


def _row(action: Action, prefix: str = "") -> tuple[str, ...]:
    hint = getattr(action, "_typehint", action.type)
    is_file = type(action).__name__ == "ActionConfigFile"
    kind = "a file's name, several times" if is_file else code(_type(hint)) if hint is not None else code("str")
    default = (
        "required" if action.required else "" if is_file or action.default == SUPPRESS else _default(action.default)
    )
    text = _SAID.get(action.dest) or without_roles(action.help or "").replace("``", "`")
    text = re.sub(r"\s*Default: `[^`]*`\.?", "", text)  # Lightning's own, which the suite has changed in part
    return code(action.dest.removeprefix(prefix)), kind, default, text.replace("<", "&lt;")


def _default(value: Any) -> str:
    if isinstance(value, Namespace):
        value = value.as_dict()
    if isinstance(value, Mapping) and "class_path" in value:
        arguments = ", ".join(f"{key}={inner}" for key, inner in (value.get("init_args") or {}).items())
        return code(f"{str(value['class_path']).rpartition('.')[2]}({arguments})")
    words = {None: "null", True: "true", False: "false"}
    return code(words[value] if value is None or isinstance(value, bool) else str(value))


def _type(hint: Any) -> str:
    """A type as one would say it: ``int or null``."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is type(None) or hint is None:
        return "null"
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(choice) for choice in inner))
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin is not None and "Callable" in str(origin):
        return f"class of {_type(inner[-1])}" if inner else "function"
    if origin is not None and inner:
        return f"{origin.__name__}[{', '.join(_type(part) for part in inner if part is not ...)}]"
    if isclass(hint):
        return with_public_names(f"{hint.__module__}.{hint.__qualname__}").rpartition(".")[2]
    return str(hint).replace("typing.", "")
