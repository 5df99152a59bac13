"""The command ``adpfl-bench phantom``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from adpfl_bench.data.phantoms.cohort import make_writer, write_phantom


def phantom(
    dataset: Literal["ham10000", "isic"],
    output: Path | None = None,
    cases: int = 240,
    seed: int = 0,
    image_size: tuple[int, int] | None = None,
    workers: int = 1,
) -> None:
    """Write a synthetic cohort that needs no download, in the file layout of a real dataset.

    Args:
        dataset: Dataset whose layout and look are imitated.
        output: Folder to create; phantoms/DATASET if not given.
        cases: Number of images.
        seed: Seed of the cohort; the same arguments give the same files.
        image_size: Height and width of the images in pixels; 192 and 256 if not given.
        workers: Number of processes that write images.
    """
    folder = Path("phantoms") / dataset if output is None else output
    written = write_phantom(dataset, folder, cases, seed, image_size, progress=True, workers=workers)
    sites = make_writer(dataset, cases, seed, image_size).site_sizes
    origin = ", ".join(f"{name} {images}" for name, images in sites.items() if images) or "sites not stated"
    verb = "Wrote" if written else "Kept, as it was there already:"
    print(f"{verb} a phantom of {cases} {dataset} image{'' if cases == 1 else 's'} ({origin}) in {folder}")
