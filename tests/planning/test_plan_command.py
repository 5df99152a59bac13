"""The command plan: what it reads, and the task file that it writes."""

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml
from PIL import Image

from adpfl_bench.cli import main
from adpfl_bench.data.case import Case
from adpfl_bench.datasets.isic import survey_isic
from adpfl_bench.datasets.own.own_volumes import OwnVolumesDataModule
from adpfl_bench.planning.intensity_choice import WINDOWS
from tests.own_layouts import pictures, raw_folder, rows_of, save_volume, table, volumes


def plan(root: Path, output: Path, *words: str) -> dict:
    assert main(["plan", str(root), "--output", str(output), "--workers", "1", *words]) == 0
    return yaml.safe_load(output.read_text())


def comments(path: Path) -> str:
    """All comments of a file, as one line."""
    return " ".join(line.strip("# ") for line in path.read_text().splitlines() if line.lstrip().startswith("#"))


def with_json(root: Path, **changes: object) -> Path:
    path = root / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return root


def test_volumes_of_nnunets_layout(tmp_path, capsys):
    root = volumes(tmp_path / "own", 12)
    task = plan(root, tmp_path / "task.yaml")
    data, model = task["data"]["init_args"], task["model"]["init_args"]
    assert task["task"] == "own"
    assert task["data"]["class_path"] == "adpfl_bench.OwnVolumesDataModule"
    assert (data["root"], data["planned_on"]) == (str(root), "private")
    assert data["description"] == {"name": "own", "channels": ["CT"], "labels": {"organ": 1, "tumour": 2}}
    assert data["spacing"] == [1.5, 1.5, 2.0]
    assert (data["intensity"], data["ct_window"]) == ("ct", [-1000.0, 1000.0])
    assert data["partition"] == {"class_path": "adpfl_bench.IIDPartition", "init_args": {"clients": 4}}
    assert data["phantom_cases"] == 24
    strides = model["network_arguments"]["strides"]
    assert len(data["patch_size"]) == len(strides[0]) == model["spatial_dims"] == 3
    text = (tmp_path / "task.yaml").read_text()
    settled = [line for line in text.splitlines() if "patch_size:" in line or "spacing:" in line or "root:" in line]
    assert len(settled) == 3
    for key in ("planned_on", "description", "partition", "intensity", "ct_window", "spacing", "patch_size",
                "batch_size", "network_arguments", "rounds"):  # fmt: skip
        before = text[: text.index(f" {key}:")].splitlines()[-2]
        assert before.strip().startswith("# "), key
    printed = capsys.readouterr().out
    for fact in (
        "median 18x16x12, all alike",
        "1.5 1.5 2 mm",
        "RAS 12",
        "organ",
        "12 ids",
        "private data: epsilon does not",
    ):
        assert fact in printed


def test_the_same_data_give_the_same_file(tmp_path):
    root = pictures(tmp_path / "own")
    plan(root, tmp_path / "a.yaml")
    os.utime(root / "dataset.json")
    plan(root, tmp_path / "b.yaml")
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()


def test_no_statistic_of_intensities_is_in_the_file(tmp_path):
    """Brighter images, the same file."""
    volumes(tmp_path / "one" / "own", 6)
    volumes(tmp_path / "two" / "own", 6, channels=("CT",))
    for image in (tmp_path / "two" / "own" / "imagesTr").iterdir():
        read = nib.load(image)
        nib.save(nib.Nifti1Image(np.asarray(read.dataobj) + np.int16(300), read.affine), image)
    texts = []
    for name in ("one", "two"):
        plan(tmp_path / name / "own", tmp_path / f"{name}.yaml")
        texts.append((tmp_path / f"{name}.yaml").read_text().replace(f"/{name}/", "/"))
    assert texts[0] == texts[1]


def test_a_table_of_pictures_with_sites_patients_and_splits(tmp_path, capsys):
    root = pictures(tmp_path / "raw", 12)
    patients = [f"p{index // 2}" for index in range(12)]
    sites = ["north", "north", "south", "south"]
    splits = ["train", "train", "train", "train", "test", "test"] * 2
    path = table(tmp_path / "own.csv", rows_of(root, tmp_path, patient=patients, site=sites, split=splits))
    task = plan(path, tmp_path / "task.yaml")
    data = task["data"]["init_args"]
    assert data["root"] == str(path)
    assert data["description"]["columns"] == {
        "images": ["image"], "mask": "mask", "case": "case", "patient": "patient", "site": "site", "split": "split"
    }  # fmt: skip
    assert data["description"]["ids_identify"] == "patient"
    assert data["partition"]["class_path"] == "adpfl_bench.NaturalPartition"
    assert task["model"]["init_args"]["spatial_dims"] == 2
    assert "the data state who is in test, train, which stands" in comments(tmp_path / "task.yaml")
    printed = capsys.readouterr().out
    for fact in ("6 ids, of patients", "north 3, south 3", "train 8, test 4", "2: the data state 2 sites"):
        assert fact in printed


