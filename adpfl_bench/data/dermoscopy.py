"""Dermoscopy: RGB photographs of a skin lesion with one mask each."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from adpfl_bench.data.augmentation import augment, dermoscopy_augmentation
from adpfl_bench.data.case import Case
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.ham10000 import scan_ham10000
from adpfl_bench.data.image_cache import ImageCache, read_native_mask
from adpfl_bench.data.isic import scan_isic
from adpfl_bench.data.partition import IIDPartition, NaturalPartition, Partition
from adpfl_bench.data.phantoms import write_phantom
from adpfl_bench.data.round_loader import RecordKey


class DermoscopyDataModule(FederatedDataModule, ABC):
    """Skin-lesion photographs, decoded and resized once.

    Args:
        root: See :class:`~adpfl_bench.data.datamodule.FederatedDataModule`, as for all further arguments.
        partition: Who holds which patients.
        image_size: Height and width that images are resized to for the network, in pixels.
        augmentation: Whether training records are flipped, turned and changed in brightness and contrast at random.
        memory_budget_gib: Resized images (4 bytes per pixel) are kept in memory up to this size, and beyond it in a
            file that is mapped into memory.
        cache_directory: Folder for such files; by default a folder of the user's cache.
        phantom_size: Height and width of phantom images, in pixels.
        **federation: Further arguments of FederatedDataModule.
    """

    dataset: str

    def __init__(
        self,
        root: Path,
        partition: Partition,
        image_size: tuple[int, int] = (128, 128),
        augmentation: bool = True,
        memory_budget_gib: float = 4.0,
        cache_directory: Path | None = None,
        phantom_size: tuple[int, int] = (192, 256),
        **federation: Any,
    ) -> None:
        super().__init__(root, partition, **federation)
        self.image_size = image_size
        self.augmentation = augmentation
        self.memory_budget_gib = memory_budget_gib
        self.cache_directory = cache_directory
        self.phantom_size = phantom_size

    def write_phantom(self, output: Path, cases: int, seed: int) -> None:
        """Write a phantom cohort in the dataset's own layout."""
        write_phantom(self.dataset, output, cases, seed, size=self.phantom_size)

    @property
    def phantom_name(self) -> str:
        """Dataset, number of cases, image size and seed."""
        height, width = self.phantom_size
        return f"{self.dataset}-{self.phantom_cases}cases-{height}x{width}-seed{self.phantom_seed}"

    def load_cases(self, cases: Sequence[Case]) -> Dataset[dict[str, Tensor]]:
        """Decode and resize every image and mask, or map the cache of an earlier run."""
        self._cache = ImageCache(
            cases,
            self.image_size,
            memory_budget_bytes=int(self.memory_budget_gib * 2**30),
            directory=self.cache_directory,
        )
        return DermoscopyRecords(self._cache, self.augmentation)

    def evaluation_case(self, case: Case, native: bool) -> dict[str, Any]:
        """Bring one case; distances are in pixels, since dermoscopy has no spacing."""
        image, mask = self._cache[self._cache.index(case.case_id)]
        label = read_native_mask(case) if native else mask
        return {"image": normalize(torch.tensor(image)), "label": torch.tensor(label), "spacing": None}


class DermoscopyRecords(Dataset[dict[str, Tensor]]):
    """Training records of a cache.

    Args:
        cache: Resized images and masks.
        augmented: Whether records are changed at random.
    """

    def __init__(self, cache: ImageCache, augmented: bool) -> None:
        self._cache = cache
        self._augmentation = (
            dermoscopy_augmentation((cache.images.shape[2], cache.images.shape[3])) if augmented else None
        )

    def __getitem__(self, key: RecordKey) -> dict[str, Tensor]:
        """Bring ``image`` [3, H, W] and ``label`` [1, H, W], both float32."""
        pixels, mask = self._cache[key.record]
        image, label = normalize(torch.tensor(pixels)), torch.tensor(mask).float()
        if self._augmentation is not None:
            image, label = augment(self._augmentation, image, label, key.seed)
        return {"image": image, "label": label}


def normalize(pixels: Tensor) -> Tensor:
    """Map uint8 pixels to [-2, 2] by public constants, so that normalisation reveals nothing of the data."""
    return pixels.float().div_(63.75).sub_(2.0)


class ISICDataModule(DermoscopyDataModule):
    """ISIC challenge 2016, 2017 or 2018 Task 1, whichever is in the folder.

    The challenges name no site and no patient, so clients have to be made.

    Args:
        root: Folder that holds the challenge's training folders, or ``phantom``.
        partition: Who holds which images; by default four clients of equal size.
        **dermoscopy: Further arguments of DermoscopyDataModule.
    """

    dataset = "isic"

    def __init__(self, root: Path, partition: Partition | None = None, **dermoscopy: Any) -> None:
        super().__init__(root, partition or IIDPartition(4), **dermoscopy)

    def scan(self, root: Path) -> list[Case]:
        """List the images of the challenge."""
        return scan_isic(root)


class HAM10000DataModule(DermoscopyDataModule):
    """HAM10000 with its lesion segmentations; images of one lesion stay together.

    The sources are ``vidir_molemax``, ``vidir_modern``, ``rosendahl`` and ``vienna_dias``.

    Args:
        root: Folder that holds the image parts, the segmentations and the metadata, or ``phantom``.
        partition: Who holds which lesions; by default the four sources are the clients.
        **dermoscopy: Further arguments of DermoscopyDataModule.
    """

    dataset = "ham10000"

    def __init__(self, root: Path, partition: Partition | None = None, **dermoscopy: Any) -> None:
        super().__init__(root, partition or NaturalPartition(), **dermoscopy)

    def scan(self, root: Path) -> list[Case]:
        """List the images of all parts."""
        return scan_ham10000(root)
