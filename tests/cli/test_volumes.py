"""Volumes through the command line: predictions as files, preparing beforehand, natural clients, slices."""

import csv
import json
import signal
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from adpfl_bench.cli import main
from adpfl_bench.data.case import Case
from adpfl_bench.data.volumes import volume_cache
from adpfl_bench.datasets.brats import RELEASES
from adpfl_bench.metrics.functional import dice
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.volumes.brats_writer import Brats2021Writer
from adpfl_bench.phantoms.volumes.kits_writer import KitsWriter
from adpfl_bench.phantoms.volumes.lgg_writer import LggWriter
from tests.cli.conftest import Run
from tests.processes import Command, finish
from tests.schemes import SCHEMES


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "cases.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("task", ["kits", "brats2024"])
def test_predictions_are_files_like_the_sources_and_score_as_recorded(
    adpfl_bench: Run, phantom_folder: Path, task: str
) -> None:
    longer = ["--federated.rounds=3", "--federated.local_epochs=3", "--model.optimizer.init_args.lr=0.01"]
    assert adpfl_bench("fit", *longer, task=task) == 0
    assert adpfl_bench("predict", *longer, task=task) == 0
    run = Path("runs") / task / "fedavg/seed0"
    record = json.loads((run / "run.json").read_text())
    layout = {"kits": "kits", "brats2024": "brats2024"}[task]
    size = "16x32x32" if task == "kits" else "24x24x20"
    root = phantom_folder / f"{layout}-16cases-{size}-seed0"
    scheme = SCHEMES[task]
    assert record["data"]["release"] == {"kits": "KiTS23", "brats2024": "BraTS 2024 GLI"}[task]
    scored = [row for row in rows(run) if row["split"] == "test"]
    assert {row["region"] for row in scored} == set(scheme.regions)
    assert {row["hd95_unit"] for row in scored} == {"mm"}
    for case in {row["case"] for row in scored}:
        if task == "kits":
            source = nib.load(root / "dataset" / case / "segmentation.nii.gz")
        else:
            source = nib.load(root / case / f"{case}-seg.nii.gz")
        written = nib.load(run / "predictions" / f"{case}.nii.gz")
        assert written.shape == source.shape
        np.testing.assert_array_equal(written.affine, source.affine)
        truth, prediction = (np.asarray(image.dataobj).astype(np.uint8) for image in (source, written))
        for row in scored:
            if row["case"] == case:
                masks = [scheme.masks(values, [row["region"]])[0] for values in (prediction, truth)]
                assert float(row["dice"]) == pytest.approx(dice(*masks), abs=1e-12), row["region"]


