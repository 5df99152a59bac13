"""Settings that a dataset of one's own states itself: the rest of its description, and the regions of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_source import CaseSource, StatedByFiles
from adpfl_bench.data.datamodule import PHANTOM_ROOT
from adpfl_bench.data.partitioning.partition import NaturalPartition, Partition
from adpfl_bench.data.volumes.release import VolumeRelease
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.datasets.own.dataset_json import Kind
from adpfl_bench.datasets.own.own_survey import describe_own, is_table
from adpfl_bench.errors import ConfigError

ADVICE = "Mend these, or take the cases out of the list; `adpfl-bench verify` lists every problem of the dataset."


def settle_own(settings: Mapping[str, Any], kind: Kind) -> StatedByFiles:
    """Complete the description among a datamodule's arguments; one that is complete needs no files.

    Raises:
        DataError: The files are not there, or wrong.
        ConfigError: The description contradicts them, or itself.
    """
    stated = dict(settings.get("description") or {})
    columns = TableColumns(**(stated.pop("columns", None) or {}))
    description = DatasetDescription(**stated, columns=columns)
    if not description.is_complete and str(settings["root"]) == PHANTOM_ROOT:
        raise ConfigError(
            "data.root is phantom, but data.description does not state name, channels and labels, of which phantoms are"
            " made; state them, as in files that `adpfl-bench plan` writes."
        )
    if not description.is_complete:
        description = describe_own(Path(settings["root"]), description, kind)
    scheme = asdict(description.scheme())
    return StatedByFiles(
        {"description": asdict(description)},
        {"label_scheme": scheme, "in_channels": len(description.channels or [])},
    )


def cohort_description(trained: CaseSource, root: Path, release: VolumeRelease | None) -> DatasetDescription:
    """Describe data that are scored by a network that others trained, as far as their files may leave it open.

    Args:
        trained: The datamodule that it was trained with.
        root: Folder or table of the data.
        release: What it was trained on, of volumes.
    """
    own = getattr(trained, "description", None)
    if isinstance(own, DatasetDescription):
        if not is_table(root):
            return DatasetDescription(channels=own.channels, empty_masks=own.empty_masks)
        columns = replace(own.columns, case=None, patient=None, site=None, split=None)
        return replace(own, name=None, ids_identify=None, case_pattern=None, columns=columns)
    if release is None:
        return DatasetDescription()
    labels = {cls: value for value, cls in release.labels.items()} if is_table(root) else None
    return DatasetDescription(channels=list(release.channels), labels=labels)


def usual_partition_of(cases: Sequence[Case], otherwise: Partition) -> Partition:
    """One client for each site where all cases state one."""
    return NaturalPartition() if all(case.site is not None for case in cases) else otherwise
