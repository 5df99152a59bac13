"""Method files on one command line: which holds, in which order, and what the run is called."""

import json
from contextlib import redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from adpfl_bench.cli import main
from adpfl_bench.config.config_files import packaged_root, read_config, settle
from adpfl_bench.config.method_files import DEFAULT_METHOD
from adpfl_bench.errors import ConfigError
from adpfl_bench.running.planned_run import PlannedRun
from adpfl_bench.running.training import run
from tests.cli.conftest import Run, resolved

CONTENT = {path.stem: yaml.safe_load(path.read_text()) for path in (packaged_root() / "callbacks").glob("*.yaml")}
FEDERATION = sorted(name for name, content in CONTENT.items() if "privacy" not in content)
PRIVACY = sorted(name for name, content in CONTENT.items() if "privacy" in content)
TASK = ("--config", "tasks/isic.yaml")

pytestmark = pytest.mark.usefixtures("empty_folder")


def files(*methods: str) -> list[str]:
    return [word for method in methods for word in ("--config", f"callbacks/{method}.yaml")]


def own_file(name: str, text: str) -> tuple[str, str]:
    Path(name).write_text(text)
    return "--config", name


def name_of(*words: str) -> str:
    """What the run of a command line is called."""
    return settle([*TASK, *words]).method


def starts_from_default(*words: str) -> bool:
    return settle([*TASK, *words]).files[0].name == DEFAULT_METHOD


@cache
def configuration(*methods: str) -> dict[str, Any]:
    """The configuration that method files amount to on a task."""
    with redirect_stdout(StringIO()) as printed, suppress(SystemExit):
        main(["fit", *TASK, *files(*methods), "--print_config"])
    return yaml.safe_load(printed.getvalue())


@pytest.mark.parametrize("federation", sorted({*FEDERATION} - {"fedavg"}))
def test_federation_and_privacy_combine_in_either_order(federation: str) -> None:
    plain, private = configuration("fedavg"), configuration("adp_fl_quantile")
    own = CONTENT[federation]["federated"].keys()
    before, after = configuration(federation, "adp_fl_quantile"), configuration("adp_fl_quantile", federation)
    assert after["privacy"] == private["privacy"]
    changed = {key for key, value in after["federated"].items() if value != private["federated"][key]}
    assert changed
    assert changed <= own
    assert {key for key in own if after["federated"][key] == plain["federated"][key]} == own - changed
    if own & CONTENT["adp_fl_quantile"]["federated"].keys():
        assert before == private  # all that this file states is the server optimizer
        assert own == {"server_optimizer"}
    else:
        assert before == after


@pytest.mark.parametrize("privacy", PRIVACY)
def test_name_is_federation_before_privacy(privacy: str) -> None:
    stated = CONTENT[privacy].get("federated", {}).keys()
    for federation in FEDERATION:
        combined = privacy if federation == "fedavg" else f"{federation}+{privacy}"
        assert name_of(*files(privacy, federation)) == combined
        # Nothing of FedAdam is left under a private method's own server optimizer.
        own = CONTENT[federation].get("federated", {}).keys()
        assert name_of(*files(federation, privacy)) == (privacy if own <= stated else combined)


def test_names_of_several_federation_files() -> None:
    assert name_of(*files("fedadam", "fedprox")) == "fedadam+fedprox"
    assert name_of(*files("fedprox", "dp_fl", "fedadam")) == "fedprox+fedadam+dp_fl"
    assert name_of(*files("fedavg", "fedprox")) == "fedprox"
    assert name_of(*files("fedavg", "fedavg")) == "fedavg"
    assert name_of(*files("fedadam", "fedyogi", "fedprox")) == "fedyogi+fedprox"
    assert name_of(*files("fedavg"), "--config", "configs/pretrain.yaml") == "pretraining"
    assert name_of("--config", "configs/pretrain.yaml", *files("fedavg", "fedprox")) == "pretraining+fedprox"


def test_setting_that_another_file_overrides_is_pointed_out(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["fit", *TASK, *files("fedadam", "adp_fl_quantile"), "--print_config"])
    message = capsys.readouterr().err
    assert "federated.server_optimizer is not as" in message
    assert message.index("fedadam.yaml says") < message.index("adp_fl_quantile.yaml does, which comes later")
    resolved(capsys, *TASK, *files("fedprox", "adp_fl_quantile"))
    assert settle([*files("adp_fl_quantile", "fedadam")]).notes == []


