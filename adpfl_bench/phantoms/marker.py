"""Marker of a phantom: the file that says that a folder holds no patients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adpfl_bench.errors import DataError

MARKER_FILE = "PHANTOM.json"
"""Lies in the root of every phantom."""
GENERATOR_VERSION = 1
"""Raised whenever the same arguments would no longer give the same images."""


@dataclass(frozen=True)
class Marker:
    """Settings that a phantom was made from; equal markers mean equal files.

    Attributes:
        phantom: Dataset whose layout the phantom has.
        cases: Number of cases.
        seed: Seed of the cohort.
        image_size: Shape of one image.
        generator_version: Version of the generator.
        labels: Digest of the real label maps that the images were made around; ``None`` if the anatomy is invented.
        shift: How far apart the sites are; 1 is usual, and not written.
        like: Digest of what a task file states of the dataset that the phantom is like; ``None`` of the suite's own.
    """

    phantom: str
    cases: int
    seed: int
    image_size: tuple[int, ...]
    generator_version: int = GENERATOR_VERSION
    labels: str | None = None
    shift: float = 1.0
    like: str | None = None

    def write(self, root: Path) -> None:
        """Write the marker into the root of a phantom."""
        content = {**vars(self), "image_size": list(self.image_size)}
        if self.labels is None:
            del content["labels"]
        if self.shift == 1:
            del content["shift"]
        if self.like is None:
            del content["like"]
        (root / MARKER_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def differences(self, other: Marker) -> str:
        """Say in which fields another marker differs, e.g. ``"cases 12 instead of 240"``."""
        return ", ".join(
            f"{field} {getattr(self, field)} instead of {getattr(other, field)}"
            for field in vars(self)
            if getattr(self, field) != getattr(other, field)
        )


def read_marker(root: Path) -> Marker | None:
    """Read the marker of a dataset folder; ``None`` if the folder is not a phantom.

    Raises:
        DataError: The marker is there but does not say what it should.
    """
    path = root / MARKER_FILE
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Marker(
            phantom=str(content["phantom"]),
            cases=int(content["cases"]),
            seed=int(content["seed"]),
            image_size=tuple(int(side) for side in content["image_size"]),
            generator_version=int(content["generator_version"]),
            labels=None if content.get("labels") is None else str(content["labels"]),
            shift=float(content.get("shift", 1.0)),
            like=None if content.get("like") is None else str(content["like"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"Expected {path} to describe a phantom (fields {', '.join(Marker.__dataclass_fields__)}), but it cannot "
            f"be read: {error!r}. Delete the folder {root} and write the phantom again."
        ) from error
