"""Plan of a grid's runs, each with its command line; nothing is started before all of them are checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

from adpfl_bench.config.config_files import settle
from adpfl_bench.config.method_files import ConfigFile
from adpfl_bench.errors import ConfigError
from adpfl_bench.grid.checked_configuration import (
    ONE_PROCESS,
    AskedProcesses,
    Check,
    Configuration,
    check_configuration,
    checked_configurations,
)
from adpfl_bench.grid.grid import Grid, MethodEntry, Pattern, TaskEntry, as_options
from adpfl_bench.grid.run_files import RunFiles


def method_name(words: Sequence[str]) -> str:
    """Name the method of a command line of fit, without parsing the rest of it."""
    return settle(words).method


def source_digests(words: Sequence[str]) -> dict[str, str]:
    """SHA-256 of each configuration file that a command line of fit reads, by the name it is given."""
    return _digests(settle(words).files)


def _digests(files: Sequence[ConfigFile]) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.path.read_bytes()).hexdigest() for file in files}


@dataclass(frozen=True)
class GridRun:
    """A run of the grid.

    Attributes:
        task: Name of the task.
        method: Name of the method.
        seed: Its seed.
        rounds: How many rounds it has.
        words: What follows ``fit``, apart from the checkpoint.
        settings: Its settings, by dotted name, with the seed of another run.
        sources: SHA-256 of the configuration files that it was planned from.
        output: The benchmark's folder.
        retry_failed: Whether to try it again if it has failed.
        asked: The processes that its files ask for.
    """

    task: str
    method: str
    seed: int
    rounds: int
    words: tuple[str, ...]
    settings: Mapping[str, str]
    sources: Mapping[str, str]
    output: Path
    retry_failed: bool = False
    asked: AskedProcesses = ONE_PROCESS

    @property
    def name(self) -> str:
        """Name in messages, and place below the benchmark's folders."""
        return run_name(self.task, self.method, self.seed)

    @property
    def files(self) -> RunFiles:
        """Its files."""
        return RunFiles(self.output, self.name)

    def to_json(self) -> str:
        """As text, for another process."""
        return json.dumps({**asdict(self), "output": str(self.output)})

    @classmethod
    def from_json(cls, text: str) -> GridRun:
        """From :meth:`to_json`."""
        stated = json.loads(text)
        read = {"words": tuple(stated["words"]), "output": Path(stated["output"])}
        return cls(**{**stated, **read, "asked": AskedProcesses(*stated["asked"])})


def run_name(task: str, method: str, seed: int) -> str:
    """Return a run's folder below the folder of runs, in the suite's own layout."""
    return f"{task}/{method}/seed{seed}"


class _Cell(NamedTuple):
    task: TaskEntry
    method: MethodEntry
    name: str
    words: list[str]
    files: Sequence[ConfigFile]
    seeds: list[int]


def make_plan(
    grid: Grid, only: Sequence[Pattern] = (), retry_failed: bool = False, check: Check = check_configuration
) -> list[GridRun]:
    """Settle which runs there are, seed after seed, and check the configuration of each.

    Args:
        grid: The grid.
        only: Runs that are wanted, if not all.
        retry_failed: Whether to try runs again that have failed.
        check: Says what a command line of fit amounts to, or refuses it.

    Raises:
        ConfigError: Two methods of a task have the same name, a pattern fits no run, or fit would refuse a
            configuration; all that it would refuse are listed.
    """
    cells = _cells(grid)
    everything = [(cell.task.name, cell.name, seed) for cell in cells for seed in grid.seeds]
    for patterns, source in ((grid.exclude, "exclude"), (only, "--only")):
        for pattern in patterns:
            if not any(pattern.matches(*run) for run in everything):
                raise ConfigError(
                    f"{source} has {pattern}, which fits no run of the grid; {_what_there_is(cells, grid)}."
                )
    chosen = [cell._replace(seeds=_wanted(cell, grid, only)) for cell in cells]
    chosen = [cell for cell in chosen if cell.seeds]
    if not chosen:
        raise ConfigError("No run is left of the grid: see what exclude and --only leave out.")
    checked = [(cell, found, _digests(cell.files)) for cell, found in _checked(chosen, check)]
    return [
        GridRun(
            task=cell.task.name,
            method=cell.name,
            seed=seed,
            rounds=found.rounds,
            words=(*cell.words, *_of_seed(grid, cell, seed)),
            settings=found.settings,
            sources=sources,
            output=grid.output,
            retry_failed=retry_failed,
            asked=found.asked,
        )
        for seed in grid.seeds
        for cell, found, sources in checked
        if seed in cell.seeds
    ]


