"""Patches per second from the prepared cache, beside decoding NIfTI for each patch and beside MONAI's datasets.

Everything reads the same phantom cohort in the layout of BraTS 2021 (four sequences), one patch of one case at a time,
in one process with one thread, in turn, and prints medians over the repetitions:

* patches per second: the suite's cache; NIfTI decoded, oriented, cropped and normalised for each patch; MONAI's
  PersistentDataset (its cache is written beforehand) and CacheDataset (everything in memory), both with MONAI's own
  transforms for the same preparation;
* formats: what the suite's cache would be in other containers, as patches per second and size (zarr if installed);
* augmentation: processor time of the suite's random changes of pictures and of patches beside MONAI's transforms, which
  are seeded for each example and give the same bits;
* share of a training step spent waiting for the next batch, with a small U-Net and with loading in a worker process;
* peak memory of a process that reads patches of 20 and of 200 cases;
* size on disk against the source files.

    OMP_NUM_THREADS=1 python benchmarks/data_pipeline.py
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import blosc2
import numpy as np
import torch
from monai.data import CacheDataset, PersistentDataset, pickle_hashing
from monai.transforms import (
    Compose,
    CropForegroundd,
    EnsureChannelFirstd,
    LoadImaged,
    NormalizeIntensityd,
    Orientationd,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandGaussianNoised,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
    Transform,
)

from adpfl_bench.data.case import Case
from adpfl_bench.data.rounds.augmentation import augment, image_augmentation, volume_augmentation
from adpfl_bench.data.rounds.round_loader import PersistentWorkers
from adpfl_bench.data.rounds.round_plan import ExampleKey
from adpfl_bench.data.volumes.patches import PatchExamples, draw_corner
from adpfl_bench.data.volumes.preparation import Preparation
from adpfl_bench.data.volumes.store import StoredCase
from adpfl_bench.data.volumes.volume_cache import VolumeCache
from adpfl_bench.datasets.brats import BRATS, survey_brats
from adpfl_bench.phantoms import write_phantom
from adpfl_bench.phantoms.volumes.brats_writer import Brats2021Writer
from adpfl_bench.tasks.brain_tumour import BrainTumorTask

HOW = Preparation(None, (0.0, 1.0))


def prepared(root: Path, cache: Path) -> tuple[list[Case], VolumeCache]:
    """Survey a cohort and prepare what is missing."""
    survey = survey_brats(root, None)
    return list(survey.cases), VolumeCache(survey.cases, survey.release, HOW, cache)


def records(cases: list[Case], cache: VolumeCache, size: tuple[int, int, int]) -> PatchExamples:
    """The suite's training examples, without augmentation."""
    return PatchExamples([[cache[case.case_id]] for case in cases], BRATS, size, 1 / 3, cache.background, None)


def monai_transforms(size: tuple[int, int, int]) -> Compose:
    """What a MONAI user would write for the same preparation and the same patches."""
    both = ["image", "label"]
    return Compose(
        [
            LoadImaged(both),
            EnsureChannelFirstd(both),
            Orientationd(both, "RAS", labels=None),
            CropForegroundd(both, source_key="image", allow_smaller=True),
            NormalizeIntensityd("image", nonzero=True, channel_wise=True),
            RandCropByPosNegLabeld(both, "label", size, pos=1, neg=2, num_samples=1, allow_smaller=True),
        ]
    )


def per_second(draw: Callable[[int], object], indices: list[int]) -> float:
    """Call ``draw`` with each index and divide."""
    start = time.perf_counter()
    for index in indices:
        draw(index)
    return len(indices) / (time.perf_counter() - start)


