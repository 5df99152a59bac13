"""The command ``adpfl-bench phantom``."""

from __future__ import annotations

from pathlib import Path

from adpfl_bench.datasets.catalogue import PhantomName, find_writer
from adpfl_bench.phantoms.cohort import make_writer, write_phantom
from adpfl_bench.trust import trusting


def phantom(
    dataset: PhantomName,
    output: Path | None = None,
    cases: int = 240,
    seed: int = 0,
    image_size: list[int] | None = None,
    workers: int = 1,
    labels: Path | None = None,
    shift: float = 1.0,
    trust: tuple[str, ...] = (),
) -> None:
    """Write a synthetic cohort that needs no download, in the file layout of a real dataset.

    Args:
        dataset: Dataset whose layout and look are imitated; or the class path of a datamodule of your own that has
            phantoms, such as clinic.ClinicDataModule, with its folder on PYTHONPATH and --trust clinic.
        output: Folder to create; phantoms/DATASET if not given.
        cases: Number of images.
        seed: Seed of the cohort; the same arguments give the same files.
        image_size: Shape of an image: height and width of a picture, or three numbers of voxels in the order of the
            dataset's files (for kits slices, rows, columns); if not given, a size fit for a CPU, e.g. [192, 256] for
            pictures and [48, 96, 96] for kits. The field of view stays, so more voxels are smaller voxels.
        workers: Number of processes that write images.
        labels: Folder with case_*/segmentation.nii.gz of KiTS; CT is then made around these real label maps instead of
            invented ones, one case for each map. Only for kits.
        shift: How far apart the sites are, in their scanners or cameras and in how often things occur: 0 makes them all
            alike, 1 is usual, more moves them further apart.
        trust: Module of your own whose class the command line names, such as clinic; may be given several times.
    """
    with trusting(trust):
        writer = find_writer(dataset)
    folder = Path("phantoms") / writer.name if output is None else output
    size = None if image_size is None else tuple(image_size)
    written = write_phantom(
        writer, folder, cases, seed, size, progress=True, workers=workers, labels=labels, shift=shift
    )
    sites = make_writer(writer, cases, seed, size, labels).site_sizes
    origin = ", ".join(f"{name} {images}" for name, images in sites.items() if images) or "sites not stated"
    verb = "Wrote" if written else "Kept, as it was there already:"
    print(f"{verb} a phantom of {cases} {writer.name} image{'' if cases == 1 else 's'} ({origin}) in {folder}")
