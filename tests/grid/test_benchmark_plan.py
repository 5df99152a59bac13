"""From a grid to runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.cli import LightningArgumentParser

from adpfl_bench.config.config_files import find_config
from adpfl_bench.errors import ConfigError
from adpfl_bench.grid.checked_configuration import Configuration, check_configuration
from adpfl_bench.grid.grid import read_grid
from adpfl_bench.grid.plan import GridRun, make_plan, method_name, read_patterns
from adpfl_bench.running import training
from adpfl_bench.running.planned_run import PlannedRun
from tests.grid.fakes import check

WriteGrid = Callable[..., str]
TWO_BY_TWO = {
    "tasks": ["tasks/isic.yaml", "tasks/brats.yaml"],
    "methods": ["callbacks/dp_fl.yaml", ["callbacks/fedprox.yaml", "callbacks/adp_fl.yaml"]],
    "seeds": [0, 1],
}


def plan(write_grid: WriteGrid, only: str | None = None, **stated: Any) -> list[GridRun]:
    grid = read_grid(write_grid(**stated))
    return make_plan(grid, read_patterns(only) if only else (), check=check)


def names(runs: Sequence[GridRun]) -> list[str]:
    return [run.name for run in runs]


def test_runs_are_ordered_by_seed_then_task_then_method(write_grid: WriteGrid) -> None:
    runs = plan(write_grid, **TWO_BY_TWO)
    first = ["isic/dp_fl/seed0", "isic/fedprox+adp_fl/seed0", "brats/dp_fl/seed0", "brats/fedprox+adp_fl/seed0"]
    assert names(runs) == [*first, *(name.replace("seed0", "seed1") for name in first)]
    assert [run.files.folder for run in runs[:1]] == [Path("benchmark/runs/isic/dp_fl/seed0")]


def test_words_state_files_then_settings_from_the_general_to_the_special(write_grid: WriteGrid) -> None:
    tasks = ["tasks/isic.yaml", {"file": "tasks/brats.yaml", "configs": ["configs/gpu.yaml", "configs/smoke.yaml"]}]
    runs = plan(
        write_grid,
        tasks=tasks,
        methods=[{"name": "mine", "files": ["callbacks/fedavg.yaml"], "overrides": {"federated.rounds": 7}}],
        configs=["configs/smoke.yaml"],
        overrides={"federated.rounds": 5, "data.num_workers": 1, "data.root": "here"},
        by_task={"brats": {"federated.rounds": 6, "data.num_workers": 2}},
        output="out",
    )
    assert list(runs[0].words) == [
        *("--config", "tasks/isic.yaml", "--config", "callbacks/fedavg.yaml", "--config", "configs/smoke.yaml"),
        *("--federated.rounds=5", "--data.num_workers=1", "--data.root=here", "--federated.rounds=7"),
        *("--method=mine", "--seed_everything=0", "--trainer.default_root_dir=out/runs/isic/mine/seed0"),
    ]
    numbers = [word.split("=")[1] for word in runs[1].words if word.startswith(("--data.num", "--federated"))]
    assert numbers == ["5", "1", "6", "2", "7"]
    assert [word for word in runs[1].words if word.startswith("configs/")] == ["configs/gpu.yaml", "configs/smoke.yaml"]
    assert [run.rounds for run in runs] == [7, 7]


def test_exclusions_and_selection(write_grid: WriteGrid) -> None:
    exclude = [{"task": "brats", "method": "fedprox*"}, {"seed": 1, "task": "isic"}]
    runs = plan(write_grid, **TWO_BY_TWO, exclude=exclude)
    assert names(runs) == [
        "isic/dp_fl/seed0",
        "isic/fedprox+adp_fl/seed0",
        "brats/dp_fl/seed0",
        "brats/dp_fl/seed1",
    ]
    chosen = plan(write_grid, "brats/*/1,*/*adp_fl", **TWO_BY_TWO, exclude=exclude)
    assert names(chosen) == ["isic/fedprox+adp_fl/seed0", "brats/dp_fl/seed1"]


def test_what_is_left_out_is_not_checked(write_grid: WriteGrid) -> None:
    typo = {"name": "typo", "files": "callbacks/fedavg.yaml", "overrides": {"model.behaviour": "typo"}}
    methods = ["callbacks/fedavg.yaml", typo]
    assert names(plan(write_grid, "isic/fedavg", methods=methods)) == ["isic/fedavg/seed0"]
    assert names(plan(write_grid, methods=methods, exclude=[{"method": "typo"}])) == ["isic/fedavg/seed0"]


def test_every_configuration_is_checked_and_all_that_is_wrong_is_said(write_grid: WriteGrid) -> None:
    typo = {"name": "typo", "files": "callbacks/fedavg.yaml", "overrides": {"model.behaviour": "typo"}}
    with pytest.raises(ConfigError, match="Nothing was started") as raised:
        plan(write_grid, **{**TWO_BY_TWO, "methods": ["callbacks/fedavg.yaml", typo]})
    lines = str(raised.value).splitlines()[1:]
    assert lines == [f"  {task} with typo: There is no setting typo." for task in ("isic", "brats")]


def test_each_configuration_is_checked_once_for_all_seeds(write_grid: WriteGrid) -> None:
    seen = []

    def counting(words: Sequence[str]) -> Configuration:
        seen.append(tuple(words))
        return check(words)

    runs = make_plan(read_grid(write_grid(**{**TWO_BY_TWO, "seeds": [0, 1, 2]})), check=counting)
    assert (len(runs), len(seen), len(set(seen))) == (12, 4, 4)


@pytest.mark.parametrize(
    ("stated", "only", "sentence"),
    [
        ({"methods": ["callbacks/fedavg.yaml"] * 2}, None, "are both called fedavg on isic: give one of them a name"),
        (
            {"methods": [{"name": "a/b", "files": "callbacks/fedavg.yaml"}]},
            None,
            "The method is called 'a/b', which is no folder's",
        ),
        (
            {"exclude": [{"method": "fedavgm"}]},
            None,
            "exclude has */fedavgm/*, which fits no run of the grid; its tasks are isic",
        ),
        ({}, "isik", "--only has isik/*/*, which fits no run of the grid"),
        ({"exclude": [{"task": "isic"}]}, None, "No run is left of the grid"),
    ],
)
def test_refusals(write_grid: WriteGrid, stated: dict[str, Any], only: str | None, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        plan(write_grid, only, **stated)
    assert sentence in str(raised.value)


def test_a_file_that_renames_the_task_is_refused(write_grid: WriteGrid) -> None:
    def renaming(words: Sequence[str]) -> Configuration:
        return check(words).__class__("other", "fedavg", 1, {})

    with pytest.raises(ConfigError, match="comes out as other with fedavg"):
        make_plan(read_grid(write_grid()), check=renaming)


@pytest.mark.parametrize("text", ["a/b/c", "a/b/1/d", "", ","])
def test_selection_that_is_no_pattern(text: str) -> None:
    with pytest.raises(ConfigError, match="--only"):
        read_patterns(text)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["callbacks/dp_fl.yaml"], "dp_fl"),
        (["callbacks/adp_fl.yaml", "callbacks/fedprox.yaml"], "fedprox+adp_fl"),
        (["callbacks/dp_fl.yaml", "callbacks/adp_fl.yaml"], "adp_fl"),
        ([], "adp_fl"),
        (["callbacks/fedavg.yaml", "--method=mine"], "mine"),
    ],
)
def test_names_of_methods_are_those_of_the_parser(words: list[str], name: str) -> None:
    files = [word for word in words if not word.startswith("--")]
    options = [word for word in words if word.startswith("--")]
    line = [part for file in ["tasks/isic.yaml", *files, "configs/smoke.yaml"] for part in ("--config", file)] + options
    assert method_name(line) == name
    found = check_configuration([*line, "--federated.rounds=4", "--federated.fine_tuning_epochs=1"])
    assert (found.task, found.method, found.rounds) == ("isic", name, 5)
    assert found.settings["federated.rounds"] == "4"


def test_real_check_says_what_fit_says_and_reads_no_data(write_grid: WriteGrid, tmp_path: Path) -> None:
    methods = [
        {"name": "typo", "files": "callbacks/fedavg.yaml", "overrides": {"federated.ronds": 3}},
        {"name": "range", "files": "callbacks/fedprox.yaml", "overrides": {"federated.participation": 7}},
    ]
    with pytest.raises(ConfigError) as raised:
        make_plan(read_grid(write_grid(methods=methods, configs=["configs/smoke.yaml"])))
    message = str(raised.value)
    assert "isic with typo: There is no setting federated.ronds" in message
    assert "isic with range: " in message
    assert "participation" in message
    assert [path.name for path in tmp_path.iterdir()] == ["grid.yaml"]


def test_sources_tell_when_a_file_has_changed(write_grid: WriteGrid, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("federated: {rounds: 3}\n")
    (before,) = plan(write_grid, configs=["mine.yaml"])
    mine.write_text("federated: {rounds: 4}\n")
    (after,) = plan(write_grid, configs=["mine.yaml"])
    assert [file for file in before.sources if before.sources[file] != after.sources[file]] == ["mine.yaml"]
    assert set(before.sources) == {"tasks/isic.yaml", "callbacks/fedavg.yaml", "mine.yaml"}
    assert find_config("tasks/isic.yaml").exists()


def test_settings_of_a_plan_depend_on_the_seed_in_the_seed_alone() -> None:
    words = ["--config", "tasks/isic.yaml", "--config", "callbacks/dp_fl.yaml", "--config", "configs/smoke.yaml"]
    one, other = (check_configuration([*words, *more]) for more in ([], ["--data.batch_size=3"]))
    assert {key for key in one.settings if one.settings[key] != other.settings[key]} == {"data.init_args.batch_size"}
    seeded = check_configuration([*words, "--seed_everything=5"]).settings
    assert {key for key in one.settings if one.settings[key] != seeded[key]} == {"federated.seed"}


def test_one_parser_plans_every_configuration_as_a_parser_of_its_own_does(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    add_arguments = PlannedRun.add_arguments_to_parser

    def counting(self: PlannedRun, parser: LightningArgumentParser) -> None:
        made.append(self.command)
        add_arguments(self, parser)

    monkeypatch.setattr(PlannedRun, "_made", {})
    monkeypatch.setattr(PlannedRun, "add_arguments_to_parser", counting)
    smoke = ["--config", "configs/smoke.yaml"]
    first = ["--config", "tasks/isic.yaml", "--config", "callbacks/adp_fl_quantile.yaml", *smoke]
    other = ["--config", "tasks/kits.yaml", "--config", "callbacks/fedprox.yaml", *smoke, "--trainer.precision=64-true"]
    alone = check_configuration(first)
    between = check_configuration(other)
    assert made == ["fit"]
    assert between.settings["trainer.precision"] != alone.settings["trainer.precision"]
    assert check_configuration(first) == alone
    assert made == ["fit"]


def test_many_configurations_are_checked_in_processes_with_what_one_finds(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = read_grid(
        write_grid(
            tasks=["tasks/isic.yaml", "tasks/ham10000.yaml"],
            methods=["callbacks/fedavg.yaml", "callbacks/dp_fl.yaml"],
            configs=["configs/smoke.yaml"],
        )
    )
    here: list[list[str]] = []
    run = training.run

    def noting(words: list[str], kind: type[PlannedRun]) -> Any:
        here.append(words)
        return run(words, kind)

    monkeypatch.setattr(training, "run", noting)
    one_by_one = make_plan(grid, check=lambda words: check_configuration(words))
    assert len(here) == 4
    monkeypatch.setattr("adpfl_bench.grid.checked_configuration._FOR_A_PROCESS", 2)
    monkeypatch.setattr("adpfl_bench.grid.checked_configuration.count_processors", lambda: 2)
    assert make_plan(grid) == one_by_one
    assert len(here) == 4, "the others were checked by other processes"
