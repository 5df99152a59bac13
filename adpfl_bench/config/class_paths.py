"""Class paths of a configuration: which may be named, and where one stands."""

from collections.abc import Iterator, Sequence
from inspect import isroutine
from pydoc import locate
from typing import Any

from jsonargparse import Namespace, set_parsing_settings

from adpfl_bench.config.method_files import ConfigFile
from adpfl_bench.errors import ConfigError
from adpfl_bench.trust import NAMEABLE, check_class_path, is_below

_allowed: set[str] = set()


def allow_imports(trusted: Sequence[str]) -> None:
    """Let the parser import what class paths may name, and nothing else, whatever it is given as.

    It holds for the process, until it is called again.

    Args:
        trusted: Modules beside those of the list.
    """
    given = {*NAMEABLE, *trusted}
    set_parsing_settings(
        import_path_denylist=["*", *sorted(_allowed - given)],
        import_path_allowlist=sorted(given),
        # A dictionary for a network, say, is no place for objects; nothing could say of which class they should be.
        instantiate_subclass_spec_in_any=False,
    )
    _allowed.update(given)


def check_class_paths(files: Sequence[ConfigFile]) -> None:
    """Refuse class paths of files that may not be named, before anything is imported for them.

    Raises:
        ConfigError: Which one it is, and where it stands.
    """
    for file in files:
        for key, value in _leaves(file.content):
            if key.endswith("class_path") and isinstance(value, str) and "." in value:
                check_class_path(value, f"{key} in {file.path}")


def place_of(class_path: str, files: Sequence[ConfigFile]) -> str:
    """Say where a class path stands: its key and file, or the command line."""
    places = (f"{key} in {file.path}" for file in files for key, value in _leaves(file.content) if value == class_path)
    return next(places, "The command line")


def check_parsed(config: Any, trusted: Sequence[str]) -> None:
    """Refuse what a parsed configuration names, wherever it was given, and may not name.

    A class has to be one of the kind that is asked for; a function could be any, and would be called. So functions are
    taken from modules alone that the command line trusts.

    Raises:
        ConfigError: Which one it is, and where it stands.
    """
    for key, value in _leaves(config):
        named = value
        if key.endswith("class_path") and isinstance(value, str) and "." in value:
            check_class_path(value, key)
            named = locate(value)
        if isroutine(named) and not is_below(str(named.__module__), trusted):
            raise ConfigError(
                f"{key} names the function {named.__module__}.{named.__qualname__}, but a configuration may name"
                f" classes only. If you know this function and want it to be called, add --trust {named.__module__}."
            )


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Walk through blocks and lists; a value with its dotted key, in which the items of lists are numbered."""
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{key}.{index}")
    else:
        yield key, value
