"""What the YAML files of the repository say, and how they are found and merged; test_method_matrix runs them."""

import inspect
import json
import re
from pathlib import Path

import pytest
import yaml

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.cli import main
from adpfl_bench.config.config_files import find_config, packaged_configs, settle
from adpfl_bench.config.yaml_text import parse_yaml
from adpfl_bench.errors import ConfigError
from tests.cli.conftest import resolved

TOP = Path(__file__).resolve().parents[2]
TASKS, METHODS = (sorted(path.stem for path in (TOP / folder).glob("*.yaml")) for folder in ("tasks", "callbacks"))
CONTENT = {method: yaml.safe_load((TOP / "callbacks" / f"{method}.yaml").read_text()) for method in METHODS}
FEDERATION = [method for method in METHODS if "privacy" not in CONTENT[method]]
PRIVACY = [method for method in METHODS if "privacy" in CONTENT[method]]


def test_a_task_alone_is_complete(phantom_folder: Path, empty_folder: Path) -> None:
    arguments = ["--config", "tasks/isic.yaml", "--config", "configs/smoke.yaml"]
    assert main(["fit", *arguments, "--data.phantom_directory", str(phantom_folder)]) == 0
    written = json.loads((empty_folder / "runs/isic/adp_fl/seed0/run.json").read_text())
    assert (written["task"], written["method"], written["status"]) == ("isic", "adp_fl", "finished")
    assert written["data"]["kind"] == "phantom"
    assert written["privacy"]["threshold"] == "PercentileThreshold"


def test_values_are_those_that_yaml_in_python_reads() -> None:
    texts = [find_config(name).read_text() for name in packaged_configs()]
    assert len(texts) > 30
    for text in texts:
        assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("task", TASKS)
def test_default_method_of_a_task_is_adp_fl(capsys: pytest.CaptureFixture[str], empty_folder: Path, task: str) -> None:
    alone = resolved(capsys, "--config", f"tasks/{task}.yaml")
    assert alone == resolved(capsys, "--config", f"tasks/{task}.yaml", "--config", "callbacks/adp_fl.yaml")


@pytest.mark.parametrize("place", ["phantom", "smoke"])
def test_what_shrinks_a_task_is_stated_for_each(place: str) -> None:
    with_phantoms = [task for task in TASKS if place == "smoke" or not task.startswith("own_")]
    assert sorted(yaml.safe_load((TOP / "configs" / f"{place}.yaml").read_text())["by_task"]) == with_phantoms


def test_each_task_on_volumes_states_its_memory() -> None:
    for task in TASKS:
        text = (TOP / "tasks" / f"{task}.yaml").read_text()
        assert "patch_size" not in text or "# Expected memory of a training step" in text, task


def test_first_comment_of_each_privacy_file_states_its_guarantee() -> None:
    for method in PRIVACY:
        first = (TOP / "callbacks" / f"{method}.yaml").read_text().splitlines()[0]
        assert first.startswith("# ")
        assert any(word in first for word in ("no formal guarantee", "zCDP", "-DP for each")), method
        assert len(first) <= 130


def test_comments_of_each_federation_file_state_method_and_range() -> None:
    for method in FEDERATION:
        first, second = (TOP / "callbacks" / f"{method}.yaml").read_text().splitlines()[:2]
        assert re.fullmatch(r"# [^:(]+( \(arXiv \d{4}\.\d{5}\))?: .+\.", first), method
        assert second.startswith("# Range: "), method
        assert len(first) <= 130, method


def test_each_privacy_file_states_all_of_its_privacy_and_only_optimizers_besides() -> None:
    settings = inspect.signature(DifferentialPrivacy).parameters.keys() - {
        "secure",
        "memory_budget",
        "account",
        "views",
    }  # the user's own, and what costs time alone
    for method in PRIVACY:
        content = CONTENT[method]
        assert content.keys() <= {"method", "privacy", "federated", "by_task"}, method
        assert content["privacy"].keys() == settings, method
        # Steps made of noise at a stated epsilon need large local steps and the server's momentum.
        optimizers = {"client_optimizer", "server_optimizer"} if content["privacy"]["target_epsilon"] else set()
        assert content.get("federated", {}).keys() == optimizers, method


