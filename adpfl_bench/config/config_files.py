"""The YAML files of a command line: the working directory's first, then the package's; what they say for its task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from adpfl_bench.config.method_files import (
    DEFAULT_METHOD,
    check_unit_is_stated,
    combined_name,
    default_applies,
    overridden_settings,
    without_replaced_methods,
)
from adpfl_bench.errors import ConfigError
from adpfl_bench.public_names import with_public_names

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = ("tasks", "callbacks", "configs")
_CONFIG = ("--config", "-c")


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
    if Path(name).is_file():
        return Path(name)
    packaged = packaged_root() / name
    if packaged.is_file():
        return packaged
    raise ConfigError(
        f"There is no configuration file {name}, neither in {Path.cwd()} nor with the package; it comes with"
        f" {', '.join(packaged_configs())}."
    )


class ResolvedArguments(NamedTuple):
    """A command line as the parser takes it.

    Attributes:
        words: The command line with files found and settled for its task, and the method's name where files make it up.
        base_files: What is below these files: the default method's file, or nothing.
        notes: Sentences on what a method file states and another one overrides.
    """

    words: list[str]
    base_files: list[str]
    notes: list[str]


def resolve_config_arguments(arguments: Sequence[str]) -> ResolvedArguments:
    """Replace the file names after ``--config`` or ``-c`` by what they stand for, and settle the method.

    A name stands for the file found for it or, where the command line changes what the file means, for its text:
    where it has a block ``by_task``, with the block of the command line's task merged into it; where a later file
    takes its method's place, without that method. A name given by ``--method`` holds wherever it is given.

    Raises:
        ConfigError: A file is not found, its ``by_task`` is not a block for each task, or settings of privacy would
            have no effect.
    """
    words: list[str] = []
    places: list[int] = []
    for argument in arguments:
        words += _split_config(with_public_names(argument))
        if len(words) > 1 and words[-2] in _CONFIG:
            words[-1] = str(find_config(words[-1]))
            places.append(len(words) - 1)
    found = [words[place] for place in places]
    written = [_read_mapping(file) for file in found]
    stated = [_read_mapping(file, with_public_names) for file in found]
    tasks = [*_given(words, "--task"), *(str(content["task"]) for content in reversed(stated) if "task" in content)]
    settled = [_for_task(file, content, tasks) for file, content in zip(found, stated, strict=True)]
    check_unit_is_stated(list(zip(found, settled, strict=True)), words)
    settled = without_replaced_methods(settled)
    for place, before, after in zip(places, written, settled, strict=True):
        if after != before:
            words[place] = yaml.safe_dump(after)
    given = _given(words, "--method")
    name = given[0] if given else combined_name(settled)
    if name is not None and places:
        words.insert(places[-1] + 1, f"--method={name}")
    notes = [
        f"federated.{key} is not as {found[place]} says, but as {found[later]} does, which comes later."
        for place, lost in overridden_settings(settled).items()
        for key, later in lost.items()
    ]
    return ResolvedArguments(words, [str(find_config(DEFAULT_METHOD))] if default_applies(settled) else [], notes)


def _split_config(argument: str) -> list[str]:
    """``--config=FILE``, ``-c=FILE`` and ``-cFILE`` as two words; anything else as it is."""
    if argument.startswith("--config="):
        return ["--config", argument.removeprefix("--config=")]
    if argument.startswith("-c") and len(argument) > 2:
        return ["-c", argument.removeprefix("-c").removeprefix("=")]
    return [argument]


def _given(words: Sequence[str], option: str) -> list[str]:
    """What the command line gives for an option, the value that counts first."""
    values = []
    for before, word in pairwise(["", *words]):
        if before == option:
            values.append(word)
        elif word.startswith(f"{option}="):
            values.append(word.removeprefix(f"{option}="))
    return values[::-1]


def _for_task(file: str, content: Mapping[str, Any], tasks: Sequence[str]) -> Mapping[str, Any]:
    if "by_task" not in content:
        return content
    blocks = content["by_task"]
    if not isinstance(blocks, dict) or not all(isinstance(block, dict) for block in blocks.values()):
        raise ConfigError(f"by_task in {file} must hold a block of settings for each task's name.")
    # A task that is a variation of another one, and has no block of its own, takes that of the other.
    general = {key: value for key, value in content.items() if key != "by_task"}
    return _merge(general, next((blocks[task] for task in tasks if task in blocks), {}))


def _read_mapping(file: str, reworded: Callable[[str], str] = str) -> dict[str, Any]:
    # What is no mapping, or no YAML, is left for the parser to complain of.
    try:
        content = yaml.safe_load(reworded(Path(file).read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
