"""Configuration files of a command line: the working directory's first, then the package's; settings by task."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path
from typing import NamedTuple, NoReturn

import yaml

from adpfl_bench.config.method_files import (
    DEFAULT_METHOD,
    ConfigFile,
    check_unit_is_stated,
    method_name,
    overridden_settings,
    without_replaced_methods,
)
from adpfl_bench.config.yaml_text import line_of, parse_yaml, problem_of, read_yaml
from adpfl_bench.errors import ConfigError
from adpfl_bench.public_names import with_public_names
from adpfl_bench.text import folder_name_problem, listed
from adpfl_bench.trust import trusted_modules

_PACKAGE = Path(__file__).resolve().parents[1]
_FOLDERS = ("tasks", "callbacks", "configs")


def packaged_root() -> Path:
    """Folder with the suite's own ``tasks/``, ``callbacks/`` and ``configs/``."""
    installed = _PACKAGE / "yaml"
    return installed if installed.is_dir() else _PACKAGE.parent


def packaged_configs() -> list[str]:
    """Return the names of the YAML files that come with the package, as one gives them to ``--config``."""
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
    near = get_close_matches(name, packaged_configs(), n=1, cutoff=0.8)
    raise ConfigError(
        f"There is no configuration file {listed([name])}, neither in {Path.cwd()} nor with the package;"
        + (
            f" did you mean {near[0]}?"
            if near
            else " adpfl-bench list tasks methods places lists those of the package."
        )
    )


def read_config(name: str) -> ConfigFile:
    """Read a YAML file of settings by the name given to ``--config``.

    Raises:
        ConfigError: It is not found, or holds no settings.
    """
    path = find_config(name)
    content = read_yaml(path) or {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path} must hold settings by name, such as federated: {{rounds: 3}}.")
    for key in ("task", "method"):
        if content.get(key) is not None and not isinstance(content[key], str):
            raise ConfigError(
                f"{key} in {path}, line {line_of(path, key)}, is read as {content[key]!r} and not as text; put it in"
                " quotes."
            )
    return ConfigFile(name, path, content)


class CommandLine(NamedTuple):
    """A command line with its files found and settled.

    Attributes:
        words: The command line as the parser takes it: files, then options.
        files: Its configuration files, the default method's first where it applies.
        method: What the run's method is called.
        notes: Sentences on what a file or option states and another one overrides.
        trusted: Modules that ``--trust`` names, whose classes the configuration may name too.
    """

    words: list[str]
    files: list[ConfigFile]
    method: str
    notes: list[str]
    trusted: tuple[str, ...]


class WordParser(argparse.ArgumentParser):
    """argparse without abbreviations and help, whose complaints are errors that the command line prints."""

    def __init__(self) -> None:
        super().__init__(add_help=False, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Raise the complaint.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{message[0].upper()}{message[1:]}; --help lists what there is.")


def settle(arguments: Sequence[str]) -> CommandLine:
    """Find the files of a command line, and settle what they mean together.

    * ``--config NAME`` and ``-c NAME`` stand for the file found for it, or for its text where another file changes it.
    * The block of the command line's task under ``by_task`` is as a file of its own, after the one that it stands in.
    * Options override files. The method's name is that of ``--method``, or the one that the files make up.
    * ``--trust`` is for the person at the command line alone: no file can say it.

    Raises:
        ConfigError: A file is not found or is no YAML, its ``by_task`` is not a block for each task, or settings of
            privacy would have no effect.
    """
    parser = WordParser()
    parser.add_argument("-c", "--config", action="append", default=[])
    parser.add_argument("--task")
    parser.add_argument("--method")
    parser.add_argument("--trust", action="append", default=[])
    given, options = parser.parse_known_args([with_public_names(word) for word in arguments])
    _check_values(options)
    files = [read_config(name) for name in given.config]
    tasks = [given.task, *(file.content.get("task") for file in reversed(files))]
    files = [part for file in files for part in _for_task(file, tasks)]
    if all(file.kind == "variation" for file in files):
        files.insert(0, read_config(DEFAULT_METHOD))
    check_unit_is_stated(files, options)
    files = without_replaced_methods(files)
    method = method_name(files) if given.method is None else given.method
    _check_folder_name("method", method)
    _check_folder_name("task", next((task for task in tasks if task is not None), "task"))
    named = [f"--method={method}", *([] if given.task is None else [f"--task={given.task}"])]
    configs = [word for file in files for word in ("--config", file.argument)]
    notes = [
        f"federated.{key} is not as {file.path} says, but as {later} does, which comes later."
        for index, file in enumerate(files)
        for key, later in overridden_settings(file, files[index + 1 :]).items()
    ]
    notes += _lost_arguments(options)
    return CommandLine([*configs, *named, *options], files, method, notes, trusted_modules(given.trust))


def _check_folder_name(key: str, name: str) -> None:
    """Refuse a name that would be another place than a folder below runs/, or none."""
    if (problem := folder_name_problem(name)) is not None:
        raise ConfigError(f"The {key} is called {name[:80]!r}, which {problem}; give it another name.")


def _check_values(options: Sequence[str]) -> None:
    """Refuse blocks and lists that are given as options and can be read in two ways; the parser would say less."""
    name = ""
    for word in options:
        option, _, value = word.partition("=") if word.startswith("--") else (name, "", word)
        name = option
        if value.lstrip().startswith(("{", "[")):
            try:
                parse_yaml(value)
            except yaml.YAMLError as error:
                raise ConfigError(f"{name} is not given in YAML of plain values: {problem_of(error)}.") from error


def _lost_arguments(options: Sequence[str]) -> Iterator[str]:
    """Point out arguments of a class that stand before the class, which then starts from its own defaults."""
    names = [word.partition("=")[0] for word in options if word.startswith("--")]
    keys = [name.replace(".init_args.", ".").removesuffix(".class_path") for name in names]
    for (early, early_key), (late, late_key) in combinations(zip(names, keys, strict=True), 2):
        if early_key.startswith(f"{late_key}."):
            yield (
                f"{early} stands before {late}: if that is another class than before, it starts from its own defaults;"
                f" give {early} after it."
            )


def _for_task(file: ConfigFile, tasks: Sequence[str | None]) -> Iterator[ConfigFile]:
    yield replace(file, content={key: value for key, value in file.content.items() if key != "by_task"})
    blocks = file.content.get("by_task", {})
    if not isinstance(blocks, dict) or not all(isinstance(block, dict) for block in blocks.values()):
        raise ConfigError(f"by_task in {file.path} must hold a block of settings for each task's name.")
    # A task that is a variation of another one, and has no block of its own, takes that of the other.
    for task in [task for task in tasks if task in blocks][:1]:
        yield replace(file, content=blocks[task], of_task=True)
