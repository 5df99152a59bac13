"""Random transforms of training examples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from monai.data.meta_obj import get_track_meta, set_track_meta
from monai.transforms import (
    Compose,
    MapTransform,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandomizableTransform,
    RandScaleIntensityd,
    RandShiftIntensityd,
    RandZoomd,
)
from torch import Tensor
from torch.nn import functional

from adpfl_bench.data.rounds.distractors import RandDistractorsd
from adpfl_bench.data.rounds.standard_augmentation import StandardAugmentation


def image_augmentation(size: tuple[int, int]) -> StandardAugmentation:
    """Make flips and turns of image and mask, and changes of the image's brightness and contrast.

    Works on images [3, H, W] (float32, about [-2, 2]) and labels [1, H, W].

    Args:
        size: Height and width. Square images are turned by quarter turns; oblong ones keep their shape, and the two
            flips turn them by half.
    """
    height, width = size
    return StandardAugmentation(axes=2, turns=height == width, factor=0.1, offset=0.2)


def domain_randomization(size: tuple[int, int], strength: float, distractors: float = 0.0) -> Compose:
    """Make changes far larger than any real variation, so that a network learns what stays: the lesion's shape.

    For pre-training on phantoms, whose colours, light and texture are simpler than those of real images (Tobin et al.
    2017, arXiv 1703.06907). Image and mask are turned by any angle, zoomed and shifted; colours are scaled and shifted
    channel by channel, a smooth field of light and a coarse coloured texture are added, and the image is blurred and
    made noisy at random.

    Args:
        size: Height and width; image and mask as for :func:`image_augmentation`.
        strength: 1 for the full amounts, less for smaller ones; greater than 0.
        distractors: Probability of each thing that lies beside a lesion (:class:`RandDistractorsd`); 0 for none. With
            them every second picture, of 16 pixels and more, is also made smaller, down to 0.4 of its
            sides, and what the reflection at its border repeats is beside a lesion, too.
    """
    both = ["image", "label"]
    return Compose(
        [
            RandFlipd(both, prob=0.5, spatial_axis=0),
            RandAffined(
                both,
                prob=1.0,
                rotate_range=math.pi,
                scale_range=(-0.3 * strength, 0.45 * strength),
                translate_range=[0.15 * strength * side for side in size],
                mode=("bilinear", "nearest"),
                padding_mode="reflection",
            ),
            *(_beside_lesions(size, distractors) if distractors else []),
            RandScaleIntensityd("image", factors=0.35 * strength, prob=1.0, channel_wise=True),
            RandScaleIntensityd("image", factors=0.3 * strength, prob=1.0),
            RandShiftIntensityd("image", offsets=0.4 * strength, prob=1.0, channel_wise=True),
            RandShiftIntensityd("image", offsets=0.6 * strength, prob=1.0),
            RandSmoothNoised("image", grid=3, deviation=0.25 * strength, colored=False),
            RandGaussianSmoothd("image", sigma_x=(0.5, 1.0), sigma_y=(0.5, 1.0), prob=0.4),
            RandGaussianNoised("image", std=0.15 * strength, prob=1.0),
            RandSmoothNoised("image", grid=16, deviation=0.25 * strength, colored=True),
        ]
    )


def _beside_lesions(size: tuple[int, int], probability: float) -> list[MapTransform]:
    distractors = RandDistractorsd(probability)
    if min(size) < 16:  # too little is left of a smaller picture to be reflected
        return [distractors]
    smaller = RandZoomd(
        ["image", "label"],
        prob=0.5,
        min_zoom=0.4,
        max_zoom=1.0,
        mode=("bilinear", "nearest"),
        padding_mode="reflect",
    )
    return [smaller, distractors]


class RandSmoothNoised(MapTransform, RandomizableTransform):
    """Normal noise on a coarse grid, interpolated to the image, with an amplitude drawn anew each time.

    Args:
        keys: Images [C, H, W].
        grid: Points of the coarse grid along each axis.
        deviation: Largest standard deviation of the noise.
        colored: Whether each channel has noise of its own.
    """

    def __init__(self, keys: str, grid: int, deviation: float, colored: bool) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob=1.0)
        self.grid, self.deviation, self.colored = grid, deviation, colored

    def __call__(self, data: dict[str, Tensor]) -> dict[str, Tensor]:
        """Add the noise; other keys stay."""
        changed = dict(data)
        for key in map(str, self.keys):
            image = changed[key]
            channels = image.shape[0] if self.colored else 1
            noise = self.R.standard_normal((1, channels, self.grid, self.grid)) * self.R.uniform(0, self.deviation)
            coarse = torch.as_tensor(noise, dtype=torch.float32)
            size = list(image.shape[1:])
            changed[key] = image + functional.interpolate(coarse, size=size, mode="bicubic", align_corners=False)[0]
        return changed


def volume_augmentation() -> StandardAugmentation:
    """Make flips of image and label along each axis, and changes of the image's brightness, contrast and noise.

    Works on images [C, X, Y, Z] (float32, normalised) and labels [R, X, Y, Z].
    """
    return StandardAugmentation(axes=3, turns=False, factor=0.1, offset=0.1, noise=(0.15, 0.1))


Augmentation = StandardAugmentation | Compose
"""What changes training examples at random; a ``Compose`` works on dictionaries with ``image`` and ``label``."""


def augment(transform: Augmentation, image: Tensor, label: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Apply a transform with random choices that depend on ``seed`` alone.

    MONAI's random transforms keep a state of their own which no global seed reaches, so it is set for each example.
    """
    if isinstance(transform, StandardAugmentation):
        return transform(image, label, seed % 2**32)
    transform.set_random_state(seed=seed % 2**32)
    with _plain_tensors():
        changed = transform({"image": image, "label": label})
    return torch.as_tensor(changed["image"]), torch.as_tensor(changed["label"])


@contextmanager
def _plain_tensors() -> Iterator[None]:
    # Tracking affine matrices doubles the time of a transform, and nothing here reads them.
    tracked = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(tracked)
