"""Things beside lesions in photographs of skin, for pre-training on phantoms: stickers, ink, hairs, dark corners."""

from __future__ import annotations

import math

import numpy as np
import scipy.ndimage
import torch
from monai.transforms import MapTransform, RandomizableTransform
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from adpfl_bench.phantoms.artefacts import image_grid
from adpfl_bench.phantoms.random_fields import Field

_PEN = ((0.25, 0.1, 0.45), (0.4, 0.25, 0.6), (0.1, 0.15, 0.5), (0.2, 0.35, 0.75), (0.05, 0.3, 0.25), (0.08, 0.08, 0.1))
"""Violet, pale violet, blue, light blue, green and black ink."""


class RandDistractorsd(MapTransform, RandomizableTransform):
    """What lies beside lesions in photographs, laid over image and mask at random, and is never a lesion itself.

    Each with a probability of its own: coloured stickers at the border, which hide what is below them; marks of a
    surgical pen; hairs; redness of the skin; and the dark border of a round field of view. Of a mask with several
    regions the one nearest to the middle is the lesion.

    Args:
        probability: Probability of each of these, in (0, 1].
    """

    def __init__(self, probability: float) -> None:
        MapTransform.__init__(self, ("image", "label"))
        RandomizableTransform.__init__(self, prob=probability)

    def __call__(self, data: dict[str, Tensor]) -> dict[str, Tensor]:
        """Change ``image`` [3, H, W], about [-2, 2], and ``label`` [1, H, W]; other keys stay."""
        image = data["image"].numpy().copy()
        grid = image_grid((image.shape[1], image.shape[2]))
        label = _middle(data["label"], grid)
        if self._drawn():
            _lay(image, self._redness(grid), image.mean((1, 2)) + self._tint((0.1, -0.5, -0.35), 0.3))
        if self._drawn():
            pen = np.array(_PEN[self.R.randint(len(_PEN))])
            _lay(image, self._ink(grid), 4 * np.clip(pen + self.R.normal(0, 0.08, 3), 0, 1) - 2)
        if self._drawn():
            _lay(image, self._hairs(grid), self._tint((-1.6, -1.7, -1.75), 0.3))
        if self._drawn():
            sticker = self._sticker(grid)
            _lay(image, sticker, self.R.uniform(-2, 2, 3))
            label = label * torch.as_tensor(sticker < 0.5)
        if self._drawn():
            border = self._border(grid)
            _lay(image, border, self._tint((-1.85, -1.85, -1.85), 0.15))
            label = label * torch.as_tensor(border < 0.5)
        return {**data, "image": torch.as_tensor(image), "label": label}

    def _drawn(self) -> bool:
        return bool(self.R.uniform() < self.prob)

    def _tint(self, middle: tuple[float, float, float], deviation: float) -> NDArray[np.float64]:
        return np.asarray(np.array(middle) + self.R.normal(0, deviation, 3))

    def _redness(self, grid: tuple[Field, Field]) -> Field:
        """One to six blurred spots, mostly faint."""
        opacity = np.zeros_like(grid[0])
        for _ in range(self.R.randint(1, 7)):
            u, v = self._turned(grid, self.R.uniform(-0.6, 0.6, 2))
            spread = self.R.uniform(0.05, 0.3, 2)
            spot = np.exp(-0.5 * ((u / spread[0]) ** 2 + (v / spread[1]) ** 2))
            opacity = np.maximum(opacity, self.R.uniform(0.1, 0.8) * spot)
        return opacity

    def _ink(self, grid: tuple[Field, Field]) -> Field:
        """One to seven dots or strokes, worn by a grain of their own."""
        opacity = np.zeros_like(grid[0])
        for _ in range(self.R.randint(1, 8)):
            u, v = self._turned(grid, self.R.uniform(-0.55, 0.55, 2))
            half = self.R.uniform(0, 0.2) * (self.R.uniform() < 0.5)
            bow = self.R.normal(0, 1.5)
            width = self.R.choice((0.015, 0.03, 0.06)) * self.R.uniform(0.6, 1.4)
            away = np.hypot(np.maximum(np.abs(u) - half, 0), v - bow * u**2 * (half > 0))
            opacity = np.maximum(opacity, np.clip((1.3 * width - away) / (0.6 * width), 0, 1))
        worn = np.clip(self.R.uniform(0.6, 1.3) + self.R.uniform(0, 0.5) * self.R.standard_normal(grid[0].shape), 0, 1)
        return np.asarray(opacity * worn * self.R.uniform(0.5, 1.0), dtype=np.float32)

    def _hairs(self, grid: tuple[Field, Field]) -> Field:
        """A few arcs, at times some twenty, which share a direction, roughly."""
        opacity = np.zeros_like(grid[0])
        growth = self.R.uniform(0, math.pi)
        for _ in range(1 + self.R.poisson(self.R.choice((3, 8, 20)))):
            u, v = self._turned(grid, self.R.uniform(-0.7, 0.7, 2), growth + self.R.normal(0, 0.4))
            half = self.R.uniform(0.1, 0.7)
            away = np.hypot(np.maximum(np.abs(u) - half, 0), v - self.R.normal(0, 0.5) * u**2)
            width = self.R.uniform(0.003, 0.012)
            opacity = np.maximum(opacity, np.clip((width + 0.5 / len(u) - away) * len(u), 0, 1))
        return np.asarray(opacity * self.R.uniform(0.3, 0.9), dtype=np.float32)

    def _sticker(self, grid: tuple[Field, Field]) -> Field:
        """A disc or a straight edge of one colour, which reaches into the picture from outside."""
        angle, softness = self.R.uniform(0, 2 * math.pi), self.R.uniform(0.01, 0.04)
        u, v = self._turned(grid, (0.0, 0.0), angle)
        reach = self.R.uniform(0.02, 0.3)
        edge = 0.55 - reach
        if self.R.uniform() < 0.25:
            depth = u - edge
        else:
            radius = self.R.uniform(0.5, 2.0) * reach + 0.05
            depth = radius - np.hypot(u - edge - radius, v - self.R.uniform(-0.3, 0.3))
        return np.asarray(np.clip(depth / softness, 0, 1), dtype=np.float32)

    def _border(self, grid: tuple[Field, Field]) -> Field:
        """What lies outside of a disc."""
        middle = self.R.normal(0, 0.06, 2)
        away = np.hypot(grid[0] - middle[0], grid[1] - middle[1])
        softness = self.R.choice((0.02, 0.08, 0.25))
        return np.asarray(np.clip((away - self.R.uniform(0.45, 0.68)) / softness, 0, 1), dtype=np.float32)

    def _turned(self, grid: tuple[Field, Field], middle: ArrayLike, angle: float | None = None) -> tuple[Field, Field]:
        angle = self.R.uniform(0, 2 * math.pi) if angle is None else angle
        x, y = (axis - at for axis, at in zip(grid, np.asarray(middle, dtype=np.float32), strict=True))
        return x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)


def _middle(label: Tensor, grid: tuple[Field, Field]) -> Tensor:
    """Keep of a label [1, H, W] the connected region nearest to the middle: a picture is of one lesion."""
    regions, count = scipy.ndimage.label(label[0].numpy())
    if count < 2:
        return label
    away = np.where(regions > 0, np.hypot(*grid), np.inf)
    return label * torch.as_tensor(regions == regions.flat[int(away.argmin())])


def _lay(image: NDArray[np.float32], opacity: Field, colour: NDArray[np.float64]) -> None:
    """Lay a colour over an image [3, H, W], in place."""
    image += opacity * (colour.astype(np.float32)[:, None, None] - image)