def compare_pipelines(root: Path, folder: Path, size: tuple[int, int, int], draws: int, repetitions: int) -> None:
    """Print patches per second and sizes of the four ways."""
    cases, cache = prepared(root, folder / "cache")
    ours = records(cases, cache, size)
    files = [{"image": [str(path) for path in case.images], "label": str(case.label)} for case in cases]
    transforms = monai_transforms(size)
    persistent = PersistentDataset(files, transforms, folder / "persistent", hash_transform=pickle_hashing)
    for index in range(len(files)):
        persistent[index]
    cached = CacheDataset(files, transforms, progress=False, copy_cache=False)
    ways: dict[str, tuple[Callable[[int], object], int]] = {
        "adpfl-bench cache": (lambda i: ours[ExampleKey(i % len(cases), i)], draws),
        "NIfTI for each patch": (lambda i: transforms(files[i % len(files)]), max(2, draws // 20)),
        "MONAI PersistentDataset": (lambda i: persistent[i % len(files)], max(4, draws // 4)),
        "MONAI CacheDataset": (lambda i: cached[i % len(files)], draws),
    }
    results: dict[str, list[float]] = {name: [] for name in ways}
    for repetition in range(repetitions):
        for name, (draw, count) in ways.items():
            generator = np.random.default_rng(repetition)
            results[name].append(per_second(draw, generator.integers(0, 10_000, count).tolist()))
    ours_median = statistics.median(results["adpfl-bench cache"])
    print(f"\npatches of {'x'.join(map(str, size))} per second (one process, one thread)")
    for name, values in results.items():
        median = statistics.median(values)
        print(f"  {name:<26} {median:>9.1f}   the cache is {ours_median / median:>6.1f} x as fast")
    source = sum(path.stat().st_size for case in cases for path in case.source_files())
    persistent_size = sum(path.stat().st_size for path in (folder / "persistent").iterdir())
    print(f"\nsize on disk: source {source / 2**20:.0f} MiB, cache {cache.nbytes / source:.2f} of it,")
    print(f"  MONAI PersistentDataset {persistent_size / source:.2f} of it")
    compare_formats(cache[cases[0].case_id], folder / "formats", size, draws, repetitions)
    waiting(ours, len(cases), size)


def compare_formats(case: StoredCase, folder: Path, size: tuple[int, int, int], draws: int, repetitions: int) -> None:
    """Print what the image of one case would cost in other containers."""
    image = case.read_image()
    folder.mkdir()
    readers: dict[str, tuple[Callable[[tuple[slice, ...]], object], Path]] = {}

    def add_blosc(name: str, codec: blosc2.Codec, filter_: blosc2.Filter) -> None:
        path = folder / f"{name}.b2nd"
        sides = image.shape[1:]
        parameters = {"codec": codec, "clevel": 5, "filters": [filter_], "filters_meta": [0], "nthreads": 1}
        chunks = (len(image), *(min(64, s) for s in sides))
        blocks = (1, *(min(32, s) for s in sides))
        blosc2.asarray(image, urlpath=str(path), chunks=chunks, blocks=blocks, cparams=parameters)
        readers[f"blosc2 {name}"] = (lambda w: blosc2.open(str(path), dparams={"nthreads": 1})[w], path)

    add_blosc("LZ4, shuffle (chosen)", blosc2.Codec.LZ4, blosc2.Filter.SHUFFLE)
    add_blosc("LZ4, bitshuffle", blosc2.Codec.LZ4, blosc2.Filter.BITSHUFFLE)
    add_blosc("ZSTD, shuffle", blosc2.Codec.ZSTD, blosc2.Filter.SHUFFLE)
    np.save(folder / "plain.npy", image)
    readers["NumPy file, mapped"] = (
        lambda w: np.ascontiguousarray(np.load(folder / "plain.npy", mmap_mode="r")[w]),
        folder / "plain.npy",
    )
    try:
        import zarr
        from zarr.codecs import BloscCodec
    except ImportError:
        print("\nzarr is not installed and is left out of the formats")
    else:
        codec = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle")
        array = zarr.create_array(
            folder / "zarr", shape=image.shape, dtype=image.dtype, compressors=codec, chunks=(len(image), 32, 32, 32)
        )
        array[:] = image
        readers["zarr LZ4, shuffle"] = (lambda w: zarr.open_array(folder / "zarr", mode="r")[w], folder / "zarr")

    def box(seed: int) -> tuple[slice, ...]:
        corner = draw_corner(np.random.default_rng(seed), case.grid.network_shape, size, {}, 0.0)
        sides = zip(corner, size, case.grid.network_shape, strict=True)
        return (slice(None), *(slice(max(first, 0), min(first + n, side)) for first, n, side in sides))

    rates: dict[str, list[float]] = {name: [] for name in readers}
    for repetition in range(repetitions):
        for name, (read, _) in readers.items():
            indices = np.random.default_rng(repetition).integers(0, 10_000, draws).tolist()
            rates[name].append(per_second(lambda i, read=read: read(box(i)), indices))
    print("\nthe image alone, by container")
    for name, (_, path) in readers.items():
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        nbytes = sum(file.stat().st_size for file in files)
        rate = statistics.median(rates[name])
        print(f"  {name:<30} {rate:>9.1f} patches/s, {nbytes / image.nbytes:>5.2f} of its bytes in memory")


def compare_augmentation(size: tuple[int, int, int], repetitions: int) -> None:
    """Print how long an example of a picture, and of a patch, is changed."""
    both = ["image", "label"]

    def monai(axes: int, turns: bool, offset: float, *more: Transform) -> Compose:
        moves = [RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(axes)]
        moves += [RandRotate90d(both, prob=0.5)] if turns else []
        scale = RandScaleIntensityd("image", factors=0.1, prob=0.5)
        return Compose([*moves, scale, RandShiftIntensityd("image", offsets=offset, prob=0.5), *more])

    noise = RandGaussianNoised("image", prob=0.15, std=0.1)
    kinds = {
        "pictures of 128x128": (image_augmentation((128, 128)), monai(2, True, 0.2), (3, 128, 128), 200),
        f"patches of {'x'.join(map(str, size))}": (volume_augmentation(), monai(3, False, 0.1, noise), (4, *size), 12),
    }
    print("\naugmentation, processor time of an example")
    for name, (own, others, shape, count) in kinds.items():
        image, label = torch.randn(shape), torch.ones(1, *shape[1:])
        for seed in range(9):
            pairs = zip(augment(own, image, label, seed), augment(others, image, label, seed), strict=True)
            assert all(torch.equal(mine, its) for mine, its in pairs)
        taken: dict[str, list[float]] = {"own": [], "MONAI": []}
        for _ in range(repetitions):
            for way, transform in (("own", own), ("MONAI", others)):
                start = time.process_time()
                for seed in range(count):
                    augment(transform, image, label, seed)
                taken[way].append((time.process_time() - start) / count)
        ours, theirs = (1000 * statistics.median(times) for times in taken.values())
        print(f"  {name:<22} {ours:.2f} ms, MONAI's transforms {theirs:.2f} ms: ratio {ours / theirs:.2f}")


def waiting(dataset: PatchExamples, cases: int, size: tuple[int, int, int], steps: int = 12) -> None:
    """Print how long a training step waits for its batch, loaded by one worker."""
    network = {"channels": [8, 16, 32], "strides": [2, 2], "num_res_units": 0}
    task = BrainTumorTask(network="UNet", network_arguments=network)
    optimizer = torch.optim.SGD(task.parameters(), lr=0.01)
    workers = PersistentWorkers(dataset, 1, pin_memory=False)
    keys = [[ExampleKey((2 * step + i) % cases, step) for i in range(2)] for step in range(steps)]
    batches = workers.load(keys)
    next(batches)  # the worker has started, and is ahead
    waited = worked = 0.0
    for _ in range(steps - 1):
        start = time.perf_counter()
        batch = next(batches)
        ready = time.perf_counter()
        optimizer.zero_grad()
        task.example_losses(batch.image, batch.label).mean().backward()
        optimizer.step()
        waited, worked = waited + ready - start, worked + time.perf_counter() - ready
    workers.close()
    print(f"\nwaiting for data: {waited / (waited + worked):.1%} of a training step (batch of 2, small U-Net, CPU)")


def peak_memory(root: Path, cache: Path, size: tuple[int, int, int], cases: int) -> float:
    """Peak resident memory in MiB of a process of its own that reads 100 patches."""
    arguments = ["--measure_memory", str(root), str(cache), str(cases), *map(str, size)]
    process = subprocess.run([sys.executable, __file__, *arguments], check=True, capture_output=True, text=True)
    return float(process.stdout.split()[-1])


def measure_memory(root: Path, cache: Path, cases: int, size: tuple[int, int, int]) -> None:
    """Read 100 patches and print this process's peak resident memory in MiB."""
    members, volumes = prepared(root, cache)
    dataset = records(members[:cases], volumes, size)
    for index in range(100):
        dataset[ExampleKey(index % cases, index)]
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volume", type=int, nargs=3, default=(160, 192, 144), help="shape of the phantom volumes")
    parser.add_argument("--patch", type=int, nargs=3, default=(96, 96, 96), help="shape of a patch")
    parser.add_argument("--cases", type=int, default=6, help="cases for the timings")
    parser.add_argument("--draws", type=int, default=60, help="patches per repetition")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only_augmentation", action="store_true")
    parser.add_argument("--measure_memory", nargs=6, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure_memory:
        root, cache, cases, *size = given.measure_memory
        measure_memory(Path(root), Path(cache), int(cases), tuple(map(int, size)))
        return
    torch.set_num_threads(1)
    compare_augmentation(tuple(given.patch), given.repetitions)
    if given.only_augmentation:
        return
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        write_phantom(Brats2021Writer, folder / "timed", given.cases, 0, tuple(given.volume))
        compare_pipelines(folder / "timed", folder, tuple(given.patch), given.draws, given.repetitions)
        shutil.rmtree(folder / "persistent")
        write_phantom(Brats2021Writer, folder / "many", 200, 0, (48, 56, 40))
        prepared(folder / "many", folder / "cache")
        few, many = (peak_memory(folder / "many", folder / "cache", (48, 48, 48), n) for n in (20, 200))
        print(f"\npeak memory: {few:.0f} MiB with 20 cases, {many:.0f} MiB with 200: ratio {many / few:.2f}")


if __name__ == "__main__":
    main()
