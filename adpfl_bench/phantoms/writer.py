"""Interface of phantom writers: a new layout is one more file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar


@dataclass(frozen=True)
class PhantomWriter(ABC):
    """Writer of a synthetic cohort in the file layout of one dataset.

    A case depends on the seed and on its own index only, so cases can be written in any order and by any number of
    processes. Writers are pickled to those processes.

    Attributes:
        cases: Number of cases in the cohort.
        seed: Seed of the cohort.
        size: Shape of one image.
        shift: How far apart the sites are: 1 as they are described, 0 all alike, more than 1 further apart.
    """

    name: ClassVar[str]
    """Name of the dataset whose layout is written."""
    default_size: ClassVar[tuple[int, ...]]
    """Shape of an image if none is asked for."""
    smallest: ClassVar[int] = 32
    """Shortest side of an image that still shows anything."""

    cases: int
    seed: int
    size: tuple[int, ...]
    shift: float = field(default=1.0, kw_only=True)

    @property
    def site_sizes(self) -> Mapping[str, int]:
        """Number of cases by acquisition site; empty if the layout does not say where a case comes from."""
        return {}

    @property
    def labels_digest(self) -> str | None:
        """Hash of real label maps that the images are made around; ``None`` if the anatomy is invented."""
        return None

    @property
    def like_digest(self) -> str | None:
        """Digest of what a task file states of a dataset; ``None`` if the suite knows what is drawn."""
        return None

    def prepare(self, root: Path) -> None:  # noqa: B027  # there may be nothing to prepare
        """Make the folders, and write the files that concern the cohort as a whole."""

    @abstractmethod
    def write_case(self, root: Path, index: int) -> None:
        """Write the files of one case, 0 <= ``index`` < ``cases``."""
