"""The examples of CONTRIBUTING.md, executed as they stand."""

import csv
import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from adpfl_bench.cli import main
from adpfl_bench.records.run_directory import RunDirectory
from adpfl_bench.wandb.summary import score_summary

TOP = Path(__file__).resolve().parents[1]
VOLUMES = "A dataset of volumes with labels of its own"
MODULES = ("clinic", "heart", "border", "sized", "size", "decaying", "fedcm")
CLASSIFIER = "A task that is not segmentation"


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
    trusted = [f"--trust={module}" for module in MODULES]
    assert main(["fit", *arguments, *trusted, "--trainer.default_root_dir=run"]) == 0
    return json.loads(Path("run/run.json").read_text())


def run_commands(chapter: str) -> None:
    """Run a chapter's commands one after the other, as they stand."""
    text = (TOP / "CONTRIBUTING.md").read_text().split(f"## {chapter}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    for line in block.splitlines():
        program, *words = shlex.split(line)
        assert program == "adpfl-bench"
        assert main(words) == 0, line


@pytest.mark.parametrize(
    ("chapter", "module"),
    [
        ("A dataset of pictures", "clinic"),
        (VOLUMES, "heart"),
        ("A task", "border"),
        ("A metric", "sized"),
        (CLASSIFIER, "size"),
        ("A threshold rule", "decaying"),
        ("A federated method", "fedcm"),
    ],
)
def test_files_and_lines_are_counted(examples: Path, chapter: str, module: str) -> None:
    text = (TOP / "CONTRIBUTING.md").read_text().split(f"## {chapter}\n")[1]
    lines = [line for end in (".py", ".yaml") for line in (examples / f"{module}{end}").read_text().splitlines()]
    assert text.startswith(f"\nTwo files, {len(lines)} lines.")


def test_rooms_are_drawn_as_imports_are_held() -> None:
    (held,) = re.findall(r"layers = \[(.*?)\]", (TOP / "pyproject.toml").read_text(), flags=re.DOTALL)
    *rooms, modules, errors = re.findall(r'"(.*?)"', held)
    (drawing,) = re.findall(r"```text\n(.*?)```", (TOP / "CONTRIBUTING.md").read_text(), flags=re.DOTALL)
    *drawn, last = [line for line in drawing.splitlines() if not line.startswith("-")]
    assert [line.split()[0] for line in drawn] == rooms
    assert set(last.split("  ")[0].split(", ")) == {*errors.split(" | "), *modules.split(" | ")}


def test_dataset_of_pictures(examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_commands("A dataset of pictures")
    assert "no problems in 24 cases" in capsys.readouterr().out
    run = Path("runs/clinic/adp_fl/seed0")
    record = json.loads((run / "run.json").read_text())
    assert (record["task"], record["status"], record["data"]["kind"]) == ("clinic", "finished", "phantom")
    assert len(record["data"]["clients"]) == 3
    cases = [line.split(",") for line in (run / "cases.csv").read_text().splitlines()[1:]]
    assert all(case.startswith(patient) and case != patient for case, patient, *_ in cases)
    next(Path("photos/photos").iterdir()).write_bytes(b"no photograph")
    next(Path("photos/masks").iterdir()).unlink()
    assert main(["verify", "clinic.ClinicDataModule", "--root", "photos", "--trust", "clinic"]) == 1
    assert "2 problems in" in capsys.readouterr().out
    (examples / "nothing").mkdir()
    words = ["--config", "clinic.yaml", "--data.root=nothing", "--trainer.default_root_dir=other"]
    assert main(["fit", *words, "--trust=clinic"]) == 1
    assert "Expected photographs in nothing/photos" in capsys.readouterr().err


def test_dataset_makes_its_own_phantoms(examples: Path) -> None:
    assert fit("clinic.yaml")["data"]["kind"] == "phantom"
    assert json.loads(next(Path("phantoms").glob("clinic-*/PHANTOM.json")).read_text())["phantom"] == "clinic"


def test_dataset_of_volumes(
    examples: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADPFL_CACHE", "cache")
    run_commands(VOLUMES)
    printed = capsys.readouterr()
    assert "no problems in 12 cases" in printed.out
    assert "12 of them prepared now" in printed.out
    assert printed.err.count("preparing") == 1  # fit found them prepared
    run = Path("runs/heart/adp_fl/seed0")
    record = json.loads((run / "run.json").read_text())
    assert (record["status"], record["data"]["release"]) == ("finished", "Hearts")
    regions = {line.split(",")[4] for line in (run / "cases.csv").read_text().splitlines()[1:]}
    assert regions == {"heart", "chamber"}
    assert "val_dice_chamber" in (run / "rounds.csv").read_text()
    Path("hearts/patient003_label.nii.gz").unlink()
    assert main(["verify", "heart.HeartDataModule", "--root", "hearts", "--trust", "heart"]) == 1
    assert "patient003_label.nii.gz is missing" in capsys.readouterr().out


def test_task(examples: Path) -> None:
    record = fit("tasks/isic.yaml", "border.yaml")
    assert record["task"] == "border"
    assert record["model"]["class"] == "BorderTask"


def lines_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_metric(examples: Path) -> None:
    run_commands("A metric")
    run = "runs/sized/adp_fl/seed0"
    cases = lines_of(f"{run}/cases.csv")
    errors = [float(case["size_error"]) for case in cases if case["split"] == "test"]
    assert min(errors) >= 0
    assert len(set(errors)) > 1
    rounds = [line for line in lines_of(f"{run}/rounds.csv") if line["name"] == "val_size_error"]
    assert {line["round"] for line in rounds} == {"1", "2"}
    (row,) = lines_of("tables/leaderboard.csv")
    assert float(row["size_error_mean"]) == pytest.approx(sum(errors) / len(errors))
    text = Path("tables/leaderboard.md").read_text()
    assert "| Size error % | Jaccard % (ISIC 2018, threshold 0.65) |" in text
    assert "Size error (\\%)" in Path("tables/leaderboard.tex").read_text()
    assert "Size error %" in Path("tables/report.html").read_text()
    scores, metrics = RunDirectory(Path(run)).read_cases(), RunDirectory(Path(run)).read_record().model.metrics
    summary = score_summary([score for score in scores if score.split == "test"], metrics=metrics)
    assert summary["size_error"] == pytest.approx(sum(errors) / len(errors))


def test_task_that_is_not_segmentation(examples: Path) -> None:
    run_commands(CLASSIFIER)
    run = "runs/size/adp_fl/seed0"
    record = json.loads(Path(f"{run}/run.json").read_text())
    assert (record["status"], record["privacy"]["threshold"]) == ("finished", "PercentileThreshold")
    cases = [case for case in lines_of(f"{run}/cases.csv") if case["split"] == "test"]
    right = [float(case["accuracy"]) for case in cases]
    assert set(right) <= {0.0, 1.0}
    assert {(case["region"], case["dice"], case["hd95_unit"], case["missed"]) for case in cases} == {
        ("size", "", "", "")
    }
    assert "val_accuracy" in {line["name"] for line in lines_of(f"{run}/rounds.csv")}
    (row,) = lines_of("tables/leaderboard.csv")
    assert (row["dice_mean"], row["missed"]) == ("", "")
    assert float(row["accuracy_mean"]) == pytest.approx(sum(right) / len(right))
    assert "| Accuracy % |" in Path("tables/leaderboard.md").read_text()
    predicted = {path.stem: path.read_text().strip() for path in Path(f"{run}/predictions").glob("*.txt")}
    assert predicted.keys() == {case["case"] for case in cases}
    assert set(predicted.values()) <= {"0", "1"}


def test_threshold_rule(examples: Path) -> None:
    record = fit("tasks/isic.yaml", "decaying.yaml")
    privacy = record["privacy"]
    assert (privacy["threshold"], privacy["mechanism"]) == ("DecayingThreshold", "GaussianMechanism")
    assert privacy["accounted"]["epsilon"] > 0
    rows = [line.split(",") for line in Path("run/rounds.csv").read_text().splitlines()]
    thresholds = [
        float(value) for _, client, name, value in rows if (client, name) == ("client-1", "clipping_threshold")
    ]
    steps = 3  # nine training examples in batches of four
    assert thresholds == pytest.approx([2 * 0.999 ** (steps - 1), 2 * 0.999 ** (2 * steps - 1)])


def test_client_method(examples: Path) -> None:
    record = fit("tasks/isic.yaml", "fedcm.yaml", "callbacks/adp_fl.yaml")
    assert record["method"] == "fedcm+adp_fl"
    assert record["federated"]["client_method"] == {"class": "FedCM", "alpha": 0.1, "rate": 0.05}
    assert record["privacy"]["unit"] == "batch"


def test_client_method_changes_what_is_trained(examples: Path) -> None:
    files = ["tasks/isic.yaml", "fedcm.yaml", "configs/smoke.yaml"]
    arguments = [*(word for file in files for word in ("--config", file)), "--trust=fedcm"]
    scores = {}
    for alpha in ("1.0", "0.5"):
        setting = ["--federated.client_method.init_args.alpha", alpha, "--trainer.default_root_dir", f"alpha{alpha}"]
        assert main(["fit", *arguments, *setting, "--federated.rounds=3"]) == 0
        scores[alpha] = (Path(f"alpha{alpha}") / "cases.csv").read_text()
    assert main(["fit", *arguments[:2], "--config", "callbacks/fedavg.yaml", *arguments[4:], "--federated.rounds=3",
                 "--trainer.default_root_dir=plain"]) == 0  # fmt: skip
    assert scores["1.0"] == Path("plain/cases.csv").read_text()
    assert scores["0.5"] != scores["1.0"]
