"""Every federation method with every kind of privacy, by YAML files alone, on a tiny phantom cohort."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from adpfl_bench.config.config_files import find_config, packaged_configs
from tests.cli.conftest import Run


def read(name: str) -> dict[str, object]:
    return yaml.safe_load(find_config(name).read_text())


FILES = [name for name in packaged_configs() if name.startswith("callbacks/")]
FEDERATION = sorted(Path(name).stem for name in FILES if "privacy" not in read(name))
PRIVACY = ("none", "dp_fl", "adp_fl", "adp_fl_quantile")
OWN_MODELS = {"ditto", "fedbn", "fine_tuning"}
# What a whole hospital sends is not all in one noised delta, or nothing is sent.
NOT_BY_CLIENT = {
    "scaffold": "control variate",
    "local": "nothing is sent",
    "centralized": "there are no clients",
}
UNITS = {"none": "none", "dp_fl": "batch", "adp_fl": "batch", "adp_fl_quantile": "patient", "client_dp": "client"}


def together(federation: str, privacy: str) -> list[str]:
    """Both files, the federation's last, so that its server optimizer holds."""
    return [word for name in (privacy, federation) if name != "none" for word in ("--config", f"callbacks/{name}.yaml")]


def run_folder() -> Path:
    (record,) = Path("runs/isic").glob("*/seed0/run.json")
    return record.parent


def test_all_methods_are_here() -> None:
    assert {"fedavg", "fedavgm", "fedadam", "fedyogi", "fedadagrad", "fednova", "median", "trimmed_mean"} < set(
        FEDERATION
    )
    assert {"fedprox", "scaffold", "ditto", "fedbn", "fine_tuning", "local", "centralized"} < set(FEDERATION)


@pytest.mark.parametrize("privacy", PRIVACY)
@pytest.mark.parametrize("federation", FEDERATION)
def test_every_federation_runs_with_every_privacy(adpfl_bench: Run, federation: str, privacy: str) -> None:
    assert adpfl_bench("fit", *together(federation, privacy)) == 0
    folder = run_folder()
    record = json.loads((folder / "run.json").read_text())
    parts = [name for name in (federation, privacy) if name not in ("none", "fedavg")]
    assert folder.parent.name == record["method"] == ("+".join(parts) or "fedavg")
    assert record["status"] == "finished"
    assert record["privacy"]["unit"] == UNITS[privacy]
    accounted = record["privacy"]["accounted"]["epsilon"]
    assert (accounted is not None) == (privacy in ("dp_fl", "adp_fl_quantile"))
    if privacy == "adp_fl_quantile":
        assert 0 < accounted <= record["privacy"]["target_epsilon"]
    with (folder / "cases.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    models = {row["model"] for row in rows}
    clients = {row["client"] for row in rows}
    headline = "everyone" if federation == "local" else "own" if federation in OWN_MODELS else "global"
    assert record["federated"]["headline"] == headline
    assert models - {"global"} == (clients if headline != "global" else set())


@pytest.mark.parametrize("federation", FEDERATION)
def test_client_privacy_runs_or_is_refused_with_the_reason(
    adpfl_bench: Run, federation: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = adpfl_bench("fit", *together(federation, "client_dp"), "--privacy.delta", "0.01")
    reason = NOT_BY_CLIENT.get(federation)
    if reason is None:
        assert code == 0
        accounted = json.loads((run_folder() / "run.json").read_text())["privacy"]["accounted"]
        assert accounted["epsilon"] is not None
        assert any("own models" in what for what in accounted["not_covered"]) == (federation in OWN_MODELS)
    else:
        assert code != 0
        assert reason in capsys.readouterr().err
