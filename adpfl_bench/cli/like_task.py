"""Task file that phantoms are like: what of it they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from adpfl_bench.config.config_files import read_config
from adpfl_bench.datasets.own.channel_names import are_ct
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.datasets.own.phantom_like import phantom_like
from adpfl_bench.errors import ConfigError
from adpfl_bench.phantoms.like.like_writer import LikePictureWriter, LikeVolumeWriter, LikeWriter
from adpfl_bench.phantoms.like.phantom_description import Kind, PhantomDescription
from adpfl_bench.text import listed

_WRITERS: Mapping[str, type[LikeWriter]] = {
    "OwnPicturesDataModule": LikePictureWriter,
    "OwnVolumesDataModule": LikeVolumeWriter,
}


class LikeTask(NamedTuple):
    """What a task file states of phantoms.

    Attributes:
        name: Name of the task.
        writer: Writes the phantoms.
        description: What they are like.
        size: Shape of an image, if it is stated.
        cases: Number of cases, if it is stated.
    """

    name: str
    writer: type[LikeWriter]
    description: PhantomDescription
    size: tuple[int, ...] | None
    cases: int | None


def read_like(name: str) -> LikeTask:
    """Read a task file of a dataset of one's own; no other file is opened.

    Args:
        name: The file, as one gives it to ``--config``.

    Raises:
        ConfigError: It cannot be read, or is none of a dataset of one's own, or does not state enough.
    """
    content = read_config(name).content
    data = _mapping(name, "data", content.get("data"))
    writer = _WRITERS.get(str(data.get("class_path")).rpartition(".")[2])
    if writer is None:
        raise ConfigError(
            f"{name} has the datamodule {data.get('class_path') or 'none'}; phantoms are made like tasks of"
            f" {' or '.join(_WRITERS)}, and those of the suite's own datasets by their names."
        )
    arguments = _mapping(name, "data.init_args", data.get("init_args"))
    description = _description(name, _mapping(name, "data.description", arguments.get("description")))
    if writer is LikePictureWriter:
        described = phantom_like(description, "picture")
    else:
        spacing, window = (_numbers(name, arguments, key, float, n) for key, n in (("spacing", 3), ("ct_window", 2)))
        described = phantom_like(description, _kind(arguments.get("intensity"), description), spacing, window)
    size = _numbers(name, arguments, "phantom_size", int, len(writer.default_size))
    cases = arguments.get("phantom_cases")
    if cases is not None and (isinstance(cases, bool) or not isinstance(cases, int)):
        raise ConfigError(f"{name} has {cases!r} as data.phantom_cases; expected a whole number.")
    return LikeTask(str(content.get("task") or described.name), writer, described, size, cases)


def _description(name: str, stated: Mapping[str, Any]) -> DatasetDescription:
    columns = _mapping(name, "data.description.columns", stated.get("columns"))
    unknown = {*stated} - {field.name for field in fields(DatasetDescription)}
    unknown |= {f"columns.{key}" for key in {*columns} - {field.name for field in fields(TableColumns)}}
    if unknown:
        raise ConfigError(f"{name} has {listed(sorted(unknown))} under data.description, which has no such key.")
    try:
        return TypeAdapter(DatasetDescription).validate_python({**stated, "columns": columns})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("data", "description", *first["loc"])))
        raise ConfigError(f"{name} has {first['input']!r:.80} as {where}: {first['msg']}.") from error


def _kind(intensity: Any, description: DatasetDescription) -> Kind:
    """Whether volumes are CT, as their datamodule says it."""
    if intensity is None:
        return "CT" if are_ct(description.channels or []) else "MRI"
    return "CT" if intensity == "ct" else "MRI"


def _numbers(name: str, arguments: Mapping[str, Any], key: str, kind: type, length: int) -> Any:
    """Numbers of a setting, or ``None``."""
    value = arguments.get(key)
    if value is None:
        return None
    fits = isinstance(value, list) and len(value) == length
    if not fits or any(isinstance(each, bool) or not isinstance(each, int | kind) or each != each for each in value):
        raise ConfigError(f"{name} has {value!r} as data.{key}; expected {length} numbers, as in files of `plan`.")
    return tuple(value)


def _mapping(name: str, key: str, value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{name} has {value!r} as {key}; expected keys with values, as in files of `plan`.")
    return dict(value or {})
