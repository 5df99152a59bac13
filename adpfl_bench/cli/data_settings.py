"""Settings of a datamodule that a task file states, for commands that read data and train nothing."""

from __future__ import annotations

from argparse import ArgumentError
from collections.abc import Collection, Mapping
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from adpfl_bench.config.config_files import read_config
from adpfl_bench.errors import BenchError, ConfigError


def read_settings(name: str, kind: type[Any], wanted: Collection[str]) -> dict[str, Any]:
    """Read some of a datamodule's arguments from a task file, and make of them what the constructor takes.

    Args:
        name: The file, as one gives it to ``--config``.
        kind: The class of the datamodule.
        wanted: Names of the arguments; those that the file does not state are left out.

    Raises:
        ConfigError: The file is not found, is for another datamodule, or states what an argument cannot be.
    """
    from adpfl_bench.config.parser import explain  # deferred: it needs Lightning

    data = read_config(name).content.get("data")
    arguments = data.get("init_args") or {} if isinstance(data, Mapping) else None
    stated = str(data.get("class_path")).rpartition(".")[2] if isinstance(data, Mapping) else "none"
    if not isinstance(arguments, Mapping) or stated != kind.__name__:
        raise ConfigError(f"{name} is a file for the datamodule {stated}, but these data are read by {kind.__name__}.")
    chosen = {key: value for key, value in arguments.items() if key in wanted}
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, "data", instantiate=False)
    try:
        parsed: Namespace = parser.parse_object({"data": {**chosen, "root": "."}})
        made: Namespace = parser.instantiate(parsed)
    except (ArgumentError, BenchError, ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{name}: {explain(str(error), ())}") from error
    return {key: made.data[key] for key in chosen}
