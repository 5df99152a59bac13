"""The command ``adpfl-bench phantom``."""

from __future__ import annotations

from pathlib import Path

from adpfl_bench.cli.like_task import read_like
from adpfl_bench.datasets.catalogue import PhantomName, find_writer
from adpfl_bench.errors import ConfigError
from adpfl_bench.phantoms.cohort import make_writer, write_phantom
from adpfl_bench.phantoms.writer import PhantomWriter
from adpfl_bench.trust import trusting

_CASES = 240


def phantom(
    dataset: PhantomName | None = None,
    /,
    output: Path | None = None,
    cases: int | None = None,
    seed: int = 0,
    image_size: list[int] | None = None,
    workers: int = 1,
    labels: Path | None = None,
    shift: float = 1.0,
    like: Path | None = None,
    trust: tuple[str, ...] = (),
) -> None:
    """Write a synthetic cohort that needs no download, in the file layout of a real dataset.

    Either DATASET or --like says which. No file of a real dataset is opened for it, unless --labels names some.

    Args:
        dataset: Dataset whose layout and look are imitated; or the class path of a datamodule of your own that has
            phantoms, such as clinic.ClinicDataModule, with its folder on PYTHONPATH and --trust clinic.
        output: Folder to create; phantoms/DATASET if not given.
        cases: Number of images; if not given 240, or what the file of --like states.
        seed: Seed of the cohort; the same arguments give the same files.
        image_size: Shape of an image: height and width of a picture, or three numbers of voxels in the order of the
            dataset's files (for kits slices, rows, columns); if not given, a size fit for a CPU, e.g. [192, 256] for
            pictures and [48, 96, 96] for kits, or what the file of --like states. The field of view of the suite's
            phantoms stays, so more voxels are smaller voxels; those of --like have the file's spacing.
        workers: Number of processes that write images.
        labels: Folder with case_*/segmentation.nii.gz of KiTS; CT is then made around these real label maps instead of
            invented ones, one case for each map. Only for kits.
        shift: How far apart the sites are, in their scanners or cameras and in how often things occur: 0 makes them all
            alike, 1 is usual, more moves them further apart.
        like: Task file of a dataset of your own, such as adpfl-bench plan writes: blobs are drawn with its channels,
            labels, regions, sizes and spacing, in its layout. Only what the file states is used.
        trust: Module of your own whose class the command line names, such as clinic; may be given several times.
    """
    if (dataset is None) == (like is None):
        raise ConfigError("phantom needs a DATASET or --like TASK.yaml, and not both; --help lists the datasets.")
    writer: type[PhantomWriter]
    if like is not None:
        if labels is not None:
            raise ConfigError("--labels is for kits; phantoms of --like are drawn by what the task file states.")
        stated = read_like(str(like))
        writer, described = stated.writer, stated.description
        name = stated.name
        size = (stated.size or writer.default_size) if image_size is None else tuple(image_size)
        number = stated.cases if cases is None else cases
    else:
        with trusting(trust):
            writer = find_writer(str(dataset))
        name, described = writer.name, None
        size = writer.default_size if image_size is None else tuple(image_size)
        number = cases
    number = _CASES if number is None else number
    folder = Path("phantoms") / name if output is None else output
    written = write_phantom(
        writer, folder, number, seed, size, progress=True, workers=workers, labels=labels, shift=shift, like=described
    )
    sites = make_writer(writer, number, seed, size, labels, like=described).site_sizes
    origin = ", ".join(f"{site} {images}" for site, images in sites.items() if images) or "sites not stated"
    verb = "Wrote" if written else "Kept, as it was there already:"
    print(f"{verb} a phantom of {number} {name} image{'' if number == 1 else 's'} ({origin}) in {folder}")
