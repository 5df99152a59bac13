"""The command ``adpfl-bench prepare``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.filesize import decimal

from adpfl_bench.config.config_files import find_config
from adpfl_bench.data.problems import refuse
from adpfl_bench.data.volumes.preparation import DEFAULT_WINDOW, Preparation
from adpfl_bench.data.volumes.volume_cache import ADVICE, VolumeCache
from adpfl_bench.datasets.surveys import VOLUMES
from adpfl_bench.errors import INTERRUPTED

_TASKS = {"kits": "kits", "brats": "brats", "msd": "msd_brain", "lgg": "lgg"}
"""The task file whose settings a dataset is prepared with."""


def prepare(
    dataset: Literal["kits", "brats", "msd", "lgg"],
    *,
    root: Path,
    release: str | None = None,
    spacing: tuple[float, float, float] | None = None,
    ct_window: tuple[float, float] | None = None,
    exclude: list[str] | None = None,
    cache_directory: Path | None = None,
    workers: int | None = None,
) -> int:
    """Check every volume of a dataset and prepare it for training, once; what is prepared already is kept.

    Training prepares what is missing by itself; this does it beforehand, and can be broken off and started again.

    Args:
        dataset: What the folder holds.
        root: Folder of the dataset as its publisher ships it.
        release: Name of the release, where the folder does not give it away.
        spacing: Voxel edge lengths in mm along x, y and z; by default those of the dataset's task file.
        ct_window: CT window in HU; by default that of the dataset's task file.
        exclude: Case ids to leave out.
        cache_directory: Where to keep prepared cases; by default the environment variable ADPFL_CACHE or
            ~/.cache/adpfl_bench.
        workers: Threads that prepare; by default one for each processor, at most 8.
    """
    task = _TASKS[dataset]
    settings = _task_settings(task)
    survey = VOLUMES[dataset](root, release)
    left_out = set(exclude or [])
    print(f"{root}: {survey.release.name}, {len(survey.cases):,} cases", flush=True)
    refuse([problem for problem in survey.problems if problem.case not in left_out], survey.release.name, ADVICE)
    how = Preparation(
        _three(spacing or settings.get("spacing")), ct_window or tuple(settings.get("ct_window", DEFAULT_WINDOW))
    )
    cases = [case for case in survey.cases if case.case_id not in left_out]
    try:
        cache = VolumeCache(
            cases, survey.release, how, cache_directory, workers, say=lambda text: print(text, flush=True)
        )
    except KeyboardInterrupt:
        print("adpfl-bench: interrupted; what was prepared stays, and the same command goes on.", file=sys.stderr)
        return INTERRUPTED
    print(
        f"{len(cache):,} cases are in {cache.directory} ({decimal(cache.nbytes)}), {cache.prepared:,} of them"
        f" prepared now. adpfl-bench fit --config tasks/{task}.yaml --data.root {root} finds them."
    )
    return 0


def _task_settings(task: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(find_config(f"tasks/{task}.yaml").read_text(encoding="utf-8"))
    settings: dict[str, Any] = content["data"]["init_args"]
    return settings


def _three(values: Any) -> tuple[float, float, float] | None:
    if values is None:
        return None
    x, y, z = (float(value) for value in values)
    return x, y, z
