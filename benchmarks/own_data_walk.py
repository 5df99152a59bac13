"""Real images as data of one's own, from a folder to masks: every command in turn, and what came of each.

    pip install "monai[fire,ignite]"
    python benchmarks/own_data_walk.py [isic] [lgg] [brain] [flair]

ISIC photographs, LGG slices, and boxes of the BraTS-layout case (four sequences, and FLAIR alone, of which a DICOM
series is made too) below ``ADPFL_DATA`` are each laid out as a raw folder of nnU-Net and as a table of paths. Of each:
plan, verify, fit by three methods, evaluate on the other layout as a cohort, segment without masks, export, and MONAI's
own runner, whose masks are compared with those of segment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image

from adpfl_bench.data.case import Case
from adpfl_bench.datasets.brats import CHANNELS, survey_brats
from adpfl_bench.datasets.isic import survey_isic
from adpfl_bench.datasets.lgg import LGGSlicesDataModule
from tests.dicom_slices import write_series
from tests.own_layouts import raw_folder, table

DATA = Path(os.environ.get("ADPFL_DATA", "../shared/data")).resolve()
METHODS = ("fedavg", "adp_fl", "dp_sgd")
BRAIN = {"NETC": 1, "SNFH": 2, "ET": 4}
LABELS = {"isic": {"lesion": 1}, "lgg": {"abnormality": 1}, "brain": BRAIN, "flair": BRAIN}


def photographs(place: Path) -> tuple[Path, Path]:
    """Photographs of skin, in both layouts."""
    cases = survey_isic(DATA / "isic2017").complete("")[:24]
    return raw_folder(place / "raw", cases, ".png", "RGB", LABELS["isic"]), paths(place / "table.csv", cases)


def slices(place: Path) -> tuple[Path, Path]:
    """Slices of brain MRI with an abnormality, in both layouts."""
    cases = LGGSlicesDataModule("").scan(DATA / "lgg")
    shown = [case for case in cases if np.asarray(Image.open(case.label)).any()][::12][:30]
    return raw_folder(place / "raw", shown, ".tif", "RGB", LABELS["lgg"]), paths(place / "table.csv", shown)


def boxes(channels: Sequence[str]) -> Callable[[Path], tuple[Path, Path]]:
    """Boxes of a real case that move a little from one to the next, in both layouts."""

    def made(place: Path) -> tuple[Path, Path]:
        (whole,) = survey_brats(DATA / "brats_sample").cases
        cases = []
        for index in range(12):
            files = []
            for file in whole.files:
                name = file.name.split("_")[-1]
                if name == "seg.nii.gz" or name.removesuffix(".nii.gz") in channels:
                    files.append(place / "boxes" / f"box{index:02d}_{name}")
                    files[-1].parent.mkdir(parents=True, exist_ok=True)
                    low = 60 + index
                    nib.save(nib.load(file).slicer[low : low + 64, 80:144, 50:98], files[-1])
            images = tuple(
                next(file for file in files if file.name.endswith(f"_{channel}.nii.gz")) for channel in channels
            )
            label = next(file for file in files if file.name.endswith("_seg.nii.gz"))
            cases.append(replace(whole, case_id=f"box{index:02d}", patient_id=f"p{index}", images=images, label=label))
        names = channels if len(channels) > 1 else ()
        raw = raw_folder(place / "raw", cases, ".nii.gz", channels, BRAIN)
        return raw, paths(place / "table.csv", cases, names)

    return made


def paths(path: Path, cases: Sequence[Case], channels: Sequence[str] = ()) -> Path:
    """Lay cases out as a table of paths, with two sites."""
    columns = [f"image_{name}" for name in channels] or ["image"]
    rows = []
    for index, case in enumerate(cases):
        images = dict(zip(columns, (image.resolve() for image in case.images), strict=True))
        rows.append({"case": case.case_id, **images, "mask": case.label.resolve(), "site": "ab"[index % 2]})
    return table(path, rows)


WALKS: dict[str, tuple[str, Callable[[Path], tuple[Path, Path]]]] = {
    "isic": ("own_pictures", photographs),
    "lgg": ("own_pictures", slices),
    "brain": ("own_volumes", boxes(CHANNELS)),
    "flair": ("own_volumes", boxes(("flair",))),
}


class Walk:
    """Runs commands in a folder of its own, and says what came of each."""

    def __init__(self, place: Path, label: str) -> None:
        self.place, self.label, self.failed = place, label, 0

    def say(self, what: str, well: bool, more: str = "") -> bool:
        """Print a row of the table."""
        self.failed += not well
        print(f"{self.label:<14} {what:<34} {'yes' if well else 'NO':<4} {more}", flush=True)
        return well

    def command(self, what: str, *words: object) -> bool:
        """Run one command of the suite."""
        return self._run(what, ["-m", "adpfl_bench", *words])

    def _run(self, what: str, words: Sequence[object]) -> bool:
        ended = subprocess.run(
            [sys.executable, *map(str, words)], cwd=self.place, capture_output=True, text=True, check=False
        )
        lines = [*ended.stdout.splitlines(), *ended.stderr.splitlines()] if ended.returncode else []
        told = [line for line in lines if line.startswith("adpfl-bench:") or "Error" in line]
        return self.say(what, ended.returncode == 0, " ".join([*lines[-1:], *told[-1:]][-1:])[:300])

    def bundle(self, images: Path, masks: Path) -> None:
        """Let MONAI's own runner make the masks of a bundle."""
        words = ["--config_file", "bundle/configs/inference.json", "--bundle_root", "bundle"]
        words += ["--dataset_dir", str(images), "--output_dir", str(masks)]
        self._run("MONAI's bundle run", ["-m", "monai.bundle", "run", *words])

    def same_masks(self, what: str, one: Path, other: Path, most: float) -> None:
        """Compare the masks of two folders, of which a share may differ by rounding."""
        found = sorted(path.name for path in (self.place / one).iterdir() if path.name.endswith((".png", ".nii.gz")))
        if missing := [name for name in found if not (self.place / other / name).exists()]:
            self.say(what, False, f"{missing[0]} and {len(missing) - 1} more are not there")
            return
        differ = inside = of = 0
        for name in found:
            a, b = (values(self.place / folder / name) for folder in (one, other))
            differ, inside, of = differ + int((a != b).sum()), inside + int((a > 0).sum()), of + a.size
        well = bool(found) and inside > 0 and differ <= most * of
        self.say(what, well, f"{len(found)} masks, {differ} of {of:,} differ, {inside:,} inside")


