"""Bad inputs of planning: folders of one's own that are none, outputs that cannot be, and task files of phantoms."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from tests.corpus.asks import command
from tests.corpus.bad_folders import DENIED, bound, folder_at, read_only
from tests.corpus.damages import Damage, nothing
from tests.corpus.kind import Accepted, Ask, Kind, Refused

_START = "to_plan"
_TASK = "task.yaml"


def _plan(*more: str, output: str = _TASK, data: str = "data") -> Ask:
    words: Sequence[str] = ("--workers", "1", *more)
    return command(
        "plan",
        _START,
        lambda root: ["plan", root / data, "--output", root / output, *words],
        writes=(f"{_START}/{_TASK}",),
    )


def _like() -> Ask:
    return command(
        "phantom",
        _START,
        lambda root: ["phantom", "--like", root / _TASK, "--output", root / "out", "--cases", "1"],
        writes=(f"{_START}/out*",),
    )


def _described(**changes: object) -> Damage:
    """Change keys of ``dataset.json``; ``None`` takes one away."""

    def damage(root: Path) -> None:
        path = root / "data" / "dataset.json"
        content = {**json.loads(path.read_text()), **changes}
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return damage


def _broken(*names: str) -> Damage:
    def damage(root: Path) -> None:
        for name in names:
            (root / "data" / name).write_bytes(b"no image")

    return damage


def _without(pattern: str) -> Damage:
    def damage(root: Path) -> None:
        for path in sorted((root / "data").glob(pattern)):
            path.unlink()

    return damage


def _stated(change: Callable[[dict[str, object]], object]) -> Damage:
    """Write a task file of pictures, changed."""

    def damage(root: Path) -> None:
        described = {"name": "x", "channels": ["a"], "labels": {"b": 1}}
        arguments: dict[str, object] = {"root": "nowhere", "description": described, "phantom_size": [16, 16]}
        change(arguments)
        content = {"task": "x", "data": {"class_path": "adpfl_bench.OwnPicturesDataModule", "init_args": arguments}}
        (root / _TASK).write_text(yaml.safe_dump(content))

    return damage


_ROWS: list[tuple[str, Damage, Ask, Accepted | Refused]] = [
    ("a folder that is not there", nothing, _plan(data="nowhere"), Refused("nowhere does not exist; give a folder")),
    ("no dataset.json", _without("dataset.json"), _plan(), Refused("dataset.json does not exist; give the")),
    ("no images", _without("imagesTr/*"), _plan(), Refused("has no case that can be read")),
    ("no image that can be read", _broken(*(f"imagesTr/case_00{n}_0000.png" for n in range(5))), _plan(),
        Refused("has no case that can be read; the first problem: case_000: cannot be read")),
    ("one image that cannot be read", _broken("imagesTr/case_003_0000.png"), _plan(),
        Accepted("it is named, and the others planned", lambda answer: "case_003: cannot be read" in answer.text)),
    ("two cases that can be read", _without("*/case_00[0-2]*"), _plan(),
        Refused("There are 2 cases of 2 patients that can be read; a plan needs at least 3")),
    ("files of another kind", _described(file_ending=".mha"), _plan(), Refused("names no file that is read, but .mha")),
    ("no labels", _described(labels=None), _plan(), Refused("has no labels; expected")),
    ("a class that no mask fits", nothing, _plan("--description.labels", '{"x": 7}'),
        Refused("mask with the values 1; expected 0 and 7 x")),
    ("a task file that is there", lambda root: (root / _TASK).touch(), _plan(), Refused("is there already; give")),
    ("a task file that may be replaced", lambda root: (root / _TASK).touch(), _plan("--overwrite"),
        Accepted("it is replaced", lambda answer: "adpfl-bench fit --config" in answer.text)),
    ("a folder in its place", folder_at(_TASK), _plan("--overwrite"), Refused("is a folder; give the name of a file")),
    ("no folder for it", nothing, _plan(output="no/task.yaml"), Refused("no is no folder, so that task.yaml")),
    ("a name of no task file", nothing, _plan(output="task.txt"), Refused(r"must end in \.yaml or \.yml")),
    ("a read-only folder for it", read_only("out"), bound(_plan(output="out/task.yaml")), Refused(DENIED)),
    ("no memory", nothing, _plan("--memory", "0"), Refused("--memory must be a positive number of GiB")),
    ("a memory for no network", nothing, _plan("--memory", "0.001"), Refused("--memory is 0.001 GiB, but a step")),
    ("an intensity of pictures", nothing, _plan("--intensity", "ct"), Refused("--intensity is for volumes")),
    ("phantoms of no channels", _stated(lambda own: own["description"].pop("channels")), _like(),
        Refused("data.description has no channels")),
    ("phantoms of a size without end", _stated(lambda own: own.update(phantom_size=[10**6, 10**6])), _like(),
        Refused("Images of a phantom have at most")),
    ("phantoms of two labels of one value", _stated(lambda own: own["description"].update(labels={"a": 1, "b": 1})),
        _like(), Refused("the same value, 1; give each class its own")),
]  # fmt: skip

PLANS: Sequence[Kind] = tuple(Kind("plans", name, damage, ask, expected) for name, damage, ask, expected in _ROWS)
"""Kinds of bad input of ``plan``, and of ``phantom --like``."""
