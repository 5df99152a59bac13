"""The command ``adpfl-bench plan``."""

from __future__ import annotations

import math
from pathlib import Path

from adpfl_bench.datasets.own.dataset_description import DatasetDescription
from adpfl_bench.errors import ConfigError
from adpfl_bench.files import replace_file
from adpfl_bench.planning.intensity_choice import Intensity
from adpfl_bench.processors import check_workers

_YAML = (".yaml", ".yml")


def plan(
    root: Path,
    *,
    output: Path,
    memory: float = 8.0,
    intensity: Intensity | None = None,
    description: DatasetDescription = DatasetDescription(),  # noqa: B008  # it is frozen
    public: bool = False,
    overwrite: bool = False,
    workers: int | None = None,
) -> int:
    """Read a dataset of your own, and write a task file that `fit --config` runs as it stands.

    Spacing, patch, network and batch are planned by nnU-Net's rules, for a memory that you state, and every setting has
    a comment that says what it stands on. One page of what was found is printed. Normalisation is by public constants
    and by each image itself, never by statistics of the data.

    Args:
        root: Folder with dataset.json, imagesTr and labelsTr, as nnU-Net or the Decathlon have it; or a CSV file with
            columns image (or image_...), mask, and where you have them case, patient, site and split.
        output: Task file to write, such as task.yaml.
        memory: GiB that a training step may take, in single precision.
        intensity: How volumes are normalised: ct or zscore; by default what names of channels, or values, say.
        description: What the files hold, as far as dataset.json or the table does not say; docs/own_data.md.
        public: Say that these data are public, so that the planned settings give away nothing; records will state it.
        overwrite: Replace a task file that is there.
        workers: Processes that read, each a case at a time; by default one for each processor.
    """
    if workers is not None:
        check_workers("--workers", workers)
    if not 0 < memory < math.inf:
        raise ConfigError(f"--memory must be a positive number of GiB, but it is {memory}.")
    _check_output(output, overwrite)

    from adpfl_bench.cli.task_text import task_text
    from adpfl_bench.planning.data_facts import read_data  # deferred: what reads files takes longer to load
    from adpfl_bench.planning.facts_page import print_page
    from adpfl_bench.planning.kind_of_files import kind_of_files
    from adpfl_bench.planning.task_plan import plan_task

    if intensity is not None and kind_of_files(root, description.columns.images) == "pictures":
        raise ConfigError(f"--intensity is for volumes, but {root} holds pictures; leave it out.")
    data = read_data(root, description, workers)
    planned = plan_task(data, memory, public, intensity)
    text = task_text(planned.heading, planned.settings)
    replace_file(output, text.encode())
    print_page(data, planned)
    print(f"\n{output}\nadpfl-bench fit --config {output}")
    return 0


def _check_output(output: Path, overwrite: bool) -> None:
    if output.is_dir():
        raise ConfigError(f"--output {output} is a folder; give the name of a file, such as {output / 'task.yaml'}.")
    if output.suffix not in _YAML:
        raise ConfigError(f"--output {output} is no name of a task file; it must end in {' or '.join(_YAML)}.")
    if output.exists() and not overwrite:
        raise ConfigError(f"{output} is there already; give another --output, or --overwrite to replace it.")
    if not output.parent.is_dir():
        raise ConfigError(f"{output.parent} is no folder, so that {output.name} cannot be written there; make it.")
