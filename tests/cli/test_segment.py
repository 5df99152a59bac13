"""Trained models segment files without masks: as predict does to the bit, several together, past what is broken."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import highdicom
import nibabel as nib
import numpy as np
import pytest
import torch
from PIL import Image

from adpfl_bench.cli import main
from adpfl_bench.tasks.brain_tumour import BrainTumorTask
from adpfl_bench.tasks.federated_task import FederatedTask
from adpfl_bench.tasks.kidney_tumour import KidneyTumorTask
from adpfl_bench.tasks.segmentation import SegmentationTask
from adpfl_bench.tasks.skin_lesion import SkinLesionTask
from tests.cli.conftest import Run
from tests.cli.plain_evaluator import run_bundle
from tests.dicom_slices import ROOT, write_series

RUN = Path("runs/isic/fedavg/seed0")


def test_pictures_come_out_as_predict_writes_them_alone_and_together(
    adpfl_bench: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert adpfl_bench("fit", "--score", "false", "--federated.rounds", "1") == 0
    assert adpfl_bench("predict") == 0
    check_that_it_describes_itself(RUN, SkinLesionTask)
    config = json.loads((RUN / "run.json").read_text())["config"]
    cohort = next(Path(config["data"]["init_args"]["phantom_directory"]).glob("isic-*"))
    predicted = {path.name: path.read_bytes() for path in (RUN / "predictions").iterdir()}
    assert len(predicted) >= 4
    new = Path("new")
    (new / "more").mkdir(parents=True)
    for number, name in enumerate(sorted(predicted)):
        stem = name.removesuffix("_lesion.png")
        (file,) = cohort.rglob(f"{stem}.jpg")
        shutil.copy(file, new / "more" if number % 2 else new)
    assert main(["segment", str(RUN), "new", "--output", "out"]) == 0
    assert {path.name: path.read_bytes() for path in Path("out").glob("*.png")} == predicted
    assert main(["segment", str(RUN), "new", "--output", "out"]) == 1
    assert "out is not empty; choose another --output, or add --overwrite." in capsys.readouterr().err

    # An ensemble of a model with itself is that model, but that probabilities are interpolated in place of logits.
    words = ["--ensemble", str(RUN), "--uncertainty", "--smallest", "3"]
    (new / "broken.jpg").write_bytes(b"none")
    (new / "notes.txt").write_text("")
    assert main(["segment", str(RUN), "new", "--output", "both", *words]) == 1
    printed = capsys.readouterr().out
    assert f"{len(predicted)} cases segmented, 1 not" in printed
    assert "1 file passed over, as no image: new/notes.txt" in printed
    with Path("both/segmented.csv").open() as file:
        outcomes = {row["case"]: row["outcome"] for row in csv.DictReader(file)}
    assert outcomes.pop("broken").startswith("not segmented: new/broken.jpg cannot be read")
    assert set(outcomes.values()) == {"segmented"}
    content = json.loads(Path("both/segment.json").read_text())
    assert [model["weights"] for model in content["models"]] == [content["models"][0]["weights"]] * 2
    assert content["smallest_component"] == 3
    for name, before in predicted.items():
        alone = np.array(Image.open(Path("out") / name)) > 0
        together = np.array(Image.open(Path("both") / name)) > 0
        assert before
        assert (alone != together).mean() < 0.1
        unsure = np.array(Image.open(Path("both") / name.replace(".png", "_uncertainty.png")))
        assert unsure.shape == alone.shape


def test_volumes_come_out_as_predict_writes_them(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("fit", "--score", "false", "--federated.rounds", "1", task="brats") == 0
    assert adpfl_bench("predict", task="brats") == 0
    run = Path("runs/brats/fedavg/seed0")
    check_that_it_describes_itself(run, BrainTumorTask)
    config = json.loads((run / "run.json").read_text())["config"]
    cohorts = Path(config["data"]["init_args"]["phantom_directory"])
    predicted = sorted((run / "predictions").iterdir())
    new = Path("new")
    new.mkdir()
    case = predicted[0].name.removesuffix(".nii.gz")
    for channel, ending in enumerate(("t1", "t1ce", "t2", "flair")):
        file = next(cohorts.rglob(f"{case}_{ending}.nii.gz"))
        shutil.copy(file, new / f"someone_{channel:04d}.nii.gz")
        shutil.copy(file, new / file.name)
    (new / f"{case}_t2.nii.gz").rename(new / "other_t2.nii.gz")
    assert main(["segment", str(run), "new", "--output", "out"]) == 1
    assert Path("out/someone.nii.gz").read_bytes() == predicted[0].read_bytes()
    found, wanted = nib.load("out/someone.nii.gz"), nib.load(predicted[0])
    printed = capsys.readouterr().out
    assert f"not segmented: {case}: t2 is missing" in printed
    assert "not segmented: other: t1, t1ce, flair are missing" in printed

    assert main(["segment", str(run), "new", "--output", "flipped", "--flips", "--uncertainty"]) == 1
    unsure = nib.load("flipped/someone_WT_uncertainty.nii.gz")
    values = np.asarray(unsure.dataobj)
    assert values.shape == wanted.shape
    assert 0 <= values.min() < values.max() <= 1

    assert main(["export", str(run), "--output", "bundle"]) == 0
    shutil.copytree(new, "whole", ignore=lambda _, names: [name for name in names if "someone" not in name])
    run_bundle(Path("bundle"), Path("whole"), Path("masks"))
    check_label_map(nib.load("masks/someone.nii.gz"), found)
    assert main(["segment", "bundle", "new", "--output", "again"]) == 1
    assert Path("again/someone.nii.gz").read_bytes() == Path("out/someone.nii.gz").read_bytes()


def check_that_it_describes_itself(run: Path, kind: type[FederatedTask]) -> None:
    """A checkpoint makes its task, asked for by its class or by what that is a kind of, and without any argument."""
    path = run / "checkpoints/last.ckpt"
    weights = torch.load(path, weights_only=True)["state_dict"]
    for asked in (kind, SegmentationTask, FederatedTask):
        task = asked.load_from_checkpoint(path)
        assert type(task) is kind
        assert task.network is not None
        assert all(torch.equal(value, weights[name]) for name, value in task.state_dict().items())


def check_label_map(found: Any, wanted: Any) -> None:
    """One of MONAI's, whose sums are in another order, beside ours: the same values in the same places."""
    values, expected = np.asarray(found.dataobj), np.asarray(wanted.dataobj)
    assert values.shape == expected.shape
    assert values.dtype == expected.dtype
    assert np.allclose(found.affine, wanted.affine, atol=1e-5)
    assert len(np.unique(expected)) > 2
    assert (values != expected).sum() <= 2


