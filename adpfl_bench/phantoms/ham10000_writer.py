"""Phantoms in the layout of HAM10000, with sites and with several images of some lesions."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from adpfl_bench.phantoms.dermoscopy import take_photograph
from adpfl_bench.phantoms.dermoscopy_writer import DermoscopyWriter, draw_diagnosis, image_id, save, share_among_sites
from adpfl_bench.phantoms.diagnosis import DIAGNOSES
from adpfl_bench.phantoms.lesion import draw_lesion
from adpfl_bench.seeding import numpy_generator

_COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization", "dataset")
_MASKS = "HAM10000_segmentations_lesion_tschandl"
_PLACES = ("back", "lower extremity", "trunk", "upper extremity", "abdomen", "face", "chest", "foot", "neck", "scalp")
_VIEWS = {1: 0.75, 2: 0.17, 3: 0.08}
"""How many lesions have one, two or three images."""


@dataclass(frozen=True)
class _Row:
    """One line of the plan: which lesion an image shows."""

    lesion: int
    site: str


class Ham10000Writer(DermoscopyWriter):
    """Writes ``HAM10000_images_part_{1,2}``, the Tschandl segmentations and ``HAM10000_metadata.csv``."""

    name: ClassVar[str] = "ham10000"

    @property
    def site_sizes(self) -> Mapping[str, int]:
        """Number of images by site."""
        return share_among_sites(self.cases)

    def prepare(self, root: Path) -> None:
        """Make the folders and write the metadata."""
        for folder in (*_image_folders(), _MASKS):
            (root / folder).mkdir()
        with (root / "HAM10000_metadata.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(_COLUMNS)
            for index, row in enumerate(self._plan):
                lesion_id = f"HAM_{9_000_000 + row.lesion:07d}"
                table.writerow((lesion_id, image_id(index), *self._patient(row), row.site))

    def write_case(self, root: Path, index: int) -> None:
        """Write one image and its mask."""
        row = self._plan[index]
        site = self.sites[row.site]
        generator = self._lesion_generator(row)
        lesion = draw_lesion(generator, DIAGNOSES[draw_diagnosis(generator, site)], site.median_area)
        photograph = take_photograph(numpy_generator(self.seed, "phantom", self.name, index), lesion, site, self.shape)
        folder = _image_folders()[0 if index < (self.cases + 1) // 2 else 1]
        save(
            photograph, root / folder / f"{image_id(index)}.jpg", root / _MASKS / f"{image_id(index)}_segmentation.png"
        )

    def _lesion_generator(self, row: _Row) -> np.random.Generator:
        """Create the generator of everything that images of one lesion have in common, its diagnosis first."""
        return numpy_generator(self.seed, "phantom", self.name, "lesion", row.lesion)

    def _patient(self, row: _Row) -> tuple[str, str, str, str, str]:
        """Draw diagnosis, how it was made, age, sex and body site, which do not depend on the image."""
        diagnosis = draw_diagnosis(self._lesion_generator(row), self.sites[row.site])
        generator = numpy_generator(self.seed, "phantom", self.name, "patient", row.lesion)
        usual = DIAGNOSES[diagnosis].confirmation
        confirmation = usual if generator.random() < 0.7 else "histo"
        age = float(np.clip(5 * round(generator.normal(52, 16) / 5), 5, 85))
        return (
            diagnosis,
            confirmation,
            f"{age:.1f}",
            str(generator.choice(("male", "female"))),
            str(generator.choice(_PLACES)),
        )

    @cached_property
    def _plan(self) -> list[_Row]:
        """Decide which lesion each image shows, in a random order of the images."""
        generator = numpy_generator(self.seed, "phantom", self.name, "plan")
        rows: list[_Row] = []
        lesion = 0
        for site, images in self.site_sizes.items():
            for views in _divide_into_lesions(generator, images):
                rows += [_Row(lesion, site)] * views
                lesion += 1
        return [rows[index] for index in generator.permutation(len(rows))]


def _divide_into_lesions(generator: np.random.Generator, images: int, fewest: int = 3) -> list[int]:
    """Divide the images of a site into lesions of one to three images; at least ``fewest`` lesions if possible."""
    groups: list[int] = []
    while images > 0:
        views = int(generator.choice(list(_VIEWS), p=list(_VIEWS.values())))
        still_needed = max(0, fewest - len(groups) - 1)
        views = max(1, min(views, images - still_needed))
        groups.append(views)
        images -= views
    return groups


def _image_folders() -> tuple[str, str]:
    return "HAM10000_images_part_1", "HAM10000_images_part_2"