def test_the_recommended_method_is_the_quantile_without_augmentation_and_with_small_steps_on_volumes() -> None:
    recommended, plain = (
        {k: v for k, v in CONTENT[name].items() if k != "method"} for name in ("adp_fl_private", "adp_fl_quantile")
    )
    blocks = recommended.pop("by_task")
    assert recommended == plain
    assert sorted(blocks) == [task for task in TASKS if not task.startswith("own_")]
    usual = plain["federated"]["client_optimizer"]["init_args"]["lr"]
    for task, block in blocks.items():
        expected = {"data": {"init_args": {"augmentation": False}}}
        if "patch_size" in yaml.safe_load(find_config(f"tasks/{task}.yaml").read_text())["data"]["init_args"]:
            rate = block["federated"]["client_optimizer"]["init_args"]["lr"]
            assert rate < usual, f"{task}: larger steps lose what phantoms taught"
            expected["federated"] = {"client_optimizer": {"init_args": {"lr": rate}}}
        assert block == expected


def test_each_federation_file_states_nothing_but_its_federation() -> None:
    assert "fedavg" in FEDERATION
    for method in FEDERATION:
        assert CONTENT[method].keys() <= {"method", "federated"}, method


def test_each_method_is_called_as_its_file() -> None:
    assert {method: content["method"] for method, content in CONTENT.items()} == {method: method for method in METHODS}


def test_working_directory_comes_before_the_package(empty_folder: Path) -> None:
    packaged = find_config("callbacks/fedavg.yaml")
    assert packaged.is_file()
    own = empty_folder / "callbacks" / "fedavg.yaml"
    own.parent.mkdir()
    own.write_text("method: mine\n")
    assert find_config("callbacks/fedavg.yaml").resolve() == own
    assert settle(["--config=callbacks/fedavg.yaml"]).words[:2] == ["--config", "callbacks/fedavg.yaml"]


def test_missing_configuration_file_is_named_with_what_there_is(empty_folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration file tasks/isik\.yaml.*did you mean tasks/isic\.yaml\?"):
        find_config("tasks/isik.yaml")
    with pytest.raises(ConfigError, match=r"nope\.yaml, neither in .*adpfl-bench list tasks methods places lists"):
        find_config("nope.yaml")
    assert "tasks/ham10000.yaml" in packaged_configs()


def test_later_files_and_options_override_earlier_ones(capsys: pytest.CaptureFixture[str], empty_folder: Path) -> None:
    mine = empty_folder / "mine.yaml"
    mine.write_text("federated: {rounds: 7}\nprivacy: {noise_multiplier: 0.5}\n")
    files = ["--config", "tasks/isic.yaml", "--config", "callbacks/dp_fl.yaml", "--config", str(mine)]
    config = resolved(capsys, *files)
    assert config["federated"]["rounds"] == 7
    assert config["privacy"]["noise_multiplier"] == 0.5
    assert config["privacy"]["threshold"]["class_path"].endswith("FixedThreshold")
    assert config["method"] == "dp_fl"
    config = resolved(capsys, *files, "--federated.rounds=3")
    assert config["federated"]["rounds"] == 3
    later = resolved(capsys, *files, "--config", "callbacks/adp_fl.yaml")
    assert later["method"] == "adp_fl"
    assert later["privacy"]["noise_multiplier"] == 0.01
    assert later["privacy"]["threshold"]["class_path"].endswith("PercentileThreshold")


def test_settings_by_task_follow_the_task_of_the_command_line(
    capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    place = empty_folder / "place.yaml"
    place.write_text(
        "federated: {rounds: 9, local_epochs: 3}\n"
        "by_task:\n"
        "  isic: {federated: {rounds: 4}, data: {init_args: {batch_size: 2}}}\n"
        "  ham10000: {federated: {rounds: 5}}\n"
    )
    variation = empty_folder / "variation.yaml"
    variation.write_text("task: variation\n")

    def rounds(*arguments: str) -> tuple[int, int]:
        config = resolved(capsys, *arguments)
        return config["federated"]["rounds"], config["federated"]["local_epochs"]

    isic = resolved(capsys, "--config", "tasks/isic.yaml", "--config", str(place))
    assert (isic["federated"]["rounds"], isic["data"]["init_args"]["batch_size"]) == (4, 2)
    assert rounds("--config=tasks/ham10000.yaml", f"--config={place}") == (5, 3)
    assert rounds("--config", "tasks/isic.yaml", "--config", str(place), "--task", "other") == (4, 3)
    assert rounds("--config", "tasks/isic.yaml", "--config", str(variation), "--config", str(place)) == (4, 3)
    assert rounds("--config", "tasks/isic.yaml", "--config", str(place), "--task=ham10000") == (5, 3)
    place.write_text("by_task: [isic]\n")
    assert main(["fit", "--config", "tasks/isic.yaml", "--config", str(place)]) == 1
    assert "must hold a block of settings for each task's name" in capsys.readouterr().err