def test_regions_channels_and_organs_are_taken_from_the_files(tmp_path):
    root = with_json(
        volumes(tmp_path / "own", 6, channels=("T1", "T2")),
        labels={"background": 0, "whole kidney": [1, 2], "tumour": 2},
        regions_class_order=[1, 2],
    )
    data = plan(root, tmp_path / "mri.yaml")["data"]["init_args"]
    assert data["description"]["regions"] == {"whole kidney": [1, 2], "tumour": [2]}
    assert data["intensity"] == "zscore"
    assert "ct_window" not in data
    kidney = next(organ for organ in WINDOWS if organ.what == "kidney")
    as_ct = plan(root, tmp_path / "ct.yaml", "--intensity", "ct")["data"]["init_args"]
    assert as_ct["ct_window"] == list(kidney.window)


def test_sites_and_patients_may_stand_in_case_ids(tmp_path, capsys):
    root = pictures(tmp_path / "own", 12)
    words = ("--description.case_pattern", r"case_0(?P<site>\d)(?P<patient>\d)")
    data = plan(root, tmp_path / "task.yaml", *words)["data"]["init_args"]
    assert data["description"]["case_pattern"] == words[1]
    assert data["partition"]["class_path"] == "adpfl_bench.NaturalPartition"
    assert "0 10, 1 2" in capsys.readouterr().out


def test_what_it_was_planned_on_is_stated(tmp_path):
    root = pictures(tmp_path / "own", 4)
    assert plan(root, tmp_path / "a.yaml")["data"]["init_args"]["planned_on"] == "private"
    assert plan(root, tmp_path / "b.yaml", "--public")["data"]["init_args"]["planned_on"] == "public"
    (root / "PHANTOM.json").write_text("{}")
    assert plan(root, tmp_path / "c.yaml")["data"]["init_args"]["planned_on"] == "phantom"


def test_cases_that_cannot_be_read_are_named_and_the_others_planned(tmp_path, capsys):
    root = volumes(tmp_path / "own", 5)
    (root / "imagesTr" / "case_001_0000.nii.gz").write_bytes(b"broken")
    (root / "labelsTr" / "case_003.nii.gz").unlink()
    task = plan(root, tmp_path / "task.yaml")
    assert "from 3 cases of own" in comments(tmp_path / "task.yaml")
    assert task["data"]["init_args"]["partition"]["init_args"] == {"clients": 1}
    printed = capsys.readouterr().out
    assert "2 problems left out of the plan; fit refuses them until they are mended" in printed
    assert "case_001: cannot be read" in printed
    assert "case_003: has no mask" in printed
    assert "2 problems of these data are left out" in comments(tmp_path / "task.yaml")


def test_what_is_left_out_is_what_verify_finds(tmp_path, capsys):
    root, shape = volumes(tmp_path / "own", 10), (18, 16, 12)
    affine = np.diag([1.5, 1.5, 2.0, 1.0])

    def image(number: int) -> Path:
        return root / "imagesTr" / f"case_{number:03d}_0000.nii.gz"

    def label(number: int) -> Path:
        return root / "labelsTr" / f"case_{number:03d}.nii.gz"

    noise = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    save_volume(image(0), np.stack([noise] * 3, -1), affine)
    save_volume(image(1), noise[:, :, 0], affine)
    save_volume(image(2), np.where(noise > 2, np.nan, noise), affine)
    save_volume(image(3), 0 * noise, affine)
    image(4).write_bytes(image(4).read_bytes()[:500])
    save_volume(label(5), (noise > 1) * np.uint8(7), affine)
    save_volume(label(6), (noise[:4] > 1).astype(np.uint8), affine)
    plan(root, tmp_path / "task.yaml")
    printed = capsys.readouterr().out
    inventory = OwnVolumesDataModule(root).inventory(root)
    refused = {case.case_id for case in inventory.cases if inventory.check(case).problems}
    assert refused == {f"case_{number:03d}" for number in range(7)}
    assert {name for name in (f"case_{number:03d}" for number in range(10)) if f"{name}: " in printed} == refused