def test_name_given_by_option_wins_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["--method", "mine", *files("fedprox", "dp_fl")],
        [*files("fedprox"), "--method=mine", *files("dp_fl")],
        [*files("fedprox", "dp_fl"), "--method", "other", "--method", "mine"],
    ):
        config = resolved(capsys, *TASK, *words)
        assert (config["method"], config["privacy"]["unit"]) == ("mine", "batch")


@pytest.mark.parametrize("first", PRIVACY)
def test_later_privacy_file_takes_the_place_of_an_earlier_one(first: str) -> None:
    for second in {"adp_fl", "dp_fl_record"} - {first}:
        assert configuration(first, second) == configuration(second)


def test_place_taken_by_a_privacy_file_keeps_what_is_no_method(capsys: pytest.CaptureFixture[str]) -> None:
    words = own_file(
        "mine.yaml",
        "method: mine\ndata: {init_args: {batch_size: 3}}\nfederated: {rounds: 9, server_optimizer: torch.optim.Adam}\n"
        "privacy: {unit: record, threshold: FixedThreshold, mechanism: LaplaceMechanism, secure: true}\n",
    )
    alone = resolved(capsys, *TASK, *words)
    assert alone["privacy"]["secure"]
    later = resolved(capsys, *TASK, *words, *files("dp_fl"))
    assert (later["method"], later["federated"]["rounds"], later["data"]["init_args"]["batch_size"]) == ("dp_fl", 9, 3)
    assert later["federated"]["server_optimizer"]["class_path"] == "torch.optim.SGD"
    assert later["privacy"] == configuration("dp_fl")["privacy"]


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict", "audit"])
def test_federation_file_alone_is_not_private(capsys: pytest.CaptureFixture[str], command: str) -> None:
    config = resolved(capsys, *TASK, *files("fedavg"), command=command)
    privacy = config["privacy"]
    assert config["method"] == "fedavg"
    assert (privacy["unit"], privacy["threshold"], privacy["mechanism"]) == ("none", None, None)
    assert (privacy["noise_multiplier"], privacy["target_epsilon"]) == (0.0, None)
    default = resolved(capsys, *TASK, command=command)
    assert (default["method"], default["privacy"]["unit"]) == ("adp_fl", "batch")


def test_forecast_of_a_federation_file_alone_has_no_epsilon(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["privacy", *TASK, *files("fedprox"), "--clients", "9", "7"]) == 0
    printed = capsys.readouterr().out
    assert "isic / fedprox / seed 0" in printed
    assert "none: the method is not private: no noise is added" in printed
    assert main(["privacy", *TASK, *files("dp_fl", "fedprox"), "--clients", "9", "7", "--output", "out"]) == 0
    assert "isic / fedprox+dp_fl / seed 0" in capsys.readouterr().out


def test_default_method_is_below_whatever_leaves_privacy_open(capsys: pytest.CaptureFixture[str]) -> None:
    assert starts_from_default()
    assert starts_from_default("--privacy.unit", "none")
    assert starts_from_default("--method", "mine")
    assert starts_from_default("--config", "configs/phantom.yaml")
    variation = own_file("variation.yaml", "method: strong\nprivacy: {noise_multiplier: 0.5}\n")
    assert starts_from_default(*variation)
    config = resolved(capsys, *TASK, *variation)
    assert (config["method"], config["privacy"]["noise_multiplier"]) == ("strong", 0.5)
    assert config["privacy"]["threshold"]["class_path"].endswith("PercentileThreshold")
    for name in CONTENT:
        assert not starts_from_default(*files(name))
    assert not starts_from_default("--config", "configs/pretrain.yaml")


def test_variation_overrides_the_method_before_it_and_gives_it_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    variation = own_file("variation.yaml", "method: strong\nprivacy: {target_epsilon: 1.0}\n")
    config = resolved(capsys, *TASK, *files("adp_fl_quantile", "fedprox"), *variation)
    assert config["method"] == "fedprox+strong"
    assert config["privacy"]["threshold"]["class_path"].endswith("QuantileThreshold")
    assert config["privacy"]["target_epsilon"] == 1.0
    assert config["federated"]["client_optimizer"]["init_args"]["lr"] == 0.15


