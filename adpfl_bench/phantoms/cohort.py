"""Cohort of phantoms, written whole or not at all."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

from adpfl_bench.errors import ConfigError, DataError
from adpfl_bench.files import atomic_folder
from adpfl_bench.phantoms.like.phantom_description import PhantomDescription
from adpfl_bench.phantoms.marker import Marker, read_marker
from adpfl_bench.phantoms.site_shift import check_shift
from adpfl_bench.phantoms.writer import PhantomWriter
from adpfl_bench.processors import check_workers, in_parallel

_MOST_VALUES = 2**27  # of an image; kept in 32 bits, with several of them at a time


def make_writer(
    kind: type[PhantomWriter],
    cases: int,
    seed: int,
    size: tuple[int, ...] | None = None,
    labels: Path | None = None,
    shift: float = 1.0,
    like: PhantomDescription | None = None,
) -> PhantomWriter:
    """Check what is asked for and create its writer.

    Raises:
        ConfigError: A number is out of range, or the dataset has no phantom or takes no label maps.
        DataError: There are no label maps in the folder.
    """
    size = kind.default_size if size is None else tuple(size)
    if cases < 1:
        raise ConfigError(f"A phantom needs at least 1 case, but {cases} were asked for; raise the number of cases.")
    if seed < 0:
        raise ConfigError(f"The seed of a phantom must be 0 or more, but it is {seed}; choose another one.")
    unit = "pixels" if len(kind.default_size) == 2 else "voxels"
    if math.prod(size) > _MOST_VALUES:
        raise ConfigError(
            f"Images of a phantom have at most {_MOST_VALUES:,} {unit}, but the image size is {list(size)}; choose for"
            f" example {list(kind.default_size)}."
        )
    if len(size) != len(kind.default_size) or min(size) < kind.smallest:
        raise ConfigError(
            f"Images of the {kind.name} phantom need {len(kind.default_size)} sides of at least {kind.smallest} "
            f"{unit}, but the image size is {list(size)}; choose for example {list(kind.default_size)}."
        )
    check_shift(shift)
    if like is not None:
        stated: dict[str, Any] = {"like": like}
        return kind(cases, seed, size, shift=shift, **stated)
    if labels is None:
        return kind(cases, seed, size, shift=shift)
    if "labels" not in kind.__dataclass_fields__:
        raise ConfigError(f"Phantoms of {kind.name} are not made around real label maps; leave labels out.")
    around: dict[str, Any] = {"labels": labels}
    return kind(cases, seed, size, shift=shift, **around)


def write_phantom(
    kind: type[PhantomWriter],
    output: Path,
    cases: int = 240,
    seed: int = 0,
    size: tuple[int, ...] | None = None,
    progress: bool = False,
    workers: int = 1,
    labels: Path | None = None,
    shift: float = 1.0,
    like: PhantomDescription | None = None,
) -> bool:
    """Write a synthetic cohort in a dataset's own file layout.

    The same arguments give the same bytes, whatever the number of workers. The cohort appears under its name only
    when it is complete: it is written to a hidden folder beside it, which is removed if anything goes wrong.

    Args:
        kind: Writes the cases of a dataset.
        output: Folder to create; an empty one may exist.
        cases: Number of cases; for dermoscopy, of images.
        seed: Seed of the cohort.
        size: Shape of one image, for dermoscopy height and width, for volumes three numbers in the order of the
            files; ``None`` for the dataset's default.
        progress: Show a progress bar, if standard error is a terminal.
        workers: Number of processes.
        labels: Folder of real label maps that the images are made around, for kits; ``None`` to invent them.
        shift: How far apart the sites are: 0 all alike, 1 as usual, more than 1 further apart.
        like: What a task file states of the dataset, for a writer that draws what it says.

    Returns:
        Whether the cohort was written; ``False`` if exactly this one was there already, which is then kept.

    Raises:
        ConfigError: An argument is impossible, or the folder cannot be written.
        DataError: The output folder holds something else.
    """
    writer = make_writer(kind, cases, seed, size, labels, shift, like)
    check_workers("The number of workers that write a phantom", workers)
    marker = Marker(
        kind.name, cases, seed, writer.size, labels=writer.labels_digest, shift=float(shift), like=writer.like_digest
    )
    try:
        return _write(writer, output, marker, progress, workers)
    except OSError as error:
        raise ConfigError(
            f"The phantom {output} cannot be written: {error.strerror or error}; make room, mend the folder's rights,"
            " or choose another folder. Nothing is left of it."
        ) from error


def _write(writer: PhantomWriter, output: Path, marker: Marker, progress: bool, workers: int) -> bool:
    if _is_there(output, marker):
        return False
    try:
        with atomic_folder(output) as folder:
            writer.prepare(folder)
            write_case = partial(writer.write_case, folder)
            title, every = f"Writing the {writer.name} phantom", range(writer.cases)
            for _ in in_parallel(write_case, every, title, workers, processes=True, bar=progress, forked=True):
                pass
            marker.write(folder)
    except FileExistsError:  # another process was faster, with this very phantom or with something else
        if not _is_there(output, marker):
            raise
        return False
    return True


def _is_there(output: Path, marker: Marker) -> bool:
    """Tell whether the folder is this very phantom already; refuse it if it holds anything else."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    found = read_marker(output)
    if found is None:
        raise DataError(
            f"{output} exists and is not a phantom, so nothing was written. Choose another output folder, or move "
            "this one away."
        )
    if found != marker:
        raise DataError(
            f"{output} is a phantom with {found.differences(marker)}, so nothing was written. Choose another output "
            "folder, or delete this one."
        )
    return True