def test_files_that_were_prepared_beforehand_are_found(
    adpfl_bench: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "lgg"
    write_phantom(LggWriter, root, 16, 0, (8, 32, 32))
    assert main(["prepare", "lgg", "--root", str(root)]) == 0
    printed = capsys.readouterr()
    assert "TCGA-LGG, 16 cases" in printed.err
    assert "16 of them prepared now" in printed.out
    assert list((tmp_path / "cache" / "digests").iterdir())  # hashed too, so that a run need not
    assert main(["prepare", "lgg", "--root", str(root)]) == 0
    assert "0 of them prepared now" in capsys.readouterr().out
    assert adpfl_bench("fit", f"--data.root={root}", task="lgg") == 0
    assert "preparing" not in capsys.readouterr().err


def test_prepare_names_damaged_cases_and_leaves_out_what_it_is_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "brats"
    write_phantom(Brats2021Writer, root, 4, 0, (20, 20, 16))
    (root / "BraTS2021_90002" / "BraTS2021_90002_t2.nii.gz").write_bytes(b"")
    assert main(["prepare", "brats", "--root", str(root), "--spacing", "[3,3,3]"]) == 1
    assert "BraTS2021_90002" in capsys.readouterr().err
    excluded = ["--exclude", '["BraTS2021_90002"]']
    assert main(["prepare", "brats", "--root", str(root), "--spacing", "[3,3,3]", *excluded]) == 0
    assert "3 cases are in" in capsys.readouterr().out
    assert main(["prepare", "brats", "--root", str(root), "--release", "BraTS 1999"]) == 1
    error = capsys.readouterr().err
    assert all(name in error for name in RELEASES)


def test_prepare_can_be_broken_off_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "lgg"
    write_phantom(LggWriter, root, 4, 0, (8, 32, 32))
    prepare = volume_cache.prepare_case

    def interrupt(case: Case, *arguments: object) -> object:
        if case.case_id.startswith("TCGA_HT"):  # the last
            signal.raise_signal(signal.SIGTERM)
        return prepare(case, *arguments)

    monkeypatch.setattr(volume_cache, "prepare_case", interrupt)
    assert main(["prepare", "lgg", "--root", str(root), "--workers", "1"]) == 143
    assert "the same command goes on" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setenv("ADPFL_CACHE", str(tmp_path / "cache"))
    assert main(["prepare", "lgg", "--root", str(root)]) == 0
    assert "4 cases are in" in (printed := capsys.readouterr().out)
    assert "4 of them prepared now" not in printed
    assert main(["prepare", "lgg", "--root", str(root), "--workers", "0"]) == 1
    assert "data.prepare_workers must be from 1 to" in capsys.readouterr().err


def test_institutions_are_clients_of_slices_and_of_volumes(adpfl_bench: Run) -> None:
    for task in ("lgg", "lgg_slices"):
        assert adpfl_bench("fit", task=task) == 0
        data = json.loads((Path("runs") / task / "fedavg/seed0/run.json").read_text())["data"]
        assert set(data["clients"]) == {"CS", "DU", "EZ", "FG", "HT"}
        scored = rows(Path("runs") / task / "fedavg/seed0")
        assert {row["hd95_unit"] for row in scored} == {"% of diagonal"}
        patients = {row["patient"] for row in scored}
        assert all(patient.count("_") == 2 for patient in patients)


def test_a_wrong_task_for_a_folder_is_named(
    adpfl_bench: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    write_phantom(KitsWriter, root, 4, 0, (16, 20, 20))
    assert adpfl_bench("fit", f"--data.root={root}", task="brats") == 1
    assert "looks like KiTS" in capsys.readouterr().err
    assert adpfl_bench("fit", f"--data.root={root}", "--model.label_scheme=kits19", task="kits") == 1
    assert "--model.label_scheme kits" in capsys.readouterr().err


def test_a_scheme_of_ones_own_can_be_stated_in_yaml(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    scheme = {"name": "kidney", "classes": ["kidney", "tumour", "cyst"], "regions": {"all": ["kidney", "cyst"]}}
    Path("own.yaml").write_text(json.dumps({"model": {"init_args": {"label_scheme": scheme}}}))
    assert adpfl_bench("fit", "--config=own.yaml", task="kits") == 0
    run = Path("runs/kits/fedavg/seed0")
    assert {row["region"] for row in rows(run)} == {"all"}
    assert adpfl_bench("predict", "--config=own.yaml", task="kits") == 0
    values = [np.asarray(nib.load(file).dataobj).max() for file in (run / "predictions").iterdir()]
    assert set(values) <= {0, 1}
    fewer = {**scheme, "classes": ["kidney", "cyst"]}
    Path("own.yaml").write_text(json.dumps({"model": {"init_args": {"label_scheme": fewer}}}))
    assert adpfl_bench("fit", "--config=own.yaml", "--trainer.default_root_dir=other", task="kits") == 1
    assert "or a scheme of your own with the classes kidney, tumour, cyst" in capsys.readouterr().err


def test_a_killed_run_on_volumes_goes_on_as_if_it_had_not_been(empty_folder: Path, phantom_folder: Path) -> None:
    def arguments(run: str) -> list[str]:
        configs = ("tasks/brats.yaml", "callbacks/adp_fl.yaml", "configs/smoke.yaml")
        return [
            "fit",
            *(f"--config={config}" for config in configs),
            *(f"--data.phantom_directory={phantom_folder}", f"--trainer.default_root_dir={run}"),
            *("--federated.rounds=6", "--federated.local_epochs=2"),
        ]

    finish(Command(empty_folder, arguments("whole")))
    command = Command(empty_folder, arguments("killed"))
    command.wait_for((empty_folder / "killed" / "checkpoints" / "last.ckpt").exists)
    command.stop(signal.SIGKILL)
    assert not (empty_folder / "killed" / "cases.csv").exists()
    finish(Command(empty_folder, [*arguments("killed"), "--ckpt_path=last"]))
    weights = [
        torch.load(empty_folder / run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for run in ("whole", "killed")
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    for name in ("cases.csv", "rounds.csv"):
        assert (empty_folder / "whole" / name).read_text() == (empty_folder / "killed" / name).read_text()


@pytest.mark.parametrize(
    ("network", "size"), [("DynUNet", "[32,32,24]"), ("DynUNet", "[16,16,16]"), ("UNet", "[15,16,16]")]
)
def test_a_patch_that_does_not_fit_the_network_is_named(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str], network: str, size: str
) -> None:
    arguments = [f"--model.network={network}", f"--data.patch_size={size}", "--data.batch_size=1"]
    arguments += ["--model.network_arguments=null"] if network == "DynUNet" else []
    assert adpfl_bench("fit", *arguments, task="kits") == 1
    error = capsys.readouterr().err
    assert f"{network} cannot take images of {size.replace(',', ', ')}" in error
    assert "data.patch_size" in error