def test_what_cannot_be_is_a_sentence(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("fit", "--score", "false", "--federated.rounds", "1", method="ditto") == 0
    run = "runs/isic/ditto/seed0"
    Path("new").mkdir()
    said = {
        (run, "new", "--output", "out"): "have models of their own (ditto): say whose with --client; possible are",
        (run, "new", "--output", "out", "--client", "client-1"): "There is no image in new; expected files that end in",
        (run, "elsewhere", "--output", "out", "--client", "client-1"): "There is no file or folder elsewhere.",
        (run, "new", "--output", "out", "--smallest", "-1"): "--smallest is the size of the smallest component",
        ("nowhere", "new", "--output", "out"): "nowhere",
        (run, "new", "--output", "new/masks"): "within new, all of whose images are segmented, so that masks",
    }
    for words, sentence in said.items():
        assert main(["segment", *words]) == 1
        assert sentence in capsys.readouterr().err
    assert not Path("out").exists()
    assert main(["export", run, "--output", "bundle"]) == 1
    assert "have models of their own (ditto): say whose with --client; possible are" in capsys.readouterr().err
    for client in ("client-1", "client-2"):
        assert main(["export", run, "--output", client, "--client", client]) == 0
    first, second = (torch.load(f"client-{n}/models/model.pt", weights_only=True) for n in (1, 2))
    assert not all(torch.equal(first[name], second[name]) for name in first)


def test_a_dicom_series_comes_out_as_its_nifti_file(adpfl_bench: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert adpfl_bench("fit", "--score", "false", "--federated.rounds", "1", task="kits") == 0
    run = Path("runs/kits/fedavg/seed0")
    check_that_it_describes_itself(run, KidneyTumorTask)
    config = json.loads((run / "run.json").read_text())["config"]
    file = next(Path(config["data"]["init_args"]["phantom_directory"]).glob("kits-*/dataset/case_*/imaging.nii.gz"))
    scan = nib.load(file)
    values = np.asarray(scan.dataobj).transpose(2, 1, 0)  # stored as slices, rows and columns
    write_series(Path("new/patient"), values, scan.affine[:, [2, 1, 0, 3]])
    assert main(["segment", str(run), "new", "--output", "out", "--dicom_seg"]) == 0
    assert main(["segment", str(run), str(file), "--output", "nifti"]) == 0
    found = nib.as_closest_canonical(nib.load("out/patient.nii.gz"))
    wanted = nib.as_closest_canonical(nib.load("nifti/imaging.nii.gz"))
    label_map = np.asarray(wanted.dataobj)
    assert 0 < (label_map > 0).mean() < 1
    assert np.array_equal(np.asarray(found.dataobj), label_map)
    assert np.allclose(found.affine, wanted.affine, rtol=1e-6, atol=1e-4)

    made = highdicom.seg.segread("out/patient_seg.dcm")
    segments = made.get_volume(combine_segments=False, segment_numbers=[1, 2, 3])
    for number in (1, 2, 3):  # the values of KiTS23
        assert segments.array[..., number - 1].sum() == (label_map == number).sum()
    assert made.ReferencedSeriesSequence[0].SeriesInstanceUID.startswith(ROOT)

    assert main(["export", str(run), "--output", "bundle"]) == 0
    run_bundle(Path("bundle"), file.parent, Path("masks"))
    check_label_map(nib.load("masks/imaging.nii.gz"), nib.load("nifti/imaging.nii.gz"))
    metadata = json.loads(Path("bundle/configs/metadata.json").read_text())
    image = metadata["network_data_format"]["inputs"]["image"]
    assert (image["modality"], image["value_range"], image["is_patch_data"]) == ("CT", [-1, 1], True)

    shutil.copy(file, "new/other.nii.gz")
    assert main(["segment", str(run), "new", "--output", "none", "--dicom_seg"]) == 1
    assert "--dicom_seg is for DICOM series" in capsys.readouterr().err
    assert not Path("none").exists()
