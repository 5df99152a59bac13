"""Other hospitals' data are scored by a run's models, in any layout of the task, and the run stays as it was."""

import csv
import hashlib
import json
import weakref
from pathlib import Path
from typing import Any

import pytest

from adpfl_bench.cli import main
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationBatch
from adpfl_bench.data.images.image_datamodule import ImageDataModule
from adpfl_bench.records.cohort_record import read_cohort
from adpfl_bench.running.trained_model import TrainedModel
from tests.cli.conftest import Run

RUN = Path("runs/isic/fedavg/seed0")


def phantom(name: str, dataset: str, seed: int = 7, cases: int = 8, size: str = "[48,64]") -> str:
    words = ["--cases", str(cases), "--seed", str(seed), "--image_size", size]
    assert main(["phantom", dataset, "--output", name, *words]) == 0
    return name


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and "cohorts" not in path.parts]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "cases.csv").open() as file:
        return list(csv.DictReader(file))


def count_batches(patch: pytest.MonkeyPatch) -> list[int]:
    """Bring cases one by one, and count after each how many cases' images and labels are in memory."""
    alive: list[int] = []
    labels: list[weakref.ref[Any]] = []
    load, score = ImageDataModule.load_cases, TrainedModel.score

    def load_by_one(self: ImageDataModule, cases: Any) -> Any:
        self._evaluation._batch_size = 1
        return load(self, cases)

    def count_and_score(self: TrainedModel, batch: EvaluationBatch) -> None:
        score(self, batch)
        labels.extend(map(weakref.ref, batch.labels))
        alive.append(sum(label() is not None for label in labels))

    patch.setattr(ImageDataModule, "load_cases", load_by_one)
    patch.setattr(TrainedModel, "score", count_and_score)
    return alive


def test_cohorts_of_two_layouts_are_scored_beside_the_run(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert adpfl_bench("fit", "--federated.rounds", "1") == 0
    before = digests(RUN)
    other, ham = phantom("other", "isic"), phantom("ham", "ham10000", cases=16)
    with monkeypatch.context() as patch:
        alive = count_batches(patch)
        assert main(["evaluate", "runs", "--cohort", f"north={other}"]) == 0
    assert len(alive) == 8
    assert max(alive) <= 3  # one is predicted, and the masks of two are scored
    assert "north" in capsys.readouterr().out
    assert main(["evaluate", str(RUN), "--cohort", f"south={ham}", "--layout", "ham10000"]) == 0
    assert digests(RUN) == before
    scored = rows(RUN / "cohorts/north")
    assert len(scored) == 8
    assert {(row["client"], row["split"], row["model"]) for row in scored} == {("north", "test", "global")}
    assert all(0 <= float(row["dice"]) <= 1 for row in scored)
    record = read_cohort(RUN / "cohorts/south")
    assert (record.name, record.data.datamodule, record.data.cases) == ("south", "HAM10000DataModule", 16)
    assert record.data.contents is not None
    assert set(record.weights) == {"global"}
    # The run's own data, whole: its test cases score what they scored in the run.
    config = json.loads((RUN / "run.json").read_text())["config"]
    cohort = next(Path(config["data"]["init_args"]["phantom_directory"]).glob("isic-*"))
    assert main(["evaluate", str(RUN), "--cohort", f"own={cohort}"]) == 0
    again = {row["case"]: row["dice"] for row in rows(RUN / "cohorts/own")}
    test = {row["case"]: row["dice"] for row in rows(RUN) if row["split"] == "test"}
    assert test == {case: again[case] for case in test}

    check_that_tampering_is_found(RUN, capsys)
    capsys.readouterr()
    assert main(["evaluate", str(RUN), "--cohort", f"north={other}"]) == 1
    assert "this cohort was scored before. Remove it, or give another name." in capsys.readouterr().out
    assert main(["leaderboard", "runs", "--output", "results", "--overlays", "false"]) == 0
    tables = Path("results/leaderboard.md").read_text()
    assert "verified" in tables
    assert "## Left out" not in tables
    assert "own holds the very files of the runs' own data" in tables
    with Path("results/hospitals.csv").open() as file:
        lines = [row for row in csv.DictReader(file) if row["metric"] == "dice"]
    assert [(row["hospital"], row["hospital_cases"]) for row in lines][:1] == [("north", "8")]
    assert {row["hospital"] for row in lines} == {"north", "south", "own"}
    assert float(lines[0]["mean"]) == pytest.approx(sum(float(row["dice"]) for row in scored) / 8)


def check_that_tampering_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By verify-run, of a cohort's scores, of the weights that it states, and of its name."""
    assert main(["verify-run", str(folder)]) == 0
    cohort = folder / "cohorts/north"
    scores, record = cohort / "cases.csv", cohort / "cohort.json"
    weights = read_cohort(cohort).weights["global"]
    edits = {
        "cohorts: north: cases.csv is not the file that cohort.json was written with": (scores, "north", "n0rth"),
        "cohorts: north: cohort.json says that weights 000000000000 scored it": (record, weights, "0" * 64),
        "cohorts: north: cohort.json calls the cohort other": (record, '"name": "north"', '"name": "other"'),
        "cohorts: north: the run was trained on after this was scored": (record, '"chain": "', '"chain": "0'),
    }
    capsys.readouterr()
    for sentence, (file, before, after) in edits.items():
        text = file.read_text()
        file.write_text(text.replace(before, after, 1))
        assert main(["verify-run", str(folder)]) == 1
        assert sentence in capsys.readouterr().out
        file.write_text(text)
    assert main(["verify-run", str(folder)]) == 0


def test_own_models_are_scored_each(adpfl_bench: Run) -> None:
    assert adpfl_bench("fit", "--federated.rounds", "1", "--score", "false", method="ditto") == 0
    run = Path("runs/isic/ditto/seed0")
    assert main(["evaluate", str(run), "--cohort", f"north={phantom('other', 'isic')}"]) == 0
    models = {row["model"] for row in rows(run / "cohorts/north")}
    clients = set(json.loads((run / "run.json").read_text())["data"]["clients"])
    assert models == {"global", *clients}
    weights = read_cohort(run / "cohorts/north").weights
    assert set(weights) == models
    assert len(set(weights.values())) == len(models)
    assert main(["verify-run", str(run)]) == 0


def test_what_does_not_fit_is_a_sentence(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("fit", "--federated.rounds", "1", "--score", "false") == 0
    Path("empty").mkdir()
    said = {
        ("--cohort", "x=empty"): "empty",
        ("--cohort", "x=empty", "--layout", "kits"): "data in the layout of kits are for",
        ("--cohort", "x=empty", "--layout", "nothing"): "There is no dataset 'nothing'; there are isic",
        ("--cohort", "../x=empty"): "The cohort is called '../x', which is no folder's",
        ("--cohort", "empty"): "NAME=ROOT",
        ("--cohort", "x=empty", "--cohort", "x=other"): "each cohort needs a name of its own",
    }
    for words, sentence in said.items():
        assert main(["evaluate", str(RUN), *words]) == 1
        printed = capsys.readouterr()
        assert sentence in printed.out + printed.err, words
    assert not (RUN / "cohorts/x").exists()
