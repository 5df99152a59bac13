"""Settings that a command line states, by dotted name, before anything is parsed or made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from adpfl_bench.config.config_files import CommandLine
from adpfl_bench.config.yaml_text import parse_yaml

_CLASS = ".class_path"


def stated_settings(line: CommandLine) -> dict[str, Any]:
    """Return what files and options state; later ones win, and another class starts without the former one's arguments.

    Returns:
        Values by dotted name, ``init_args`` left out of it; a class stands under ``NAME.class_path``.
    """
    found: dict[str, Any] = {}
    for file in line.files:
        _take(found, "", file.content)
    for name, value in _options(line.words):
        if name != "--config":
            _take(found, name.removeprefix("--").replace(".init_args", ""), _read(value))
    return found


def _read(value: str) -> Any:
    try:
        return parse_yaml(value)
    except yaml.YAMLError:
        return value  # a text such as @home, as the parser takes it


def _take(found: dict[str, Any], name: str, value: Any) -> None:
    if isinstance(value, Mapping):
        if value.get("class_path", found.get(name + _CLASS)) != found.get(name + _CLASS):
            _drop(found, name)
        for key, below in value.items():
            _take(found, name if key == "init_args" else f"{name}.{key}".removeprefix("."), below)
    elif isinstance(value, str) and f"{name}{_CLASS}" in found:  # a class by its name alone
        _take(found, name, {"class_path": value})
    else:
        found[name] = value


def _drop(found: dict[str, Any], name: str) -> None:
    for key in [key for key in found if key.startswith(f"{name}.")]:
        del found[key]


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            yield name, value if equals else following
