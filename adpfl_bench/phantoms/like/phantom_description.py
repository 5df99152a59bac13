"""Phantom description: all that phantoms of a dataset of one's own are made of, which a task file states."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

Kind = Literal["picture", "CT", "MRI"]


class Structure(NamedTuple):
    """A structure that is drawn.

    Attributes:
        name: The class that it is painted with.
        value: Value of that class in the label map.
        within: Place of the structure that it lies in, among those before it; ``None``: anywhere in the body.
    """

    name: str
    value: int
    within: int | None


@dataclass(frozen=True)
class TableLayout:
    """Columns of a table of paths.

    Attributes:
        images: Of the image files.
        mask: Of the mask.
        case: Of case ids; ``None`` where there is none, as of all that follow.
        patient: Of patient ids.
        site: Of sites.
        split: Of splits.
    """

    images: Sequence[str]
    mask: str
    case: str | None = None
    patient: str | None = None
    site: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class PhantomDescription:
    """What phantoms are like.

    Attributes:
        name: Name of the dataset.
        kind: What images look like.
        channels: Names of the channels.
        labels: Value of each class, sorted.
        structures: What is drawn, in the order of painting.
        spacing: Voxel edge lengths in mm of volumes.
        window: Of CT, in HU, which the structures are told apart in.
        table: Columns, where the dataset is a table of paths; ``None``: a folder in nnU-Net's layout.
        may_be_empty: Whether one case in ten shows nothing.
        named: What case ids state, of ``patient`` and ``site``.
    """

    name: str
    kind: Kind
    channels: tuple[str, ...]
    labels: tuple[tuple[str, int], ...]
    structures: tuple[Structure, ...]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    window: tuple[float, float] = (-150.0, 250.0)
    table: TableLayout | None = None
    may_be_empty: bool = False
    named: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """What tells it from another one: 16 digits of a SHA-256."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
