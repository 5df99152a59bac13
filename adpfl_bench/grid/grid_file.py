"""The file that states a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from adpfl_bench.config.config_files import find_config
from adpfl_bench.errors import ConfigError
from adpfl_bench.grid.grid import Grid, MethodEntry, Pattern, TaskEntry

_NAMES_A_RUN = {
    "task": "name it in the task's file",
    "method": "give the method's entry a name",
    "seed_everything": "list it under seeds",
    "trainer.default_root_dir": "give output",
    "ckpt_path": "the benchmark continues runs by itself",
    "score": "tables are made from scores",
    "record": "the benchmark keeps the records",
    "config": "list files under configs",
    "print_config": "use --dry_run",
}


def read_grid(name: str) -> Grid:
    """Read a grid file.

    Args:
        name: The file, looked for as files of ``--config`` are.

    Raises:
        ConfigError: It is missing, no YAML, or states something that no grid has.
    """
    path = find_config(name)
    grid = _Reader(str(path)).grid(_read_yaml(path))
    unknown = grid.by_task.keys() - {task.name for task in grid.tasks}
    if unknown:
        known = ", ".join(task.name for task in grid.tasks)
        raise ConfigError(f"by_task in {path} has {sorted(unknown)[0]}, which is none of the grid's tasks {known}.")
    return grid


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {error}") from error


class _Reader:
    """Checks what a grid file states, and names the file in what is wrong."""

    def __init__(self, path: str) -> None:
        self.path = path

    def grid(self, content: Any) -> Grid:
        stated = self.mapping(content, "the file", [entry.name for entry in fields(Grid)])
        for key in ("tasks", "methods", "seeds"):
            if not stated.get(key):
                raise ConfigError(f"{self.path} must list {key}, at least one of them, but it does not.")
        given: dict[str, Any] = {
            "tasks": self.distinct("tasks", [self.task(entry) for entry in self.listed(stated["tasks"], "tasks")]),
            "methods": tuple(self.method(entry) for entry in self.listed(stated["methods"], "methods")),
            "seeds": self.distinct("seeds", self.numbers(stated["seeds"], "seeds")),
            "configs": self.texts(stated.get("configs") or [], "configs"),
            "overrides": self.settings(stated.get("overrides") or {}, "overrides"),
            "by_task": {
                str(task): self.settings(block or {}, f"by_task.{task}")
                for task, block in self.mapping(stated.get("by_task") or {}, "by_task").items()
            },
            "exclude": tuple(self.pattern(entry) for entry in self.listed(stated.get("exclude") or [], "exclude")),
            "slurm": self.mapping(stated.get("slurm") or {}, "slurm"),
        }
        for key in ("output", "results"):
            if stated.get(key) is not None:
                given[key] = Path(self.text(stated[key], key))
        return Grid(**given)

    def task(self, entry: Any) -> TaskEntry:
        if not isinstance(entry, dict):
            entry = {"file": entry}
        stated = self.mapping(entry, "an entry of tasks", ["file", "configs"])
        file = self.text(stated.get("file"), "the file of a task")
        content = _read_yaml(find_config(file))
        if not isinstance(content, dict) or not isinstance(content.get("task"), str):
            raise ConfigError(f"{file} is listed under tasks in {self.path}, but it does not name a task.")
        configs = None if stated.get("configs") is None else self.texts(stated["configs"], f"the configs of {file}")
        return TaskEntry(content["task"], file, configs)

    def method(self, entry: Any) -> MethodEntry:
        if not isinstance(entry, dict):
            entry = {"files": entry}
        stated = self.mapping(entry, "an entry of methods", ["name", "files", "overrides"])
        files = self.texts(stated.get("files") or [], "the files of a method")
        if not files:
            raise ConfigError(f"A method in {self.path} has no files: give at least one, like callbacks/fedavg.yaml.")
        name = None if stated.get("name") is None else self.text(stated["name"], "the name of a method")
        return MethodEntry(files, name, self.settings(stated.get("overrides") or {}, f"the overrides of {files[0]}"))

    def pattern(self, entry: Any) -> Pattern:
        stated = self.mapping(entry, "an entry of exclude", ["task", "method", "seed"])
        if not stated:
            raise ConfigError(f"An entry of exclude in {self.path} is empty, which would leave out every run.")
        given: dict[str, Any] = {
            key: self.texts(stated[key], f"{key} in exclude") for key in ("task", "method") if key in stated
        }
        if "seed" in stated:
            given["seed"] = self.numbers(stated["seed"], "seed in exclude")
        return Pattern(**given)

    def settings(self, value: Any, where: str) -> dict[str, Any]:
        stated = {str(key): setting for key, setting in self.mapping(value, where).items()}
        for key in stated:
            reserved = next((name for name in _NAMES_A_RUN if key == name or key.startswith(f"{name}.")), None)
            if reserved is not None:
                raise ConfigError(f"{where} in {self.path} cannot set {key}: {_NAMES_A_RUN[reserved]}.")
        return stated

    def mapping(self, value: Any, where: str, keys: Sequence[str] | None = None) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ConfigError(f"{where} in {self.path} must be a mapping, but it is {value!r}.")
        unknown = [] if keys is None else [key for key in value if key not in keys]
        if unknown:
            known = ", ".join(keys or ())
            raise ConfigError(f"{where} in {self.path} has {unknown[0]}, which is none of {known}.")
        return value

    def listed(self, value: Any, where: str) -> list[Any]:
        return value if isinstance(value, list) else [value]

    def texts(self, value: Any, where: str) -> tuple[str, ...]:
        return tuple(self.text(entry, where) for entry in self.listed(value, where))

    def text(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{where} in {self.path} must be text, but it is {value!r}.")
        return value

    def numbers(self, value: Any, where: str) -> tuple[int, ...]:
        entries = self.listed(value, where)
        wrong = [entry for entry in entries if not isinstance(entry, int) or isinstance(entry, bool) or entry < 0]
        if wrong:
            raise ConfigError(f"{where} in {self.path} must be whole numbers from 0, but there is {wrong[0]!r}.")
        return tuple(entries)

    def distinct(self, key: str, entries: Sequence[Any]) -> tuple[Any, ...]:
        names = [getattr(entry, "name", entry) for entry in entries]
        twice = [name for position, name in enumerate(names) if name in names[:position]]
        if twice:
            raise ConfigError(f"{key} in {self.path} has {twice[0]} twice; each run of a grid is made once.")
        return tuple(entries)