def values(path: Path) -> np.ndarray:
    """Values of a mask."""
    return np.asarray(Image.open(path)) if path.suffix == ".png" else np.asarray(nib.load(path).dataobj)


def walk(name: str, place: Path) -> int:
    """Take one data set all the way, in both layouts; returns what went wrong."""
    dataset, lay_out = WALKS[name]
    raw, csv = lay_out(place)
    failed = 0
    for layout, root, other in (("raw folder", raw, csv), ("table", csv, raw)):
        here = place / layout.replace(" ", "_")
        here.mkdir()
        go = Walk(here, f"{name}, {layout}")
        classes = ("--description.labels", json.dumps(LABELS[name])) if root == csv else ()  # a table names none
        go.command("plan", "plan", root, "--output", "task.yaml", "--memory", "1", *classes)
        go.command("verify", "verify", dataset, "--root", root, "--config", "task.yaml")
        small = ["--config", "task.yaml", "--config", "configs/smoke.yaml", "--data.root", root, "--task", "own"]
        for method in METHODS:
            rounds = ("--federated.rounds", "6") if method == "fedavg" else ("--privacy.delta", "0.01")
            file = f"callbacks/{method}.yaml"
            go.command(
                f"fit {method}", "fit", *small[:2], "--config", file, *small[2:], *rounds, "--trainer.devices", "1"
            )
        run = "runs/own/fedavg/seed0"  # a name that configs/smoke.yaml has no settings for
        go.command("evaluate on the other layout", "evaluate", run, "--cohort", f"elsewhere={other}")
        images = place / "new"
        if not images.exists():
            images.mkdir()
            for file in sorted((raw / "imagesTr").iterdir())[: 4 * (4 if name == "brain" else 1)]:
                # A bundle of pictures calls a mask as its picture, whole.
                new = file.name if dataset == "own_volumes" else file.name.replace("_0000", "")
                (images / new).symlink_to(file.resolve())
        go.command("segment", "segment", run, images, "--output", "masks", "--cpu")
        go.command("export", "export", run, "--output", "bundle")
        go.bundle(images, here / "masks_of_monai")
        go.same_masks("its masks are those of segment", Path("masks"), Path("masks_of_monai"), 1e-4)
        go.command("segment by the bundle", "segment", "bundle", images, "--output", "again", "--cpu")
        go.same_masks("to the bit", Path("masks"), Path("again"), 0.0)
        if name == "flair":
            dicom_series(go, sorted((raw / "imagesTr").iterdir())[0], run)
        failed += go.failed
    return failed


def dicom_series(go: Walk, source: Path, run: str) -> None:
    """Segment a series that is made of a volume, with DICOM-SEG."""
    image = nib.load(source)
    stored = np.asanyarray(image.dataobj).astype(np.int16)
    write_series(go.place / "archive" / "patient", stored, image.affine, modality="MR", signed=True)
    words = ("segment", run, go.place / "archive", "--output", "of_dicom", "--cpu", "--dicom_seg")
    if go.command("segment a DICOM series", *words):
        mask = values(go.place / "of_dicom" / "patient.nii.gz")
        of_file = values(go.place / "masks" / f"{source.name.removesuffix('_0000.nii.gz')}.nii.gz")
        same = sorted(int((mask == value).sum()) for value in range(5)) == sorted(
            int((of_file == value).sum()) for value in range(5)
        )
        go.say("as many voxels as of its NIfTI file", same)


def main() -> None:
    """Walk through the data sets that are named, or all."""
    failed = 0
    for name in sys.argv[1:] or WALKS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["ADPFL_CACHE"] = f"{folder}/cache"
            failed += walk(name, Path(folder))
    print(f"{failed} steps went wrong")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
