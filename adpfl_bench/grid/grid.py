"""What a benchmark consists of: which tasks, methods and seeds, and with what settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TaskEntry:
    """A task of the grid.

    Attributes:
        name: What the task's file calls it.
        file: The file.
        configs: Further files for its runs, in place of the grid's own; ``None`` for those.
    """

    name: str
    file: str
    configs: tuple[str, ...] | None = None


@dataclass(frozen=True)
class MethodEntry:
    """A method of the grid.

    Attributes:
        files: Its files, in the order of the command line.
        name: Its name in records and tables; ``None`` for what the files make it.
        overrides: Settings of this method, by dotted name.
    """

    files: tuple[str, ...]
    name: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What messages call it."""
        return self.name or " + ".join(self.files)


@dataclass(frozen=True)
class Pattern:
    """Runs by task, method and seed; ``*`` and ``?`` stand for any letters in names.

    Attributes:
        task: Patterns of the task's name; any of them fits.
        method: Of the method's name, likewise.
        seed: The seeds; empty for all.
    """

    task: tuple[str, ...] = ("*",)
    method: tuple[str, ...] = ("*",)
    seed: tuple[int, ...] = ()

    def matches(self, task: str, method: str, seed: int) -> bool:
        """Whether a run is meant."""
        named = zip((task, method), (self.task, self.method), strict=True)
        fits = all(any(fnmatchcase(name, pattern) for pattern in patterns) for name, patterns in named)
        return fits and (not self.seed or seed in self.seed)

    def __str__(self) -> str:
        seeds = ",".join(map(str, self.seed)) or "*"
        return f"{','.join(self.task)}/{','.join(self.method)}/{seeds}"


@dataclass(frozen=True)
class Grid:
    """A benchmark as its file states it.

    Attributes:
        tasks: Task files, or mappings of ``file`` and ``configs``.
        methods: Method files, lists of files that combine, or mappings of ``name``, ``files`` and ``overrides``.
        seeds: The runs' seeds.
        configs: Further files for every run.
        overrides: Settings of every run, by dotted name.
        by_task: Settings by task; they come after ``overrides``, and those of a method last.
        exclude: What is left out of the product of tasks, methods and seeds.
        output: Folder of runs, logs and what is kept to continue them.
        results: Folder of tables; ``None`` for ``results`` in ``output``.
        slurm: What jobs ask Slurm for, as submitit's AutoExecutor calls it.
    """

    tasks: tuple[TaskEntry, ...]
    methods: tuple[MethodEntry, ...]
    seeds: tuple[int, ...]
    configs: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    by_task: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    exclude: tuple[Pattern, ...] = ()
    output: Path = Path("benchmark")
    results: Path | None = None
    slurm: Mapping[str, Any] = field(default_factory=dict)

    @property
    def results_folder(self) -> Path:
        """Where the tables go."""
        return self.results or self.output / "results"


def as_options(overrides: Mapping[str, Any]) -> list[str]:
    """Settings by dotted name as words of a command line."""
    return [f"--{key}={_as_word(value)}" for key, value in overrides.items()]


def _as_word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
