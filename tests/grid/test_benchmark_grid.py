"""What a grid file may state."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adpfl_bench.errors import ConfigError
from adpfl_bench.grid.grid import Pattern, as_options, read_grid

WriteGrid = Callable[..., str]


def test_forms_of_methods_and_tasks(write_grid: WriteGrid) -> None:
    grid = read_grid(
        write_grid(
            tasks=["tasks/isic.yaml", {"file": "tasks/kits.yaml", "configs": ["configs/gpu.yaml"]}],
            methods=[
                "callbacks/fedavg.yaml",
                ["callbacks/fedprox.yaml", "callbacks/adp_fl.yaml"],
                {"name": "long", "files": "callbacks/fedavg.yaml", "overrides": {"federated.rounds": 9}},
            ],
            seeds=[0, 4],
            configs="configs/smoke.yaml",
            output="out",
        )
    )
    assert [(task.name, task.configs) for task in grid.tasks] == [("isic", None), ("kits", ("configs/gpu.yaml",))]
    assert [method.files for method in grid.methods] == [
        ("callbacks/fedavg.yaml",),
        ("callbacks/fedprox.yaml", "callbacks/adp_fl.yaml"),
        ("callbacks/fedavg.yaml",),
    ]
    assert [method.name for method in grid.methods] == [None, None, "long"]
    assert (grid.methods[2].overrides, grid.configs, grid.seeds) == (
        {"federated.rounds": 9},
        ("configs/smoke.yaml",),
        (0, 4),
    )
    assert (grid.output, grid.results_folder) == (Path("out"), Path("out/results"))
    assert read_grid(write_grid(results="tables")).results_folder == Path("tables")


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        ({"tasks": None}, "grid.yaml must list tasks, at least one"),
        ({"methods": []}, "must list methods"),
        ({"seeds": None}, "must list seeds"),
        ({"seed": [0]}, "the file in grid.yaml has seed, which is none of tasks, methods, seeds"),
        (
            {"tasks": ["callbacks/fedavg.yaml"]},
            "tasks in grid.yaml lists callbacks/fedavg.yaml, which does not name a task",
        ),
        ({"tasks": ["tasks/isic.yaml", "tasks/isic.yaml"]}, "tasks in grid.yaml has isic twice"),
        ({"tasks": ["tasks/isik.yaml"]}, "no configuration file tasks/isik.yaml"),
        ({"tasks": [{"file": "tasks/isic.yaml", "config": []}]}, "has config, which is none of file, configs"),
        ({"methods": [{"name": "x"}]}, "grid.yaml must list methods.0.files, at least one"),
        ({"methods": [{"files": 3}]}, "methods.0.files.0 in grid.yaml is 3: input should be a valid string"),
        ({"methods": [{"files": "a.yaml", "override": {}}]}, "has override, which is none of files, name, overrides"),
        ({"seeds": [0, "1"]}, "seeds.1 in grid.yaml is '1': input should be a valid integer"),
        ({"seeds": [True]}, "seeds.0 in grid.yaml is True: input should be a valid integer"),
        ({"seeds": [-1]}, "seeds.0 in grid.yaml is -1: input should be greater than or equal to 0"),
        ({"seeds": [2**32]}, "seeds.0 in grid.yaml is 4294967296: input should be less than or equal to 4294967295"),
        ({"seeds": [1, 1]}, "seeds in grid.yaml has 1 twice"),
        ({"overrides": {"seed_everything": 1}}, "cannot set seed_everything: list it under seeds"),
        ({"overrides": {"record.overwrite": True}}, "cannot set record.overwrite"),
        ({"overrides": {"score": False}}, "cannot set score: tables are made from scores"),
        ({"overrides": ["a"]}, "overrides in grid.yaml is ['a']: input should be a valid dictionary"),
        ({"by_task": {"brats": {}}}, "by_task in grid.yaml has brats, which is none of the grid's tasks isic"),
        ({"by_task": {"isic": {"ckpt_path": "x"}}}, "by_task.isic in grid.yaml cannot set ckpt_path"),
        ({"exclude": [{}]}, "exclude.0 in grid.yaml must be a mapping with keys of task, method, seed, but it is {}"),
        ({"exclude": [{"tasks": "isic"}]}, "has tasks, which is none of task, method, seed"),
        ({"exclude": [{"seed": "0"}]}, "exclude.0.seed.0 in grid.yaml is '0': input should be a valid integer"),
        ({"output": 3}, "output in grid.yaml is 3: input is not a valid path"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(write_grid: WriteGrid, stated: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read_grid(write_grid(**stated))
    assert sentence in str(raised.value)


def test_file_that_is_no_yaml(write_grid: WriteGrid, tmp_path: Path) -> None:
    write_grid()
    (tmp_path / "grid.yaml").write_text("tasks: [")
    with pytest.raises(ConfigError, match=r"grid\.yaml is not a YAML file of plain values: line \d: while parsing"):
        read_grid("grid.yaml")
    (tmp_path / "grid.yaml").write_text("- tasks")
    with pytest.raises(ConfigError, match=r"must be a mapping"):
        read_grid("grid.yaml")


@pytest.mark.parametrize(
    ("pattern", "fitting"),
    [
        (Pattern(task=("*",)), {"isic/adp_fl/0", "isic/dp_fl/1", "brats/adp_fl/1"}),
        (Pattern(task=("isic",)), {"isic/adp_fl/0", "isic/dp_fl/1"}),
        (Pattern(method=("adp*",)), {"isic/adp_fl/0", "brats/adp_fl/1"}),
        (Pattern(task=("br*", "lgg"), seed=(1, 2)), {"brats/adp_fl/1"}),
        (Pattern(method=("dp_fl", "adp_fl"), seed=(0,)), {"isic/adp_fl/0"}),
    ],
)
def test_patterns(pattern: Pattern, fitting: set[str]) -> None:
    runs = [("isic", "adp_fl", 0), ("isic", "dp_fl", 1), ("brats", "adp_fl", 1)]
    assert {"/".join(map(str, run)) for run in runs if pattern.matches(*run)} == fitting


def test_settings_become_options_that_the_parser_reads_back() -> None:
    settings = {"a.b": "x y", "rate": 1e-9, "on": True, "none": None, "size": [1, 2], "net": {"channels": [4]}}
    assert as_options(settings) == [
        "--a.b=x y",
        "--rate=1e-09",
        "--on=true",
        "--none=null",
        "--size=[1, 2]",
        '--net={"channels": [4]}',
    ]
