"""Flips, turns, contrast, brightness and noise, drawn as MONAI's transforms draw them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PROBABILITY = 0.5  # of each change but noise


class StandardAugmentation:
    """Random flips and quarter turns of image and label, and changes of the image's contrast, brightness and noise.

    For one seed the result has the bits of a MONAI ``Compose`` of ``RandFlipd`` for each axis, ``RandRotate90d``,
    ``RandScaleIntensityd``, ``RandShiftIntensityd`` and ``RandGaussianNoised``, in this order and with probability 1/2,
    that of noise apart. MONAI makes two generators for each of them, follows metadata and copies at every step; here
    an example is copied once.

    Args:
        axes: Number of spatial axes; there is a flip along each.
        turns: Whether there are quarter turns in the plane of the first two axes, which must be of equal length.
        factor: Contrast: the image is multiplied by 1 + uniform(-factor, factor).
        offset: Brightness: uniform(-offset, offset) is added.
        noise: Probability of Gaussian noise, and the largest standard deviation; ``None`` for no noise ever.
    """

    def __init__(
        self, axes: int, turns: bool, factor: float, offset: float, noise: tuple[float, float] | None = None
    ) -> None:
        self._axes = axes
        self._turns = turns
        self._factor = factor
        self._offset = offset
        self._noise = noise
        self._random = np.random.RandomState(0)  # seeded for each change; to make one takes far longer than to seed it

    def __call__(self, image: Tensor, label: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Change an example; random choices depend on ``seed`` alone.

        Args:
            image: [C, *spatial], float32, in the processor's memory.
            label: [R, *spatial], of any type.
            seed: From 0 to 2**32 - 1.

        Returns:
            Both, changed; the arguments stay as they are.
        """
        random = self._random
        random.seed(seed)
        changes = self._axes + self._turns + 2 + (self._noise is not None)
        seeds = iter(random.randint(2**32, size=changes, dtype=np.uint32).tolist())
        flipped = tuple(1 + axis for axis in range(self._axes) if self._happens(next(seeds)))
        quarters = self._quarters(next(seeds)) if self._turns else 0
        pixels = _moved(image.numpy(), flipped, quarters)
        changed: NDArray[np.float32] = np.empty(pixels.shape, np.float32)
        # The generator of a change goes on behind the number that has said whether it is made.
        if self._happens(next(seeds)):
            np.multiply(pixels, np.float32(1 + random.uniform(-self._factor, self._factor)), out=changed)
        else:
            np.copyto(changed, pixels)
        if self._happens(next(seeds)):
            changed += np.float32(random.uniform(-self._offset, self._offset))
        if self._noise is not None and self._happens(next(seeds), self._noise[0]):
            deviation = random.uniform(0, self._noise[1])
            changed += random.normal(0.0, deviation, size=changed.shape).astype(np.float32)
        mask = np.ascontiguousarray(_moved(label.numpy(), flipped, quarters))
        return torch.from_numpy(changed), torch.from_numpy(mask)

    def _happens(self, seed: int, probability: float = _PROBABILITY) -> bool:
        """Seed the generator for one of the changes, and draw whether it is made."""
        self._random.seed(seed)
        return bool(self._random.rand() < probability)

    def _quarters(self, seed: int) -> int:
        """Draw a number of quarter turns, and whether they are made."""
        self._random.seed(seed)
        quarters = int(self._random.randint(3)) + 1
        return quarters if self._random.rand() < _PROBABILITY else 0


def _moved(values: NDArray[Any], flipped: tuple[int, ...], quarters: int) -> NDArray[Any]:
    """Flip and turn [C, *spatial], as a view."""
    if flipped:
        values = np.flip(values, flipped)
    return np.rot90(values, quarters, (1, 2)) if quarters else values
