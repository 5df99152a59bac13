"""Phantoms like a dataset of one's own: what of its description they are made of, and nothing of its files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.errors import ConfigError
from adpfl_bench.phantoms.like.like_writer import CASE_PATTERN, TABLE
from adpfl_bench.phantoms.like.phantom_description import Kind, PhantomDescription, Structure, TableLayout
from adpfl_bench.phantoms.marker import read_marker

Spacing = tuple[float, float, float]

_UNIT: Spacing = (1.0, 1.0, 1.0)


def phantom_like(
    description: DatasetDescription,
    kind: Kind,
    spacing: Spacing | None = None,
    window: tuple[float, float] | None = None,
) -> PhantomDescription:
    """Say what phantoms of a dataset are like.

    Args:
        description: Its description, which must be complete.
        kind: What images look like.
        spacing: Voxel edge lengths of volumes in mm; by default 1.
        window: Of CT in HU, which structures are told apart in.

    Raises:
        ConfigError: The description is not complete.
    """
    missing = [key for key in ("channels", "labels") if getattr(description, key) is None]
    if missing:
        raise ConfigError(
            f"Phantoms are made of what a task file states, but data.description has no {' and no '.join(missing)};"
            " state them, as `adpfl-bench plan` does."
        )
    pattern = description.case_pattern
    labels = description.labels or {}
    return PhantomDescription(
        name=description.name or "own",
        kind=kind,
        channels=tuple(description.channels or ()),
        labels=tuple(sorted(labels.items(), key=lambda item: item[1])),
        structures=_structures(description.scheme(), labels),
        spacing=spacing or _UNIT,
        window=window or (-150.0, 250.0),
        table=_table(description.columns),
        may_be_empty=description.empty_masks,
        named=() if pattern is None else tuple(sorted({*re.compile(pattern).groupindex} & {"patient", "site"})),
    )


def phantom_root_of(folder: Path, description: DatasetDescription) -> Path:
    """Root of a phantom cohort in its folder: of a table that table, and else the folder."""
    return folder if description.columns.images is None else folder / TABLE


def _structures(scheme: LabelScheme, labels: dict[str, int]) -> tuple[Structure, ...]:
    """What is painted, each within the last one before it whose region holds its own."""
    painted: list[tuple[Sequence[str], Structure]] = []
    for region, name in scheme.painting:
        own = scheme.regions[region]
        holders = [place for place, (other, _) in enumerate(painted) if {*own} < {*other}]
        painted.append((own, Structure(name, labels[name], holders[-1] if holders else None)))
    return tuple(structure for _, structure in painted)


def _table(columns: TableColumns) -> TableLayout | None:
    if columns.images is None:
        return None
    return TableLayout(
        tuple(columns.images), columns.mask or "mask", columns.case, columns.patient, columns.site, columns.split
    )


def as_read(root: Path, description: DatasetDescription) -> DatasetDescription:
    """Description of a dataset, whose case ids are those of phantoms if it is one of these."""
    if description.case_pattern is None:
        return description
    marker = read_marker(root if root.is_dir() else root.parent)
    is_like_one = marker is not None and marker.like is not None
    return replace(description, case_pattern=CASE_PATTERN) if is_like_one else description
