"""Settings that a run's data state: written into its configuration before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from pydoc import locate
from typing import Any

from jsonargparse import Namespace

from adpfl_bench.data.datamodule import FederatedDataModule


def settle_by_data(config: Any) -> None:
    """Fill what the configuration leaves open with what the dataset's files state, of the data and of the model.

    The configuration that a run keeps is then complete: its model can be made where its data are not.

    Raises:
        BenchError: The files are not there, or contradict what the configuration states.
    """
    kind = locate(str(config.data.class_path))
    settings = config.data.init_args
    if not (isinstance(kind, type) and issubclass(kind, FederatedDataModule)):
        return
    stated = kind.stated_by_files(settings.as_dict())
    for name, value in stated.data.items():
        settings[name] = _settled(settings[name], value)
    model = config.model.init_args
    for name, value in stated.model.items():
        if name in model and model[name] is None:
            model[name] = _settled(None, value)


def _settled(stated: Any, value: Any) -> Any:
    """A value as a configuration has it: blocks and lists, and the fields of what it states already as such."""
    if isinstance(value, Mapping):
        if isinstance(stated, Namespace):  # of a class of fields, whose own such classes a plain block would lose
            for name, inner in value.items():
                stated[name] = _settled(stated.get(name), inner)
            return stated
        return {name: _settled(None, inner) for name, inner in value.items()}
    return [_settled(None, inner) for inner in value] if isinstance(value, list | tuple) else value
