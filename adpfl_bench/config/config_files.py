"""The YAML files of a command line: the working directory's first, then the package's; what they say for its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from adpfl_bench.config.method_files import (
    DEFAULT_METHOD,
    ConfigFile,
    check_unit_is_stated,
    method_name,
    overridden_settings,
    without_replaced_methods,
)
from adpfl_bench.errors import ConfigError
from adpfl_bench.public_names import with_public_names

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = ("tasks", "callbacks", "configs")


def packaged_root() -> Path:
    """Folder with the suite's own ``tasks/``, ``callbacks/`` and ``configs/``."""
    installed = _PACKAGE / "yaml"
    return installed if installed.is_dir() else _PACKAGE.parent


def packaged_configs() -> list[str]:
    """Names of the YAML files that come with the package, as one gives them to ``--config``."""
    root = packaged_root()
    return sorted(str(path.relative_to(root)) for folder in _FOLDERS for path in (root / folder).glob("*.yaml"))


def find_config(name: str) -> Path:
    """Find a YAML file by the name given to ``--config``.

    Args:
        name: A path; relative ones are looked up in the working directory, then among the packaged files.

    Raises:
        ConfigError: It is in neither place.
    """
    for path in (Path(name), packaged_root() / name):
        if path.is_file():
            return path
    raise ConfigError(
        f"There is no configuration file {name}, neither in {Path.cwd()} nor with the package; it comes with"
        f" {', '.join(packaged_configs())}."
    )


class CommandLine(NamedTuple):
    """A command line with its files found and settled.

    Attributes:
        words: The command line as the parser takes it.
        files: Its configuration files, the default method's first where it applies.
        method: What the run's method is called.
        notes: Sentences on what a method file states and another one overrides.
    """

    words: list[str]
    files: list[ConfigFile]
    method: str
    notes: list[str]


def settle(arguments: Sequence[str]) -> CommandLine:
    """Put in place of the file names after ``--config`` or ``-c`` what they stand for, and settle the method.

    A name stands for the file found for it or, where the command line changes what the file means, for its text:
    where it has a block ``by_task``, with the block of the command line's task merged into it; where a later file
    takes its method's place, without that method. A name given by ``--method`` holds wherever it is given.

    Args:
        arguments: The options of fit.

    Raises:
        ConfigError: A file is not found or is no YAML, its ``by_task`` is not a block for each task, or settings of
            privacy would have no effect.
    """
    options = [word for argument in arguments for word in _split_config(with_public_names(argument))]
    given = [read_config(value) for option, value in pairwise(options) if option == "--config"]
    tasks = [*_given(options, "--task"), *(str(file.content["task"]) for file in given[::-1] if "task" in file.content)]
    files = [_for_task(file, tasks) for file in given]
    if all(file.kind == "variation" for file in files):
        files.insert(0, read_config(DEFAULT_METHOD))
        options = ["--config", DEFAULT_METHOD, *options]
    check_unit_is_stated(files, options)
    files = without_replaced_methods(files)
    name = next(iter(_given(options, "--method")), method_name(files))
    words, found = [], iter(files)
    for before, word in pairwise(["", *options]):
        words.append(next(found).argument if before == "--config" else word)
    last = max(place for place, word in enumerate(words) if word == "--config")
    words.insert(last + 2, f"--method={name}")
    notes = [
        f"federated.{key} is not as {file.path} says, but as {later} does, which comes later."
        for index, file in enumerate(files)
        for key, later in overridden_settings(file, files[index + 1 :]).items()
    ]
    return CommandLine(words, files, name, notes)


def _split_config(argument: str) -> list[str]:
    """All ways to write ``--config FILE`` as two words; anything else as it is."""
    for short in ("--config=", "-c=", "-c"):
        if argument.startswith(short):
            return ["--config", argument.removeprefix(short)] if argument != "-c" else ["--config"]
    return [argument]


def _given(words: Sequence[str], option: str) -> list[str]:
    """What the command line gives for an option, the value that counts first."""
    separate = (f"{option}={word}" if before == option else word for before, word in pairwise(["", *words]))
    return [word.removeprefix(f"{option}=") for word in separate if word.startswith(f"{option}=")][::-1]


def _for_task(file: ConfigFile, tasks: Sequence[str]) -> ConfigFile:
    if "by_task" not in file.content:
        return file
    blocks = file.content["by_task"]
    if not isinstance(blocks, dict) or not all(isinstance(block, dict) for block in blocks.values()):
        raise ConfigError(f"by_task in {file.path} must hold a block of settings for each task's name.")
    # A task that is a variation of another one, and has no block of its own, takes that of the other.
    general = {key: value for key, value in file.content.items() if key != "by_task"}
    return replace(file, content=_merge(general, next((blocks[task] for task in tasks if task in blocks), {})))


def read_config(name: str) -> ConfigFile:
    """Read a YAML file of settings by the name given to ``--config``.

    Raises:
        ConfigError: It is not found, or holds no settings.
    """
    path = find_config(name)
    try:
        text = path.read_text(encoding="utf-8")
        written, content = (yaml.safe_load(version) or {} for version in (text, with_public_names(text)))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is not a YAML file: {' '.join(str(error).split())}.") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold settings by name, such as federated: {{rounds: 3}}.")
    return ConfigFile(name, path, written, content)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
