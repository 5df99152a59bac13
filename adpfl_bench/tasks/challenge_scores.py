"""Challenge scores of a task: which metrics a setting asks for, and whether the task's regions fit them."""

from __future__ import annotations

from collections.abc import Sequence

from adpfl_bench.errors import ConfigError
from adpfl_bench.metrics.brats_lesions import BRATS_2024
from adpfl_bench.metrics.metric import MaskMetric, Metric
from adpfl_bench.metrics.registry import CHALLENGES

_OF_VOLUMES = ("brats2023", "brats2024")
_REGIONS = {"brats2024": tuple(BRATS_2024.neighbours)}
"""By challenge the regions without which its score of another is not defined."""


def challenge_metrics(names: Sequence[str], regions: Sequence[str], spatial_dims: int) -> tuple[MaskMetric, ...]:
    """Return the metrics of challenges.

    Args:
        names: As in :data:`~adpfl_bench.metrics.registry.CHALLENGES`.
        regions: Regions that the task scores.
        spatial_dims: Number of axes of its images.

    Raises:
        ConfigError: There is no such challenge, it is named twice, or it scores other regions or volumes.
    """
    for name in names:
        if name not in CHALLENGES:
            raise ConfigError(f"model.challenge_scores names {name}, but there are {', '.join(CHALLENGES)}.")
        if names.count(name) > 1:
            raise ConfigError(f"model.challenge_scores names {name} twice; leave one out.")
        if name in _OF_VOLUMES and spatial_dims != 3:
            raise ConfigError(
                f"model.challenge_scores names {name}, which scores volumes, but this task segments pictures; leave it"
                " out."
            )
        if missing := [region for region in _REGIONS.get(name, ()) if region not in regions]:
            raise ConfigError(
                f"model.challenge_scores names {name}, which joins lesions of a region by those of its neighbours, but"
                f" {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not among the regions of this task:"
                f" {', '.join(regions)}. Leave it out, or use --model.label_scheme brats2024."
            )
    return tuple(metric for name in names for metric in CHALLENGES[name])


def check_voxel_sizes(metrics: Sequence[Metric], datamodule: object) -> None:
    """Refuse scores in mm of volumes whose files do not state the size of a voxel.

    Raises:
        ConfigError: As above.
    """
    of_volumes = {metric.name: name for name in _OF_VOLUMES for metric in CHALLENGES[name]}
    asked = [of_volumes[metric.name] for metric in metrics if metric.name in of_volumes]
    release = getattr(datamodule, "release", None)
    if asked and release is not None and not release.reader.has_spacing:
        raise ConfigError(
            f"model.challenge_scores names {asked[0]}, which scores in mm, but the files of {release.name} do not state"
            " the size of a voxel: give --model.challenge_scores '[]'."
        )
