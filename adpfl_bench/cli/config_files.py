"""Finding YAML files: the working directory's first, then those that come with the package; what is in them by task."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from adpfl_bench.errors import ConfigError

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
    if Path(name).is_file():
        return Path(name)
    packaged = packaged_root() / name
    if packaged.is_file():
        return packaged
    raise ConfigError(
        f"There is no configuration file {name}, neither in {Path.cwd()} nor with the package; it comes with"
        f" {', '.join(packaged_configs())}."
    )


def resolve_config_arguments(arguments: list[str]) -> list[str]:
    """Replace the file names after ``--config``, ``-c`` or ``--config=`` by what they stand for.

    That is the file found for the name or, where the file has a block ``by_task``, its text with the block of the
    command line's task merged into it.

    Raises:
        ConfigError: A file is not found, or its ``by_task`` is not a block for each task.
    """
    resolved: list[str] = []
    files: list[int] = []
    for argument in arguments:
        if argument.startswith("--config="):
            resolved += ["--config", argument.removeprefix("--config=")]
        else:
            resolved.append(argument)
        if len(resolved) > 1 and resolved[-2] in ("--config", "-c"):
            resolved[-1] = str(find_config(resolved[-1]))
            files.append(len(resolved) - 1)
    tasks = _task_names(resolved, [resolved[index] for index in files])
    for index in files:
        resolved[index] = _for_task(resolved[index], tasks)
    return resolved


def _task_names(arguments: list[str], files: list[str]) -> list[str]:
    """The tasks that the command line names, the one that counts first: by ``--task``, then in files from the last."""
    given = [word.removeprefix("--task=") for word in arguments if word.startswith("--task=")]
    given += [word for before, word in pairwise(arguments) if before == "--task"]
    return [*given, *(str(content["task"]) for content in map(_read_mapping, reversed(files)) if "task" in content)]


def _for_task(file: str, tasks: list[str]) -> str:
    content = _read_mapping(file)
    if "by_task" not in content:
        return file
    blocks = content.pop("by_task")
    if not isinstance(blocks, dict) or not all(isinstance(block, dict) for block in blocks.values()):
        raise ConfigError(f"by_task in {file} must hold a block of settings for each task's name.")
    # A task that is a variation of another one, and has no block of its own, takes that of the other.
    return yaml.safe_dump(_merge(content, next((blocks[task] for task in tasks if task in blocks), {})))


def _read_mapping(file: str) -> dict[str, Any]:
    # What is no mapping, or no YAML, is left for the parser to complain of.
    try:
        content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
