"""The examples of CONTRIBUTING.md, executed as they stand."""

import json
import re
import sys
from pathlib import Path

import pytest

from adpfl_bench.cli import main

TOP = Path(__file__).resolve().parents[1]
MODULES = ("clinic", "border", "decaying", "fedcm")


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = (TOP / "CONTRIBUTING.md").read_text()
    blocks = re.findall(r"```(?:python|yaml) file=(\S+)\n(.*?)```", text, flags=re.DOTALL)
    assert {name for name, _ in blocks} == {f"{module}{end}" for module in MODULES for end in (".py", ".yaml")}
    for name, content in blocks:
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)
    return tmp_path


def fit(*files: str) -> dict[str, object]:
    arguments = [word for file in (*files, "configs/smoke.yaml") for word in ("--config", file)]
    assert main(["fit", *arguments, "--trainer.default_root_dir=run"]) == 0
    return json.loads(Path("run/run.json").read_text())


def test_dataset(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = fit("clinic.yaml")
    assert record["task"] == "clinic"
    assert record["status"] == "finished"
    assert record["data"]["kind"] == "phantom"
    assert len(record["data"]["clients"]) == 3
    cases = [line.split(",") for line in Path("run/cases.csv").read_text().splitlines()[1:]]
    assert all(case.startswith(patient) and case != patient for case, patient, *_ in cases)
    (examples / "nothing").mkdir()
    assert main(["fit", "--config", "clinic.yaml", "--data.root=nothing"]) == 1
    assert "Expected photographs in nothing/photos" in capsys.readouterr().err


def test_task(examples: Path) -> None:
    record = fit("tasks/isic.yaml", "border.yaml")
    assert record["task"] == "border"
    assert record["model"]["class"] == "BorderTask"


def test_method(examples: Path) -> None:
    record = fit("tasks/isic.yaml", "decaying.yaml")
    privacy = record["privacy"]
    assert (privacy["threshold"], privacy["mechanism"]) == ("DecayingThreshold", "GaussianMechanism")
    assert privacy["accounted"]["epsilon"] > 0
    rows = [line.split(",") for line in Path("run/rounds.csv").read_text().splitlines()]
    thresholds = [
        float(value) for _, client, name, value in rows if (client, name) == ("client-1", "clipping_threshold")
    ]
    steps = 3  # nine training records in batches of four
    assert thresholds == pytest.approx([2 * 0.999 ** (steps - 1), 2 * 0.999 ** (2 * steps - 1)])


def test_client_method(examples: Path) -> None:
    record = fit("tasks/isic.yaml", "fedcm.yaml", "callbacks/adp_fl.yaml")
    assert record["method"] == "fedcm+adp_fl"
    assert record["federated"]["client_method"] == {"class": "FedCM", "alpha": 0.1, "rate": 0.05}
    assert record["privacy"]["unit"] == "batch"


def test_client_method_changes_what_is_trained(examples: Path) -> None:
    files = ["tasks/isic.yaml", "fedcm.yaml", "configs/smoke.yaml"]
    arguments = [word for file in files for word in ("--config", file)]
    scores = {}
    for alpha in ("1.0", "0.5"):
        setting = ["--federated.client_method.init_args.alpha", alpha, "--trainer.default_root_dir", f"alpha{alpha}"]
        assert main(["fit", *arguments, *setting, "--federated.rounds=3"]) == 0
        scores[alpha] = (Path(f"alpha{alpha}") / "cases.csv").read_text()
    assert main(["fit", *arguments[:2], "--config", "callbacks/fedavg.yaml", *arguments[4:], "--federated.rounds=3",
                 "--trainer.default_root_dir=plain"]) == 0  # fmt: skip
    assert scores["1.0"] == Path("plain/cases.csv").read_text()
    assert scores["0.5"] != scores["1.0"]


def test_client_method_is_about_thirty_lines(examples: Path) -> None:
    lines = [line for line in (examples / "fedcm.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 32
