"""Phantoms like a dataset of one's own: what of its description they are made of, and nothing of its files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.datasets.own.dataset_description import DatasetDescription, TableColumns
from adpfl_bench.errors import ConfigError
from adpfl_bench.phantoms.like.like_writer import TABLE
from adpfl_bench.phantoms.like.phantom_description import Kind, PhantomDescription, Structure, TableLayout

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
        ConfigError: The description is not complete, or names cases by a pattern, which phantoms cannot follow.
    """
    missing = [key for key in ("channels", "labels") if getattr(description, key) is None]
    if missing:
        raise ConfigError(
            f"Phantoms are made of what a task file states, but data.description has no {' and no '.join(missing)};"
            " state them, as `adpfl-bench plan` does."
        )
    if description.case_pattern is not None:
        raise ConfigError(
            f"Phantoms have names of their own, which data.description.case_pattern, {description.case_pattern}, is not"
            " meant for; set it to null for them."
        )
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
