"""The command ``adpfl-bench prepare``."""

from pathlib import Path

from rich.filesize import decimal

from adpfl_bench.cli.data_settings import read_settings
from adpfl_bench.datasets.catalogue import DATASETS, DatasetName, find_datamodule
from adpfl_bench.errors import ConfigError
from adpfl_bench.text import say_loading
from adpfl_bench.trust import trusting


def prepare(
    dataset: DatasetName,
    *,
    root: Path,
    release: str | None = None,
    config: str | None = None,
    spacing: tuple[float, float, float] | None = None,
    ct_window: tuple[float, float] | None = None,
    exclude: list[str] | None = None,
    cache_directory: Path | None = None,
    workers: int | None = None,
    trust: tuple[str, ...] = (),
) -> int:
    """Check every volume of a dataset and prepare it for training, once; what is prepared already is kept.

    Training prepares what is missing by itself; this does it beforehand, and can be broken off and started again.

    Args:
        dataset: What the folder holds; or the class path of a datamodule of your own that reads it.
        root: Folder of the dataset as its publisher ships it.
        release: Name of the release, where the folder does not give it away.
        config: Task file whose settings of the data are taken; by default that of the dataset.
        spacing: Voxel edge lengths in mm along x, y and z; by default those of the dataset's task file, or of the
            class.
        ct_window: CT window in HU; by default that of the dataset's task file, or of the class.
        exclude: Case ids to leave out.
        cache_directory: Where to keep prepared cases; by default the environment variable ADPFL_CACHE or
            ~/.cache/adpfl_bench.
        workers: Threads that prepare; by default one for each processor, at most 8.
        trust: Module of your own whose class the command line names, such as clinic; may be given several times.
    """
    say_loading("prepare")
    with trusting(trust):
        kind = find_datamodule(dataset)

    from adpfl_bench.data.volumes.preparation import Preparation
    from adpfl_bench.data.volumes.volume_datamodule import VolumeDataModule  # deferred: it needs torch and Lightning

    if not issubclass(kind, VolumeDataModule):
        raise ConfigError(f"prepare is for volumes; the pictures of {dataset} are read as they are.")
    if config is None and dataset in DATASETS:
        config = f"tasks/{DATASETS[dataset].task}.yaml"
    wanted = ("spacing", "ct_window", *kind.described_by)
    settings = {} if config is None else read_settings(config, kind, wanted)
    source = kind(
        root,
        release=release,
        exclude=exclude,
        cache_directory=cache_directory,
        prepare_workers=workers,
        **settings,
    )
    source.how = Preparation(spacing or source.how.spacing, ct_window or source.how.window)
    cases = source.scan(root)
    source.root = source.holder(root, cases)
    cache = source.prepare(cases)
    print(
        f"{len(cache):,} cases are in {cache.directory} ({decimal(cache.nbytes)}), {cache.prepared:,} of them"
        f" prepared now. adpfl-bench fit --config {config or 'FILE'} --data.root {root} finds them."
    )
    return 0
