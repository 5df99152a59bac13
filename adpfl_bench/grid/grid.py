"""Grid file: the tasks, methods and seeds of a benchmark, and their settings."""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from adpfl_bench.config.config_files import find_config
from adpfl_bench.config.yaml_text import line_of, read_yaml
from adpfl_bench.errors import ConfigError
from adpfl_bench.text import name_problem
from adpfl_bench.trust import is_below, trusted_modules

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

_MOST_SEED = 2**32 - 1  # as of fit
_COMMANDS = ("setup", "teardown", "srun_args")

_Entry = TypeVar("_Entry")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [*value] if isinstance(value, tuple) else [value]


def _distinct(entries: tuple[_Entry, ...]) -> tuple[_Entry, ...]:
    names = [getattr(entry, "name", entry) for entry in entries]
    twice = [name for position, name in enumerate(names) if name in names[:position]]
    if twice:
        raise ValueError(f"has {twice[0]} twice; each run of a grid is made once")
    return entries


def _not_naming_a_run(settings: dict[str, Any]) -> dict[str, Any]:
    for key in settings:
        for name, instead in _NAMES_A_RUN.items():
            if key == name or key.startswith(f"{name}."):
                raise ValueError(f"cannot set {key}: {instead}")
    return settings


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
Seed = Annotated[StrictInt, Field(ge=0, le=_MOST_SEED)]
Settings = Annotated[dict[str, Any], AfterValidator(_not_naming_a_run), BeforeValidator(lambda stated: stated or {})]


class _Stated(BaseModel):
    """A mapping in the file; what is stated as null is not stated."""

    model_config = ConfigDict(frozen=True)

    alone: ClassVar[str] = ""
    """The key of what stands without one."""

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, stated: Any) -> Any:
        if cls.alone and not isinstance(stated, dict):
            stated = {cls.alone: stated}
        if not isinstance(stated, dict) or not stated:
            raise ValueError(f"must be a mapping with keys of {', '.join(cls.model_fields)}, but it is {stated!r}")
        unknown = [key for key in stated if key not in cls.model_fields]
        if unknown:
            raise ValueError(f"has {unknown[0]}, which is none of {', '.join(cls.model_fields)}")
        return {key: value for key, value in stated.items() if value is not None}


class TaskEntry(_Stated):
    """A task of the grid.

    Attributes:
        file: Its file.
        configs: Further files for its runs, in place of the grid's own; ``None`` for those.
    """

    alone = "file"

    file: Text
    configs: Texts | None = None

    @cached_property
    def name(self) -> str:
        """Name in the task's file."""
        content = read_yaml(find_config(self.file))
        if not isinstance(content, dict) or not isinstance(content.get("task"), str):
            raise ValueError(f"lists {self.file}, which does not name a task")
        return str(content["task"])


