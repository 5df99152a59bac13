"""Settings that a dataset of one's own states itself: the rest of its description, and the regions of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.case_source import StatedByFiles
from adpfl_bench.data.datamodule import PHANTOM_ROOT
from adpfl_bench.data.partitioning.partition import NaturalPartition, Partition
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.datasets.own.dataset_json import Kind
from adpfl_bench.datasets.own.own_survey import describe_own
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


def usual_partition_of(cases: Sequence[Case], otherwise: Partition) -> Partition:
    """One client for each site where all cases state one."""
    return NaturalPartition() if all(case.site is not None for case in cases) else otherwise
