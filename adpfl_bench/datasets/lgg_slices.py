"""TCGA-LGG of Buda et al. as slices: three MRI sequences as the colours of a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.datamodule import ImageDataModule
from adpfl_bench.data.partitioning.partition import NaturalPartition, Partition
from adpfl_bench.datasets.lgg import scan_lgg_slices


class LGGSlicesDataModule(ImageDataModule):
    """Each slice is a case with the FLAIR abnormality as its mask; the slices of a patient stay together.

    Most slices hold no abnormality. One that is found empty as well has Dice 1, so means over slices are higher than
    those over volumes, and the two do not compare.

    Args:
        root: Folder with ``kaggle_3m`` or with the patients' folders, or ``phantom``.
        partition: Who holds which patients; by default the institutions.
        phantom_size: Slices, rows and columns of phantom patients.
        **images: Further arguments of ImageDataModule.
    """

    dataset = "lgg"

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        phantom_size: tuple[int, ...] = (24, 96, 96),
        **images: Any,
    ) -> None:
        super().__init__(root, partition or NaturalPartition(), phantom_size=phantom_size, **images)

    def scan(self, root: Path) -> list[Case]:
        """List the slices of all patients."""
        return scan_lgg_slices(root)
