"""Case and client: what every dataset is reduced to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SPLITS = ("train", "validation", "test")
"""Names of the splits."""


@dataclass(frozen=True)
class Case:
    """One image with its label map, as files on disk.

    Attributes:
        case_id: Unique within the dataset, as the publisher names it.
        patient_id: The person (or, for dermoscopy, the lesion) the case belongs to. Splits, partitions and the
            patient privacy unit keep cases of one patient together.
        images: Image files in channel order; one RGB file for dermoscopy.
        label: Label map; ``None`` only for cases that are to be predicted.
        site: Where the case was acquired, if the dataset says so: the natural client.
        metadata: Whatever else the dataset states about the case, by column name.
        split: ``train``, ``validation`` or ``test``, if the dataset says so of its cases.
    """

    case_id: str
    patient_id: str
    images: tuple[Path, ...]
    label: Path | None
    site: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    split: str | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Images and label map; of slices the latter is their folder."""
        return self.images if self.label is None else (*self.images, self.label)

    def source_files(self) -> list[Path]:
        """Return all files, each once; of a folder of slices, those in it that do not begin with a dot."""
        found = (_files_in(path) if path.is_dir() else [path] for path in self.files)
        return list(dict.fromkeys(file for some in found for file in some))


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if not file.name.startswith(".") and file.is_file())


@dataclass(frozen=True)
class Client:
    """One hospital of the federation: its name and its cases by split."""

    name: str
    train: tuple[Case, ...]
    validation: tuple[Case, ...]
    test: tuple[Case, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """All cases of the client."""
        return self.train + self.validation + self.test