def test_a_dataset_of_the_suite_has_a_task_file_already(tmp_path, isic, capsys):
    assert main(["plan", str(isic), "--output", str(tmp_path / "task.yaml")]) == 1
    assert f"adpfl-bench fit --config tasks/isic.yaml --data.root {isic}." in capsys.readouterr().err


def test_empty_masks_are_allowed_where_they_occur(tmp_path):
    root = pictures(tmp_path / "own", 4)
    assert "empty_masks" not in plan(root, tmp_path / "a.yaml")["data"]["init_args"]["description"]
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(root / "labelsTr" / "case_000.png")
    assert plan(root, tmp_path / "b.yaml")["data"]["init_args"]["description"]["empty_masks"] is True
    assert "1 of 4 cases show nothing" in comments(tmp_path / "b.yaml")


def test_memory_is_heeded(tmp_path):
    root = pictures(tmp_path / "own", 4, size=(300, 400))
    large = plan(root, tmp_path / "a.yaml")["data"]["init_args"]["image_size"]
    small = plan(root, tmp_path / "b.yaml", "--memory", "1.5")["data"]["init_args"]["image_size"]
    assert large[0] * large[1] > 2 * small[0] * small[1]


@pytest.mark.parametrize("kind", ["volumes", "table of pictures"])
def test_fit_runs_the_file_as_it_stands(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    if kind == "volumes":
        root = volumes(tmp_path / "raw", 6, channels=("T1", "T2"))
    else:
        rows = rows_of(pictures(tmp_path / "raw", 6, values=(1, 3)), tmp_path, site=["a", "b"])
        root = table(tmp_path / "own.csv", rows)
    words = ("--description.labels", '{"a": 1, "b": 3}') if kind != "volumes" else ()
    name = plan(root, tmp_path / "task.yaml", *words)["task"]
    # But for its length, which no planning makes less.
    short = [
        "--federated.rounds",
        "1",
        "--model.network_arguments.filters",
        "[2,2,2,2,2,2,2]",
        "--trainer.devices",
        "1",
    ]
    assert main(["fit", "--config", "task.yaml", *short]) == 0
    record = json.loads((tmp_path / "runs" / name / "adp_fl" / "seed0" / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["data"]["planned_on"] == "private"


@pytest.mark.parametrize("as_table", [False, True])
def test_real_pictures(tmp_path, real_data, as_table):
    cases = survey_isic(real_data / "isic2017").complete("")[:12]
    root = raw_folder(tmp_path / "isic", cases, ".png", ["R", "G", "B"], {"lesion": 1})
    if as_table:
        rows = rows_of(root, tmp_path, site=["a", "b", "c"])
        root = table(tmp_path / "isic.csv", rows)
    data = plan(root, tmp_path / "task.yaml")["data"]["init_args"]
    assert data["image_size"] == [256, 256]
    assert data["batch_size"] == (2 if as_table else 1)  # of four cases at a client two train, of three one
    assert data["partition"]["class_path"].endswith("NaturalPartition" if as_table else "IIDPartition")


def test_real_volumes(tmp_path, real_data):
    """The real case in BraTS' layout, three times over, with another spacing each."""
    folder = next((real_data / "brats_sample").glob("BraTS2021_*"))
    names = ("t1", "t1ce", "t2", "flair", "seg")
    files = [next(folder.glob(f"*_{name}.nii*")) for name in names]
    cases = []
    for edge in (1, 2, 3):
        made = []
        for name, file in zip(names, files, strict=True):
            read = nib.load(file)
            path = tmp_path / f"{edge}_{name}.nii.gz"
            values = np.asarray(read.dataobj)[::4, ::4, ::4]
            save_volume(path, values.astype(np.int16), np.diag([-4.0, -4.0, 4.0 * edge, 1.0]))
            made.append(path)
        cases.append(Case(f"p{edge}", f"p{edge}", tuple(made[:4]), made[4]))
    root = raw_folder(tmp_path / "brats", cases, ".nii.gz", names[:4], {"edema": 2, "core": 1})
    data = plan(root, tmp_path / "task.yaml")["data"]["init_args"]
    assert (data["spacing"], data["intensity"]) == ([4.0, 4.0, 8.0], "zscore")
    assert data["description"]["labels"] == {"edema": 2, "core": 1}
    whole = nib.load(files[0]).shape
    assert all(size <= -(-side // 4) for size, side in zip(data["phantom_size"], whole, strict=True))


def test_help_reads_well(capsys):
    with pytest.raises(SystemExit):
        main(["plan", "--help"])
    printed = capsys.readouterr().out
    for word in ("--output", "--memory", "--description.labels", "--public", "--overwrite", "nnU-Net's rules"):
        assert word in printed
