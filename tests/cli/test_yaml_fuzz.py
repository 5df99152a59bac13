"""Whatever a file of YAML holds: refused in one sentence that names it, or read as plain values of one meaning."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.config.class_paths import check_class_paths
from adpfl_bench.config.config_files import settle
from adpfl_bench.config.yaml_text import dump_yaml, line_of, parse_yaml, read_text, read_yaml
from adpfl_bench.errors import ConfigError
from adpfl_bench.grid.grid import Grid, confirmed_trust, read_grid
from adpfl_bench.text import name_problem
from adpfl_bench.trust import trusting
from tests.cli.yaml_strategies import KEYS, settings, yaml_bytes
from tests.sentences import check_sentence

PLAIN = (str, bool, int, float, type(None))
GRID = {"tasks": ["tasks/isic.yaml"], "methods": ["callbacks/fedavg.yaml"], "seeds": [0]}
GOOD = (
    ["tasks/kits.yaml"],
    [{"file": "tasks/isic.yaml", "configs": "x.yaml"}],
    {"isic": {"a.b": 1}},
    "x",
    7,
    {"slurm_x": 3},
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml") / "x.yaml"


def places(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """All values of a value, with the keys that lead to them."""
    yield above, value
    for key, below in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(below, (*above, key))


def outline(value: Any) -> Any:
    """Lists and blocks without what stands in them, which other readers take otherwise."""
    if isinstance(value, dict):
        return {key: outline(below) for key, below in value.items()}
    return [outline(below) for below in value] if isinstance(value, list) else None


@given(data=yaml_bytes())
def test_any_text(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        found = read_yaml(path)
    except ConfigError as error:
        check_sentence(error, path)
        return
    text = read_text(path)
    lines = len(text.splitlines()) + 1
    for keys, value in places(found):
        assert type(value) in (*PLAIN, list, dict)
        assert not isinstance(value, dict) or all(isinstance(key, str) for key in value)
        assert 1 <= line_of(path, *keys) <= lines
        if isinstance(value, str):
            value.encode()  # not half of a character, which no file and no terminal could state
    assert same(parse_yaml(dump_yaml(found)), found)
    if "<<" not in text:
        assert outline(yaml.load(text, yaml.BaseLoader)) == outline(found)


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, of the same types, and NaN in the same places."""
    if isinstance(one, list | dict):
        pairs = zip(places(one), places(other), strict=True)
        return all(a == b and (isinstance(x, list | dict) or same(x, y)) for (a, x), (b, y) in pairs)
    both_nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other)
    return type(one) is type(other) and (one == other or both_nan)


@given(content=st.dictionaries(st.sampled_from(KEYS), settings, max_size=6))
def test_any_settings(path: Path, content: dict[str, Any]) -> None:
    path.write_text(dump_yaml(content))
    try:
        with trusting([]):
            line = settle(["--config", str(path)])
            check_class_paths(line.files)
    except ConfigError as error:
        check_sentence(error, path, "The task is called", "The method is called")
        return
    tasks = [file.content["task"] for file in line.files if file.content.get("task") is not None]
    for name in (line.method, *tasks):
        assert isinstance(name, str)
        assert name_problem(name) is None
        assert (Path("runs") / name).resolve().parent == Path("runs").resolve()


@given(changes=st.dictionaries(st.sampled_from([*Grid.model_fields]), settings | st.sampled_from(GOOD), max_size=3))
def test_any_grid(path: Path, changes: dict[str, Any]) -> None:
    path.write_text(dump_yaml({**GRID, **changes}))
    try:
        grid = read_grid(str(path))
        confirmed_trust(grid, [], str(path))
    except ConfigError as error:
        check_sentence(error, path, "There is no configuration file")
        return
    assert grid.tasks
    assert grid.methods
    assert min(grid.seeds) >= 0
    assert not grid.trust
