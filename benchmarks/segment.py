"""What ``segment`` takes beside the sliding window that it cannot do without, and its memory over many files.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/segment.py
    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python benchmarks/segment.py --only memory

Time: cases of MRI of four sequences, of the size of BraTS (a head of 180x180x120 voxels in 240x240x155), are read,
checked, prepared, segmented and written, one after the other, and, in turns with that, MONAI's
``sliding_window_inference`` alone segments what was prepared as often. Told are the ratios of the medians of wall time,
of which threads take a part where a second processor is free, and of processor time. The network has the weights of
chance, and is by default that of tasks/brats.yaml; the less a network takes, the more the rest weighs. ``--images``
takes a real case's files.

Memory: the command segments 20 small volumes, and 200; the ratio of the two peaks should be 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.inferers import sliding_window_inference

from adpfl_bench.datasets.brats import CHANNELS
from adpfl_bench.kept_memory import keep_freed_memory
from adpfl_bench.phantoms.volumes.space import Space, depth_in_ellipsoid, smooth_field
from adpfl_bench.privacy.noise_key import state_digest
from adpfl_bench.running.model_source import ExportedModel, ModelSource, description_of, weights_of
from adpfl_bench.running.segmented_cases import Segmentation, segment_cases
from adpfl_bench.running.trained_model import open_model
from adpfl_bench.tasks.brain_tumour import BrainTumorTask

SHAPE = (240, 240, 155)


def write_model(folder: Path, network: str, patch: int) -> Path:
    """Write a model with the weights of chance, as export would leave it."""
    settings = {"label_scheme": "brats", "network": network}
    torch.manual_seed(0)
    task = BrainTumorTask(**settings)  # type: ignore[arg-type]
    data = {"root": ".", "spacing": [1.0, 1.0, 1.0], "patch_size": [patch] * 3}
    config: dict[str, Any] = {
        "task": "brats",
        "method": "chance",
        "trainer": {"precision": None},
        "model": {"class_path": "adpfl_bench.BrainTumorTask", "init_args": settings},
        "data": {"class_path": "adpfl_bench.BraTSDataModule", "init_args": data},
    }
    made = ExportedModel(
        task="brats",
        method="chance",
        seed=0,
        client=None,
        release="BraTS 2021",
        weights=state_digest(task.state_dict()),
        config=config,
    )
    for path in (weights_of(folder), description_of(folder)):
        path.parent.mkdir(parents=True)
    torch.save(task.network.state_dict(), weights_of(folder))
    description_of(folder).write_text(made.model_dump_json())
    return folder


def write_head(folder: Path, shape: tuple[int, int, int], name: str) -> list[Path]:
    """Write four sequences of a made-up head, masked as BraTS masks them."""
    space, generator = Space(shape, (1.0, 1.0, 1.0)), np.random.default_rng(0)
    inside = depth_in_ellipsoid(space, (0.0, 0.0, 0.0), tuple(0.38 * side for side in shape)) > 0  # type: ignore[arg-type]
    paths = []
    for channel in CHANNELS:
        values = 300 + 60 * smooth_field(generator, space, 12) + generator.normal(0, 12, shape)
        path = folder / f"{name}_{channel}.nii.gz"
        nib.save(nib.Nifti1Image((values * inside).astype(np.int16), np.eye(4)), path)
        paths.append(path)
    return paths


def time_cases(network: str, patch: int, repetitions: int, cases: int, images: Sequence[Path]) -> None:
    """Print the ratios, and what each part takes of them."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in ("scratch", "new", "out"):
            (folder / name).mkdir()
        source = ModelSource.find(write_model(folder / "model", network, patch), None)
        model = open_model(source, folder / "scratch", False, ())
        files = list(images) or write_head(folder / "new", SHAPE, "head")
        (case,) = model.datamodule.find_new(files, source.release).cases
        wanted = Segmentation([source.folder], files, folder / "out")
        task, data = model.model, model.datamodule
        brought = data.new_case(case)
        image = brought.image[None].to(task.device)
        many = [replace(case, case_id=f"head{number}") for number in range(cases)]

        def segment() -> None:
            segment_cases([model], many, wanted, lambda case, reason: None)

        def slide() -> None:
            with torch.inference_mode():
                for _ in many:
                    sliding_window_inference(
                        image, [patch] * 3, brought.window.batch_size, task.network, 0.5, "gaussian"
                    )

        def read() -> None:
            for each in many:
                data.new_case(each)

        turns = [[timed(work) for work in (segment, slide, read)] for _ in range(repetitions)]
    wall, processor, thread = (
        [statistics.median(turn[work][clock] for turn in turns) / cases for work in range(3)] for clock in range(3)
    )
    print(
        f"{network}, windows of {patch}^3, {'x'.join(map(str, brought.image.shape[1:]))} prepared voxels, {cases} cases"
        f", {repetitions} turns: segment / sliding window alone = {wall[0] / wall[1]:.3f} of the wall time"
        f" ({wall[0]:.2f} s / {wall[1]:.2f} s a case), {thread[0] / thread[1]:.3f} of the models' own"
        f" thread, {processor[0] / processor[1]:.3f} of the processor time"
        f" ({processor[0]:.2f} s / {processor[1]:.2f} s), of which reading, checks and preparation are"
        f" {processor[2] / processor[1]:.3f}"
    )


def timed(work: Callable[[], None]) -> list[float]:
    """Wall time of some work, processor time of all threads, and of this one, in seconds."""
    clocks = (time.perf_counter, time.process_time, time.thread_time)
    before = [clock() for clock in clocks]
    work()
    return [clock() - start for clock, start in zip(clocks, before, strict=True)]


def peak(model: Path, new: Path, output: Path) -> tuple[int, int]:
    """Segment a folder by the command; its peak of memory in bytes, and how many cases it wrote."""
    words = [sys.executable, "-m", "adpfl_bench", "segment", str(model), str(new), "--output", str(output)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"segment ended with {process.returncode}")
    assert json.loads((output / "segment.json").read_text())["models"]
    return usage.ru_maxrss * 1024, len(list(output.glob("*.nii.gz")))


def compare_memory(few: int, many: int) -> None:
    """Print the ratio of the peaks of few and many files, which are copies of one case under names of their own."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = write_model(folder / "model", "UNet", 64)
        (folder / "one").mkdir()
        files = write_head(folder / "one", (96, 96, 64), "head")
        peaks = []
        for number in (few, many):
            new = folder / f"new{number}"
            new.mkdir()
            for index in range(number):
                for file in files:
                    shutil.copy(file, new / file.name.replace("head", f"case{index:03d}"))
            found, written = peak(model, new, folder / f"out{number}")
            assert written == number
            peaks.append(found)
    print(
        f"peak of memory over {many} cases ({many * len(CHANNELS)} files) / over {few}: {peaks[1] / peaks[0]:.3f}"
        f" ({peaks[1] / 2**20:,.0f} MiB / {peaks[0] / 2**20:,.0f} MiB)"
    )


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("time", "memory"))
    parser.add_argument("--network", default="DynUNet")
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--cases", type=int, default=8, help="segmented one after the other")
    parser.add_argument("--images", nargs="*", default=(), type=Path)
    parser.add_argument("--few", type=int, default=20)
    parser.add_argument("--many", type=int, default=200)
    options = parser.parse_args()
    keep_freed_memory()  # as the command does
    if options.only != "memory":
        time_cases(options.network, options.patch, options.repetitions, options.cases, options.images)
    if options.only != "time":
        compare_memory(options.few, options.many)


if __name__ == "__main__":
    main()
