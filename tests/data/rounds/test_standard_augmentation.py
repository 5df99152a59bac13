"""Training examples are changed with the bits of MONAI's transforms."""

import pickle

import pytest
import torch
from monai.transforms import (
    Compose,
    RandFlipd,
    RandGaussianNoised,
    RandRotate90d,
    RandScaleIntensityd,
    RandShiftIntensityd,
)

from adpfl_bench.data.rounds.augmentation import augment, image_augmentation, volume_augmentation

BOTH = ["image", "label"]


def flips(axes):
    return [RandFlipd(BOTH, prob=0.5, spatial_axis=axis) for axis in range(axes)]


def intensities(offset):
    return [
        RandScaleIntensityd("image", factors=0.1, prob=0.5),
        RandShiftIntensityd("image", offsets=offset, prob=0.5),
    ]


SQUARE = Compose([*flips(2), RandRotate90d(BOTH, prob=0.5), *intensities(0.2)])
OBLONG = Compose([*flips(2), *intensities(0.2)])
VOLUME = Compose([*flips(3), *intensities(0.1), RandGaussianNoised("image", prob=0.15, std=0.1)])
KINDS = {
    "square": (image_augmentation((7, 7)), SQUARE, (3, 7, 7)),
    "oblong": (image_augmentation((5, 8)), OBLONG, (3, 5, 8)),
    "volume": (volume_augmentation(), VOLUME, (4, 5, 6, 4)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_those_of_monai(kind):
    own, monai, shape = KINDS[kind]
    generator = torch.Generator().manual_seed(0)
    own = pickle.loads(pickle.dumps(own))  # as workers are sent it
    kinds = set()
    for seed in [0, 2**32 - 1, 2**32 + 5, *range(1, 150)]:
        image = torch.randn(shape, generator=generator)
        label = (torch.rand(2, *shape[1:], generator=generator) > 0.5).float()
        kept = image.clone(), label.clone()
        changed, mask = augment(own, image, label, seed)
        expected, expected_mask = augment(monai, image, label, seed)
        assert torch.equal(changed, expected)
        assert torch.equal(mask, expected_mask)
        assert changed.dtype is expected.dtype is torch.float32
        assert torch.equal(image, kept[0])
        assert torch.equal(label, kept[1])
        kinds.add((torch.equal(changed, image), torch.equal(mask, label)))
    assert kinds >= {(False, False), (False, True)}