class MethodEntry(_Stated):
    """A method of the grid.

    Attributes:
        files: Its files, in the order of the command line.
        name: Its name in records and tables; ``None`` for what the files make it.
        overrides: Settings of this method, by dotted name.
    """

    alone = "files"

    files: Annotated[Texts, Field(min_length=1)]
    name: Text | None = None
    overrides: Settings = Field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name in messages."""
        return self.name or " + ".join(self.files)


class Pattern(_Stated):
    """Runs by task, method and seed; ``*`` and ``?`` stand for any letters in names.

    Attributes:
        task: Patterns of the task's name; any of them fits.
        method: Of the method's name, likewise.
        seed: The seeds; empty for all.
    """

    task: Texts = ("*",)
    method: Texts = ("*",)
    seed: Annotated[tuple[Seed, ...], BeforeValidator(_listed)] = ()

    def matches(self, task: str, method: str, seed: int) -> bool:
        """Whether a run is meant."""
        named = zip((task, method), (self.task, self.method), strict=True)
        fits = all(any(fnmatchcase(name, pattern) for pattern in patterns) for name, patterns in named)
        return fits and (not self.seed or seed in self.seed)

    def __str__(self) -> str:
        seeds = ",".join(map(str, self.seed)) or "*"
        return f"{','.join(self.task)}/{','.join(self.method)}/{seeds}"


class Grid(_Stated):
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
        trust: Modules whose classes the configurations name beside the suite's own; the command line has to say so too.
    """

    tasks: Annotated[tuple[TaskEntry, ...], Field(min_length=1), BeforeValidator(_listed), AfterValidator(_distinct)]
    methods: Annotated[tuple[MethodEntry, ...], Field(min_length=1), BeforeValidator(_listed)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), BeforeValidator(_listed), AfterValidator(_distinct)]
    configs: Texts = ()
    overrides: Settings = Field(default_factory=dict)
    by_task: dict[str, Settings] = Field(default_factory=dict)
    exclude: Annotated[tuple[Pattern, ...], BeforeValidator(_listed)] = ()
    output: Path = Path("benchmark")
    results: Path | None = None
    slurm: dict[str, Any] = Field(default_factory=dict)
    trust: Texts = ()

    @field_validator("by_task")
    @classmethod
    def _of_tasks(cls, by_task: dict[str, Any], others: ValidationInfo) -> dict[str, Any]:
        known = [task.name for task in others.data.get("tasks", ())]
        unknown = [name for name in by_task if name not in known]
        if known and unknown:
            raise ValueError(f"has {unknown[0]}, which is none of the grid's tasks {', '.join(known)}")
        return by_task

    @property
    def results_folder(self) -> Path:
        """Folder of the tables."""
        return self.results or self.output / "results"


def read_grid(name: str) -> Grid:
    """Read a grid file.

    Args:
        name: The file, looked for as files of ``--config`` are.

    Raises:
        ConfigError: It is missing, no YAML, or states something that no grid has.
    """
    path = find_config(name)
    try:
        return Grid.model_validate(read_yaml(path))
    except ValidationError as error:
        raise ConfigError(_sentence(error, path)) from None


def confirmed_trust(grid: Grid, given: Sequence[str], name: str) -> tuple[str, ...]:
    """Return the modules that a grid's runs may name classes of.

    A file must not vouch for itself: what it asks for holds only if the command line asks for it.

    Args:
        grid: The grid.
        given: What ``--trust`` names.
        name: The grid's file.

    Raises:
        ConfigError: The grid asks for more, or has commands for a shell, which ``--trust submitit`` lets it have.
    """
    trusted = trusted_modules(given)
    _check_jobs(grid.slurm, trusted, name)
    missing = [module for module in grid.trust if not is_below(module, trusted)]
    if missing:
        raise ConfigError(
            f"{name} asks to trust {' and '.join(missing)}, whose code would run here. If you know that code and want"
            f" it to run, add {' '.join(f'--trust {module}' for module in missing)}."
        )
    return trusted


def _check_jobs(parameters: Mapping[str, Any], trusted: Sequence[str], name: str) -> None:
    """Refuse, by a ConfigError, what of a cluster's parameters a shell would run, or take for a line of its own."""
    for key, value in parameters.items():
        if key.endswith(_COMMANDS) and not is_below("submitit", trusted):
            raise ConfigError(
                f"slurm.{key} in {name} holds commands that each job would run. If you know them and want them to run,"
                " add --trust submitit."
            )
        lines = [key, *value, *value.values()] if isinstance(value, dict) else [key, value]
        if not key.endswith(_COMMANDS) and any(name_problem(str(line)) for line in lines):
            raise ConfigError(f"slurm.{key} in {name} must be one line of ordinary letters, but it is {value!r}.")


def _sentence(error: ValidationError, path: Path) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"])) or "the file"
    if first["type"] in ("missing", "too_short"):
        return f"{path} must list {where}, at least one of them, but it does not."
    if first["type"] == "value_error":
        return f"{where} in {path} {first['ctx']['error']}."
    line = line_of(path, *first["loc"])
    return f"{where} in {path} is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]} (line {line})."


def as_options(overrides: Mapping[str, Any]) -> list[str]:
    """Return settings by dotted name as words of a command line."""
    return [f"--{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in overrides.items()]
