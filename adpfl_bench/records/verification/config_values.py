"""Values of a recorded configuration, which may be of any version, or edited."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MISSING = object()
"""Stands for what a configuration does not state."""


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a value that is a mapping; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def arguments(config: Mapping[str, Any], section: str) -> Mapping[str, Any]:
    """Return the arguments of a section that names a class: ``model`` or ``data``."""
    return mapping(mapping(config.get(section)).get("init_args"))


def class_paths(value: Any) -> Iterator[str]:
    """Name the classes of a setting: of one object, or of several."""
    for one in value if isinstance(value, list) else [value]:
        path = one.get("class_path") if isinstance(one, Mapping) else one
        if isinstance(path, str):
            yield path


def class_name(path: str) -> str:
    """Return the name of a class by its path."""
    return path.rpartition(".")[2]