def test_privacy_of_nobody_is_refused() -> None:
    noisy = own_file("noisy.yaml", "privacy: {noise_multiplier: 0.5}\n")
    with pytest.raises(ConfigError, match=r"noise_multiplier is given by noisy\.yaml, but privacy\.unit by nothing"):
        settle([*TASK, *files("fedprox"), *noisy])
    for option in ("--privacy.target_epsilon=8", "--privacy.threshold.value=1", "--privacy.mechanism=LaplaceMechanism"):
        with pytest.raises(ConfigError, match=r"is given by the command line, but privacy\.unit by nothing"):
            settle([*TASK, *files("fedavg"), option])
    for words in (
        [*files("fedprox", "dp_fl"), *noisy],
        [*files("fedprox"), *noisy, "--privacy.unit=record"],
        [*files("fedavg"), "--privacy.memory_budget=99"],
        [*noisy],
    ):
        assert settle([*TASK, *words]).words


def test_combination_trains_and_its_configuration_repeats_it(
    adpfl_bench: Run, phantom_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adpfl_bench("fit", *files("fedprox"), "--federated.fine_tuning_epochs=1", method="dp_fl") == 0
    folder = Path("runs/isic/fedprox+dp_fl/seed0")
    record = json.loads((folder / "run.json").read_text())
    assert (record["method"], record["status"], record["rounds_completed"]) == ("fedprox+dp_fl", "finished", 3)
    assert record["privacy"]["threshold"] == "FixedThreshold"
    assert record["config"]["federated"]["client_method"]["class_path"].endswith("FedProx")

    # The other order is the same run, so its checkpoint is accepted; scoring leaves the configuration as it was.
    words = [*TASK, *files("fedprox", "dp_fl"), "--config", "configs/smoke.yaml", "--federated.fine_tuning_epochs=1"]
    assert main(["test", *words, "--data.phantom_directory", str(phantom_folder)]) == 0
    capsys.readouterr()

    written = yaml.safe_load((folder / "config.yaml").read_text())
    assert read_config(str(folder / "config.yaml")).kind == "run"
    again = ("--config", str(folder / "config.yaml"))
    assert resolved(capsys, *again) == written
    assert main(["fit", *again, "--ckpt_path=last"]) == 0
    assert yaml.safe_load((folder / "config.yaml").read_text()) == written
    capsys.readouterr()
    assert resolved(capsys, *TASK, *files("adp_fl_quantile", "ditto"), *again) == written
    assert name_of(*again, *files("adp_fl")) == "fedprox+adp_fl"
    assert name_of(*again, *files("fedadam", "fedavg")) == "fedprox+fedadam+dp_fl"


def test_run_without_privacy_gives_no_privacy_name(capsys: pytest.CaptureFixture[str]) -> None:
    config = configuration("fedadam", "fedprox")
    again = own_file("config.yaml", yaml.safe_dump(config))
    assert name_of(*again) == "fedadam+fedprox"
    assert name_of(*again, *files("dp_fl")) == "fedadam+fedprox+dp_fl"
    renamed = own_file("renamed.yaml", yaml.safe_dump({**config, "method": "fedavg+mine"}))
    assert resolved(capsys, *renamed)["method"] == "fedavg+mine"


@pytest.mark.parametrize(("passes", "epochs"), [(0, 5), (1, 6), (3, 6)])
def test_trainer_has_one_epoch_for_each_round_and_one_for_fine_tuning(passes: int, epochs: int) -> None:
    words = [*TASK, *files("fedavg"), "--config", "configs/smoke.yaml", "--federated.rounds=5"]
    planned = run(["fit", *words, f"--federated.fine_tuning_epochs={passes}"], PlannedRun)
    assert planned.trainer.max_epochs == epochs


@pytest.mark.parametrize(
    "option", ["--privacy.delt=3e-5", "--conf=tasks/isic.yaml", "--seed=3", "--federated.round", "--print_conf"]
)
def test_abbreviated_option_is_an_unknown_setting(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert main(["fit", *TASK, option]) == 1
    name = option.removeprefix("--").partition("=")[0]
    assert f"There is no setting {name}; possible" in capsys.readouterr().err


def test_all_ways_to_write_an_option_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    expected = resolved(capsys, *TASK, *files("fedprox", "dp_fl"), "--data.root", "here", "--privacy.delta", "3e-5")
    words = ["-ctasks/isic.yaml", "-c=callbacks/dp_fl.yaml", "-c", "callbacks/fedprox.yaml"]
    assert resolved(capsys, *words, "--data.root=here", "--privacy.delta=3e-5") == expected
    assert (expected["method"], expected["data"]["init_args"]["root"]) == ("fedprox+dp_fl", "here")


def test_default_method_is_a_privacy_file() -> None:
    assert read_config(DEFAULT_METHOD).kind == "privacy"
