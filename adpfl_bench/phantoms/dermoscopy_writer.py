"""Base of the writers of dermoscopy layouts: drawing an image and storing it with its mask."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from adpfl_bench.phantoms.acquisition_sites import SITES, Site, shifted_sites
from adpfl_bench.phantoms.dermoscopy import Photograph
from adpfl_bench.phantoms.writer import PhantomWriter

_FIRST_ID = 9_000_000
"""Far above the numbers that the ISIC archive has given out, so that a phantom is never taken for a real image."""


class DermoscopyWriter(PhantomWriter):
    """Base of the writers of two-dimensional skin images."""

    default_size: ClassVar[tuple[int, ...]] = (192, 256)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.size
        return height, width

    @cached_property
    def sites(self) -> Mapping[str, Site]:
        """The sites, as far apart as asked for."""
        return shifted_sites(self.shift)


def image_id(index: int) -> str:
    """Name the image with a given index."""
    return f"ISIC_{_FIRST_ID + index:07d}"


def save(photograph: Photograph, image: Path, mask: Path) -> None:
    """Store the image as JPEG, at the quality of its site, and the mask as PNG with the values 0 and 255."""
    Image.fromarray(photograph.image).save(image, quality=photograph.jpeg_quality)
    Image.fromarray(np.where(photograph.mask, 255, 0).astype(np.uint8)).save(mask)


def share_among_sites(cases: int, fewest: int = 3) -> dict[str, int]:
    """Divide images among the sites in about their real proportions.

    Args:
        cases: Number of images.
        fewest: What the smallest site gets at least, as far as there are enough images for all.

    Returns:
        Number of images by site; they add up to ``cases``.

    Example:
        >>> share_among_sites(240)
        {'vidir_molemax': 95, 'vidir_modern': 81, 'rosendahl': 54, 'vienna_dias': 10}
        >>> share_among_sites(12)
        {'vidir_molemax': 3, 'vidir_modern': 3, 'rosendahl': 3, 'vienna_dias': 3}
    """
    total = sum(site.images for site in SITES.values())
    exact = {name: cases * site.images / total for name, site in SITES.items()}
    sizes = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(SITES, key=lambda name: sizes[name] - exact[name])
    for name in by_remainder[: cases - sum(sizes.values())]:
        sizes[name] += 1
    while min(sizes.values()) < min(fewest, cases // len(SITES)):
        sizes[max(sizes, key=lambda name: sizes[name])] -= 1
        sizes[min(sizes, key=lambda name: sizes[name])] += 1
    return sizes


def draw_diagnosis(generator: np.random.Generator, site: Site) -> str:
    """Draw what a lesion is, as often as at its site."""
    names = list(site.diagnoses)
    counts = np.array([site.diagnoses[name] for name in names], dtype=np.float64)
    return str(generator.choice(names, p=counts / counts.sum()))
