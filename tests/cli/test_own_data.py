"""Data of one's own through the command line: every command takes them, and a run keeps all that its model needs."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image

from adpfl_bench import RegionsTask
from adpfl_bench.cli import main
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.records.cohort_record import read_cohort
from tests.cli.several_commands import start
from tests.own_layouts import decathlon, pictures, rows_of, table, volumes

NESTED = ["--data.description.labels", "{core: 2, rim: 1}", "--data.description.regions", "{whole: [1, 2], core: [2]}"]


def command(task: str, root: str, run: str, *more: str, method: str = "fedavg") -> list[str]:
    files = [f"tasks/{task}.yaml", f"callbacks/{method}.yaml", "configs/smoke.yaml"]
    configs = [word for file in files for word in ("--config", file)]
    return [*configs, "--federated.rounds=1", "--data.root", root, "--trainer.default_root_dir", run, *more]


def scored(run: str) -> list[dict[str, str]]:
    with (Path(run) / "cases.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pictures_table(name: str = "own.csv", **columns: Sequence[object]) -> str:
    if not Path("p").exists():
        pictures(Path("p"), 18, values=(1, 2))
    return str(table(Path(name), rows_of(Path("p"), Path("."), **columns)))


def test_pictures_from_a_table_to_masks_of_new_ones(capsys: pytest.CaptureFixture[str]) -> None:
    patients = [f"p{number}" for number in range(9)]
    root = pictures_table(patient=patients, site=["a", "b", "c"])
    words = command("own_pictures", root, "run", *NESTED, "--privacy.delta=0.01", method="adp_fl_quantile")
    assert main(["fit", *words]) == 0
    record = json.loads(Path("run/run.json").read_text())
    assert [*record["data"]["clients"]] == ["a", "b", "c"]
    assert (record["data"]["patient_id_is"], record["privacy"]["protects"]) == ("patient", "patient")
    assert (record["data"]["release"], record["data"]["kind"]) == ("own", "real")
    assert {row["region"] for row in scored("run")} == {"whole", "core"}
    assert all(float(row["dice"]) >= 0 for row in scored("run"))
    assert main(["test", *words]) == main(["predict", *words]) == main(["verify-run", "run", "--score"]) == 0
    assert "accounted 8" in capsys.readouterr().out.replace("7.99", "8")
    # The model is made, and segments, without the data, which need not be where it is used.
    written = {path.name: path.read_bytes() for path in Path("run/predictions").iterdir()}
    shutil.copytree("p/imagesTr", "new")
    Path("p").rename("gone")
    Path(root).unlink()
    assert main(["segment", "run", "new", "--output", "masks"]) == 0
    assert {name: (Path("masks") / name).read_bytes() for name in written} == written
    assert len(written) == 2 * len({row["case"] for row in scored("run") if row["split"] == "test"})
    made = RegionsTask.load_from_checkpoint(next(Path("run/checkpoints").glob("*.ckpt")), map_location="cpu")
    assert (made.in_channels, [*made.regions]) == (3, ["whole", "core"])


def test_a_run_goes_on_and_its_configuration_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    root = pictures_table(site=["a", "b"])
    words = command("own_pictures", root, "whole", *NESTED)
    assert main(["fit", *words, "--federated.rounds=2"]) == 0
    kept = yaml.safe_load(Path("whole/config.yaml").read_text())
    assert kept["data"]["init_args"]["description"]["channels"] == ["red", "green", "blue"]
    assert kept["model"]["init_args"]["label_scheme"]["painting"] == [["whole", "rim"], ["core", "core"]]
    assert kept["model"]["init_args"]["in_channels"] == 3
    again = ["--config", "whole/config.yaml", "--trainer.default_root_dir", "again"]
    bring = FederatedDataModule.train_dataloader

    def stop_in_the_second_round(self: FederatedDataModule) -> object:
        if self._round() == 1:
            raise KeyboardInterrupt
        return bring(self)

    with monkeypatch.context() as patch:
        patch.setattr(FederatedDataModule, "train_dataloader", stop_in_the_second_round)
        with pytest.raises(SystemExit):
            main(["fit", *again])
    assert main(["fit", *again, "--ckpt_path=last"]) == 0
    assert scored("again") == scored("whole")


def test_two_processes_and_a_grid_take_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = pictures_table(site=["a", "b", "c"])
    for count, run in ((1, "one"), (2, "two")):
        ranks = start(folder, count, [["fit", *command("own_pictures", root, run, *NESTED)]])
        assert [rank.wait() for rank in ranks] == [0] * count, [rank.printed for rank in ranks]
    for name in ("rounds.csv", "cases.csv", "partition.csv"):
        assert Path("two", name).read_bytes() == Path("one", name).read_bytes()

    Path("clinic.yaml").write_text(yaml.safe_dump({"data": {"root": root, "description": {"labels": {"core": 2}}}}))
    task = {"file": "tasks/own_pictures.yaml", "configs": ["configs/smoke.yaml", "clinic.yaml"]}
    methods = ["callbacks/fedavg.yaml", "callbacks/dp_fl.yaml"]
    Path("grid.yaml").write_text(yaml.safe_dump({"tasks": [task], "methods": methods, "seeds": [0]}))
    assert main(["benchmark", "--config", "grid.yaml", "--dry_run"]) == 0
    assert "2 of 2 runs to make" in capsys.readouterr().out


def test_grey_pictures_of_two_stains() -> None:
    pictures(Path("p"), 12, channels=2, ending=".tif")
    assert main(["fit", *command("own_pictures", "p", "run")]) == 0
    assert main(["predict", *command("own_pictures", "p", "run")]) == 0
    (Path("new") / "deep").mkdir(parents=True)
    for path in Path("p/imagesTr").iterdir():
        shutil.copy(path, Path("new/deep") / path.name)
    assert main(["segment", "run", "new", "--output", "masks"]) == 0
    for path in Path("run/predictions").iterdir():
        assert path.read_bytes() == (Path("masks") / path.name).read_bytes()


def test_volumes_are_one_dataset_in_each_layout() -> None:
    source = volumes(Path("v"), 8, ("t1", "flair"))
    roots = {
        "nnunet": "v",
        "decathlon": str(decathlon(Path("d"), source)),
        "table": str(table(Path("t.csv"), rows_of(source, Path(".")))),
    }
    named = ["--data.description.labels", "{organ: 1, tumour: 2}", "--data.description.tolerances", "{organ: 4}"]
    clients = ["--data.partition=IIDPartition", "--data.partition.clients=2"]
    found = []
    for layout, root in roots.items():
        words = command("own_volumes", root, layout, *named, *clients)
        assert main(["fit", *words]) == 0
        record = json.loads((Path(layout) / "run.json").read_text())
        assert record["config"]["model"]["init_args"]["label_scheme"]["tolerances"] == {"organ": 4.0}
        found.append([(row["case"], row["region"], row["dice"], row["nsd"]) for row in scored(layout)])
    assert main(["predict", *words]) == 0
    case = next(row["case"] for row in scored(layout) if row["split"] == "test")
    predicted, truth = nib.load(f"{layout}/predictions/{case}.nii.gz"), nib.load(f"v/labelsTr/{case}.nii.gz")
    assert np.array_equal(predicted.affine, truth.affine)
    assert {*np.unique(np.asanyarray(predicted.dataobj))} <= {0, 1, 2}
    assert {region for _, region, *_ in found[0]} == {"organ", "tumour"}
    assert found[0] == found[1] == found[2]


def test_cohorts_in_other_layouts_than_the_runs(capsys: pytest.CaptureFixture[str]) -> None:
    root = pictures_table(site=["a"])
    named = ["--data.description.labels", "{tissue1: 1, tissue2: 2}"]
    assert main(["fit", *command("own_pictures", root, "run", *named)]) == 0
    before = scored("run")
    assert main(["evaluate", "run", "--cohort", "raw=p", "--cohort", f"table={root}"]) == 0
    raw, tabled = scored("run/cohorts/raw"), scored("run/cohorts/table")
    assert [{**row, "client": ""} for row in raw] == [{**row, "client": ""} for row in tabled]
    assert len({row["case"] for row in raw}) == 18
    assert read_cohort(Path("run/cohorts/raw")).data.release == "p"
    assert scored("run") == before
    swapped = shutil.copytree("p", "swapped")  # classes of other values are scored by their names
    for path in Path("swapped/labelsTr").iterdir():
        Image.fromarray(np.choose(np.asarray(Image.open(path)), [0, 2, 1]).astype(np.uint8)).save(path)
    described = json.loads(Path("swapped/dataset.json").read_text())
    described["labels"] = {"background": 0, "tissue2": 1, "tissue1": 2}
    Path("swapped/dataset.json").write_text(json.dumps(described))
    assert main(["evaluate", "run", "--cohort", f"swapped={swapped}"]) == 0
    by_region = [
        {(row["case"], row["region"]): row["dice"] for row in rows} for rows in (raw, scored("run/cohorts/swapped"))
    ]
    assert by_region[0] == by_region[1]
    other = pictures(Path("other"), 3, values=(1,))
    assert main(["evaluate", "run", "--cohort", f"other={other}"]) == 1
    assert "masks have the classes tissue1, but the task has the classes tissue1, tissue2." in capsys.readouterr().out
    grey = pictures(Path("grey"), 3, channels=2, values=(1, 2))
    assert main(["evaluate", "run", "--cohort", f"grey={grey}"]) == 1
    assert main(["evaluate", "run", "--cohort", f"volumes={volumes(Path('v'), 2)}", "--layout", "own_volumes"]) == 1
    assert "brings volumes" in capsys.readouterr().out


def test_empty_masks_have_to_be_expected(capsys: pytest.CaptureFixture[str]) -> None:
    root = volumes(Path("v"), 8)
    label = nib.load("v/labelsTr/case_003.nii.gz")
    nib.save(nib.Nifti1Image(np.zeros(label.shape, np.uint8), label.affine), "v/labelsTr/case_003.nii.gz")
    words = command("own_volumes", str(root), "run", "--data.partition=IIDPartition", "--data.partition.clients=2")
    assert main(["fit", *words]) == 1
    assert "case_003: the label map is empty" in capsys.readouterr().err
    assert main(["fit", *words, "--data.description.empty_masks=true", "--record.overwrite=true"]) == 0


def test_without_anything_to_read_the_sentence_says_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    for root, sentence in (
        ("nowhere", "nowhere does not exist; give a folder with dataset.json, imagesTr/ and labelsTr/, or a CSV file"),
        (".", "dataset.json does not exist; give the folder that holds dataset.json"),
    ):
        assert main(["fit", *command("own_pictures", root, "run")]) == 1
        assert sentence in capsys.readouterr().err
    words = ["--config", "tasks/isic.yaml", "--config", "configs/smoke.yaml", "--model=adpfl_bench.RegionsTask"]
    assert main(["fit", *words]) == 1
    assert "model.label_scheme is not stated" in capsys.readouterr().err


TASK = {
    "task": "organs",
    "data": {
        "class_path": "adpfl_bench.OwnVolumesDataModule",
        "init_args": {
            "spacing": [3.0, 3.0, 4.0],
            "intensity": "zscore",
            "description": {"labels": {"organ": 1, "tumour": 2}, "columns": {"mask": "truth"}},
        },
    },
}


def test_verify_and_prepare_take_what_a_task_file_states(capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(volumes(Path("v"), 3, ("a", "b")), Path("."))
    root = str(table(Path("t.csv"), [{("truth" if k == "mask" else k): v for k, v in row.items()} for row in rows]))
    Path("organs.yaml").write_text(yaml.safe_dump(TASK))
    assert main(["verify", "own_volumes", "--root", root]) == 1
    assert "has no column mask" in capsys.readouterr().err
    assert main(["verify", "own_volumes", "--root", root, "--config", "organs.yaml"]) == 0
    assert "t.csv: t, 3 cases to read" in capsys.readouterr().out
    assert main(["prepare", "own_volumes", "--root", root, "--config", "organs.yaml"]) == 0
    assert "3 of them prepared now. adpfl-bench fit --config organs.yaml --data.root t.csv" in capsys.readouterr().out
    coarse = [json.loads(path.read_text()) for path in Path("cache").rglob("case.json")]
    assert {tuple(case["grid"]["network_shape"]) for case in coarse} == {(9, 8, 6)}
    Path("other.yaml").write_text(yaml.safe_dump({**TASK, "data": {**TASK["data"], "class_path": "a.Pictures"}}))
    assert main(["verify", "own_volumes", "--root", root, "--config", "other.yaml"]) == 1
    assert "other.yaml is a file for the datamodule Pictures" in capsys.readouterr().err
    Path("wrong.yaml").write_text(Path("organs.yaml").read_text().replace("organ: 1", "organ: one"))
    assert main(["verify", "own_volumes", "--root", root, "--config", "wrong.yaml"]) == 1
    assert "wrong.yaml: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("regions={all: 1}", "data.description.regions is 1, but must be a list"),
        ("ids_identify=person", "data.description.ids_identify is person, but must be record, image, slice, lesion"),
        ("empty_masks=maybe", "data.description.empty_masks is maybe, but must be true or false."),
        ("labels={1: a}", "a key is 1, which YAML reads as int and not as text; put it in quotes"),
        ("label={a: 1}", "There is no setting data.description.label; possible in data.description are case_pattern,"),
        ("columns.masks=x", "There is no setting data.description.columns.masks; possible in data.description.columns"),
        ("columns={masks: x}", "no setting data.description.columns.masks; possible in data.description.columns are"),
    ],
)
def test_what_a_description_cannot_state_is_told(capsys: pytest.CaptureFixture[str], words: str, sentence: str) -> None:
    assert main(["fit", *command("own_pictures", "nowhere", "run", f"--data.description.{words}")]) == 1
    assert sentence in capsys.readouterr().err
