"""Dermoscopy: RGB photographs of a skin lesion with one mask each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adpfl_bench.data.case import Case
from adpfl_bench.data.images.datamodule import ImageDataModule
from adpfl_bench.data.partitioning.partition import IIDPartition, NaturalPartition, Partition
from adpfl_bench.datasets.ham10000 import scan_ham10000
from adpfl_bench.datasets.isic import scan_isic


class ISICDataModule(ImageDataModule):
    """ISIC challenge 2016, 2017 or 2018 Task 1, whichever is in the folder.

    The challenges name no site and no patient, so clients have to be made.

    Args:
        root: Folder that holds the challenge's training folders, or ``phantom``.
        partition: Who holds which images; by default four clients of equal size.
        **images: Further arguments of ImageDataModule.
    """

    dataset = "isic"

    def __init__(self, root: Path, partition: Partition | None = None, **images: Any) -> None:
        super().__init__(root, partition or IIDPartition(4), **images)

    def scan(self, root: Path) -> list[Case]:
        """List the images of the challenge."""
        return scan_isic(root)


class HAM10000DataModule(ImageDataModule):
    """HAM10000 with its lesion segmentations; images of one lesion stay together.

    The sources are ``vidir_molemax``, ``vidir_modern``, ``rosendahl`` and ``vienna_dias``.

    Args:
        root: Folder that holds the image parts, the segmentations and the metadata, or ``phantom``.
        partition: Who holds which lesions; by default the four sources are the clients.
        **images: Further arguments of ImageDataModule.
    """

    dataset = "ham10000"

    def __init__(self, root: Path, partition: Partition | None = None, **images: Any) -> None:
        super().__init__(root, partition or NaturalPartition(), **images)

    def scan(self, root: Path) -> list[Case]:
        """List the images of all parts."""
        return scan_ham10000(root)
