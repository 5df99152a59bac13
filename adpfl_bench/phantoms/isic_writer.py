"""Phantoms in the layout of the ISIC 2017 challenge, part 1: pairs of image and mask, and nothing about sites."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from adpfl_bench.phantoms.dermoscopy import take_photograph
from adpfl_bench.phantoms.dermoscopy_writer import DermoscopyWriter, draw_diagnosis, image_id, save
from adpfl_bench.phantoms.diagnosis import DIAGNOSES
from adpfl_bench.phantoms.lesion import draw_lesion
from adpfl_bench.seeding import numpy_generator


class IsicWriter(DermoscopyWriter):
    """Writes ``ISIC-2017_Training_Data`` and ``ISIC-2017_Training_Part1_GroundTruth``.

    The images look like those of the HAM10000 sites in their proportions, mixed. A subclass may call its files
    otherwise.
    """

    name: ClassVar[str] = "isic"
    image: ClassVar[str] = "ISIC-2017_Training_Data/{case}.jpg"
    """Where the image of a case is."""
    mask: ClassVar[str] = "ISIC-2017_Training_Part1_GroundTruth/{case}_segmentation.png"
    """Where its mask is."""

    def case_id(self, index: int) -> str:
        """Return the name of a case."""
        return image_id(index)

    def prepare(self, root: Path) -> None:
        """Make the folders."""
        for file in (self.image, self.mask):
            (root / file).parent.mkdir(parents=True, exist_ok=True)

    def write_case(self, root: Path, index: int) -> None:
        """Write one image and its mask."""
        generator = numpy_generator(self.seed, "phantom", self.name, index)
        sites = list(self.sites.values())
        images = np.array([site.images for site in sites], dtype=np.float64)
        site = sites[int(generator.choice(len(sites), p=images / images.sum()))]
        lesion = draw_lesion(generator, DIAGNOSES[draw_diagnosis(generator, site)], site.median_area)
        save(
            take_photograph(generator, lesion, site, self.shape),
            root / self.image.format(case=self.case_id(index)),
            root / self.mask.format(case=self.case_id(index)),
        )