def _of_seed(grid: Grid, cell: _Cell, seed: int) -> tuple[str, str]:
    folder = RunFiles(grid.output, run_name(cell.task.name, cell.name, seed)).folder
    return f"--seed_everything={seed}", f"--trainer.default_root_dir={folder}"


def _cells(grid: Grid) -> list[_Cell]:
    cells: dict[tuple[str, str], _Cell] = {}
    for task in grid.tasks:
        for method in grid.methods:
            words = _words(grid, task, method)
            line = settle(words)
            name = line.method
            other = cells.setdefault((task.name, name), _Cell(task, method, name, words, line.files, []))
            if other.method is not method:
                raise ConfigError(
                    f"{other.method.label} and {method.label} are both called {name} on {task.name}: give one of them"
                    " a name of its own."
                )
    return list(cells.values())


def _words(grid: Grid, task: TaskEntry, method: MethodEntry) -> list[str]:
    configs = grid.configs if task.configs is None else task.configs
    files = [task.file, *method.files, *configs]
    settings = (grid.overrides, grid.by_task.get(task.name, {}), method.overrides)  # later words win
    options = [word for stated in settings for word in as_options(stated)]
    named = [] if method.name is None else [f"--method={method.name}"]
    trusted = [f"--trust={module}" for module in grid.trust]
    return [*(word for file in files for word in ("--config", file)), *options, *named, *trusted]


def _wanted(cell: _Cell, grid: Grid, only: Sequence[Pattern]) -> list[int]:
    def fits(patterns: Sequence[Pattern], seed: int) -> bool:
        return any(pattern.matches(cell.task.name, cell.name, seed) for pattern in patterns)

    return [seed for seed in grid.seeds if not fits(grid.exclude, seed) and (not only or fits(only, seed))]


def _checked(cells: Sequence[_Cell], check: Check) -> list[tuple[_Cell, Configuration]]:
    found, problems = [], []
    every = [tuple(cell.words) for cell in cells]
    answers = dict(checked_configurations(every, check))
    for cell, words in zip(cells, every, strict=True):
        configuration = answers[words]
        if isinstance(configuration, str):
            problems.append(f"{cell.task.name} with {cell.method.label}: {configuration}")
            continue
        if (configuration.task, configuration.method) != (cell.task.name, cell.name):
            problems.append(
                f"{cell.task.name} with {cell.method.label} comes out as {configuration.task} with"
                f" {configuration.method}: only a task's file can name the task, and a method's files the method."
            )
        found.append((cell, configuration))
    if problems:
        raise ConfigError("Nothing was started, since fit would refuse:\n" + "\n".join(f"  {p}" for p in problems))
    return found


def _what_there_is(cells: Sequence[_Cell], grid: Grid) -> str:
    tasks = ", ".join(task.name for task in grid.tasks)
    methods = ", ".join(dict.fromkeys(cell.name for cell in cells))
    return f"its tasks are {tasks}, its methods {methods}, its seeds {', '.join(map(str, grid.seeds))}"


def read_patterns(text: str) -> list[Pattern]:
    """Read what ``--only`` gives: ``task/method/seed`` patterns separated by commas, the later parts optional.

    Raises:
        ConfigError: A seed is no number, or there are more than three parts.
    """
    patterns = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        task, method, seed, *more = [*entry.split("/"), *["*"] * 2][: max(3, entry.count("/") + 1)]
        if more or not (seed == "*" or seed.removeprefix("seed").isdecimal()):
            raise ConfigError(f"--only takes patterns like isic/adp_fl*/0, separated by commas, but it has {entry}.")
        seeds = () if seed == "*" else (int(seed.removeprefix("seed")),)
        patterns.append(Pattern(task=(task or "*",), method=(method or "*",), seed=seeds))
    if not patterns:
        raise ConfigError("--only names no run: give patterns like isic/adp_fl*/0, separated by commas.")
    return patterns
