"""Datamodule of pictures: images with one mask each, decoded and resized once."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from adpfl_bench.data.case import Case
from adpfl_bench.data.datamodule import FederatedDataModule
from adpfl_bench.data.evaluation.evaluation_batch import EvaluationCase
from adpfl_bench.data.images.image_cache import COLOUR, ImageCache
from adpfl_bench.data.images.picture_reader import PictureReader
from adpfl_bench.data.images.rgb_files import UInt8Array
from adpfl_bench.data.inventory import Inventory
from adpfl_bench.data.label_scheme import LabelScheme
from adpfl_bench.data.new_cases import NewCases, find_pictures
from adpfl_bench.data.partitioning.partition import IIDPartition, Partition
from adpfl_bench.data.problems import tell
from adpfl_bench.data.rounds.augmentation import Augmentation, augment, domain_randomization, image_augmentation
from adpfl_bench.data.rounds.round_plan import ExampleKey
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.records.protected import Identity

_LONGEST_SIDE = 16_384


class ImageDataModule(FederatedDataModule, ABC):
    """Images with one mask each, decoded and resized once; in colour with binary masks, unless ``reader`` says else.

    Args:
        root: See :class:`~adpfl_bench.data.datamodule.FederatedDataModule`, as for all further arguments.
        partition: Who holds which patients; by default four clients of equal size, or what the dataset states.
        image_size: Height and width that images are resized to for the network, in pixels.
        augmentation: Whether training examples are flipped, turned and changed in brightness and contrast at random.
        randomization: Strength of domain randomisation, for pre-training on phantoms, in place of these small changes;
            0 for none, 1 for the full amounts.
        distractors: With domain randomisation, the probability of each kind of thing that lies beside a lesion and is
            none, laid over the picture: stickers, ink, hairs, redness, a dark border; 0 for none.
        memory_budget_gib: Resized images (4 bytes per pixel) are kept in memory up to this size, and beyond it in a
            file that is mapped into memory.
        cache_directory: Folder for such files; by default a folder of the user's cache.
        phantom_size: Height and width of phantom images in pixels; of slices, their number before that.
        **federation: Further arguments of FederatedDataModule.
    """

    usual_partition: Partition = IIDPartition(4)
    """Who holds which patients if no partition is given."""

    kept_by = ("memory_budget_gib", "cache_directory")
    reader: PictureReader = COLOUR
    """Reads the files of a case."""

    def __init__(
        self,
        root: Path,
        partition: Partition | None = None,
        image_size: tuple[int, int] = (128, 128),
        augmentation: bool = True,
        randomization: float = 0.0,
        distractors: float = 0.0,
        memory_budget_gib: float = 4.0,
        cache_directory: Path | None = None,
        phantom_size: tuple[int, ...] = (192, 256),
        **federation: Any,
    ) -> None:
        super().__init__(root, partition or self.usual_partition, **federation)
        if not all(1 <= side <= _LONGEST_SIDE for side in image_size):
            raise ConfigError(
                f"data.image_size is height and width in pixels, from 1 to {_LONGEST_SIDE:,}, but it is"
                f" {list(image_size)}."
            )
        if not 0 <= memory_budget_gib < float("inf"):
            raise ConfigError(f"data.memory_budget_gib must be at least 0, but it is {memory_budget_gib}.")
        self.image_size = image_size
        self.augmentation = augmentation
        if not 0 <= randomization < float("inf"):
            raise ConfigError(f"data.randomization is a strength and must be at least 0, but it is {randomization}.")
        if not 0 <= distractors <= 1:
            raise ConfigError(f"data.distractors is a probability, from 0 to 1, but it is {distractors}.")
        if distractors and not randomization:
            raise ConfigError(
                "data.distractors are a part of domain randomisation; give --data.randomization too, such as 1."
            )
        self.randomization = randomization
        self.distractors = distractors
        self.memory_budget_gib = memory_budget_gib
        self.cache_directory = cache_directory
        self.phantom_size = phantom_size

    @property
    def network_input(self) -> Mapping[str, Any]:
        """The size of images."""
        return {"image_size": self.image_size}

    @property
    def example_is(self) -> Identity:
        """An example is an image."""
        return "image"

    def inventory(self, root: Path, release: str | None = None) -> Inventory:
        """List the cases that :meth:`scan` finds."""
        name = type(self).__name__.removesuffix("DataModule")
        return Inventory(name, tuple(self.scan(root)), (), self.reader.check)

    def load_cases(self, cases: Sequence[Case]) -> Dataset[Example]:
        """Decode and resize every image and mask, or map the cache of an earlier run.

        Raises:
            ConfigError: The masks do not have the classes of the task.
        """
        self._reader = self.reader.fitted(self.scheme)
        self._cache = ImageCache(
            cases,
            self.image_size,
            memory_budget_bytes=int(self.memory_budget_gib * 2**30),
            directory=self.cache_directory,
            contents=self.contents,
            reader=self._reader,
            say=tell,
        )
        size = self._cache.images.shape[2], self._cache.images.shape[3]
        changes: Augmentation | None = image_augmentation(size) if self.augmentation else None
        if self.randomization > 0:
            changes = domain_randomization(size, self.randomization, self.distractors)
        return ImageExamples(self._cache, changes, self.scheme)

    def evaluation_case(self, case: Case, native: bool) -> EvaluationCase:
        """Bring one case; distances are in pixels, since pictures have no spacing."""
        image, mask = self._cache[self._cache.index(case.case_id)]
        label = region_masks(self._reader.read_label(case) if native else mask, self.scheme)
        return EvaluationCase(normalize(torch.tensor(image)), torch.tensor(label))

    def find_new(self, paths: Sequence[Path], release: str | None) -> NewCases:
        """Find pictures."""
        return find_pictures(paths)

    def new_case(self, case: Case) -> EvaluationCase:
        """Bring one picture, as it is trained on; its label is empty."""
        rows, columns = self.reader.shape(case)
        image = self.reader.read_image(case, self.image_size)
        return EvaluationCase(normalize(torch.tensor(image)), torch.zeros(1, 1, 1).expand(1, rows, columns))

    def lesion_size(self, case: Case) -> float:
        """Share of the picture that is lesion, in [0, 1]."""
        return float((self.reader.read_label(case) > 0).mean())


class ImageExamples(Dataset[Example]):
    """Training examples of a cache, changed by a random transform if there is one."""

    def __init__(self, cache: ImageCache, augmentation: Augmentation | None, scheme: LabelScheme | None = None) -> None:
        self._cache = cache
        self._augmentation = augmentation
        self._scheme = scheme

    def __getitem__(self, key: ExampleKey) -> Example:
        """Bring ``image`` [C, H, W] and ``label`` [P, H, W], both float32."""
        pixels, mask = self._cache[key.example]
        regions = None if self._scheme is None else self._scheme.predicted
        image = normalize(torch.tensor(pixels))
        label = torch.tensor(region_masks(mask, self._scheme, regions)).float()
        if self._augmentation is not None:
            image, label = augment(self._augmentation, image, label, key.seed)
        return Example(image, label)


def region_masks(label: UInt8Array, scheme: LabelScheme | None, regions: Sequence[str] | None = None) -> UInt8Array:
    """Masks [R, H, W] of the regions in a label map [1, H, W]; of a binary mask without a scheme it is that itself."""
    return label if scheme is None else scheme.masks(label[0], regions).astype(np.uint8)


def normalize(pixels: Tensor) -> Tensor:
    """Map uint8 pixels to [-2, 2] by public constants, so that normalisation reveals nothing of the data."""
    return pixels.float().div_(63.75).sub_(2.0)
