"""Augmentation is a function of example and seed, and leaves no trace."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.meta_obj import get_track_meta, set_track_meta
from torch.utils.data import default_collate

from adpfl_bench.data.rounds.augmentation import augment, domain_randomization, image_augmentation


def example(seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand(3, 8, 8, generator=generator) * 4 - 2
    return image, (image[:1] > 0).float()


def seed_everything(seed):
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


TRANSFORMS = [
    image_augmentation,
    lambda size: domain_randomization(size, 1.0),
    lambda size: domain_randomization(size, 1.0, 0.5),
]


@pytest.mark.parametrize("make", TRANSFORMS)
@given(seed=st.integers(0, 2**63 - 1), others=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)))
@settings(max_examples=15)
def test_depends_on_the_seed_alone(make, seed, others):
    """Neither on global generators, nor on what the same transform did before, nor on the object."""
    used = make((8, 8))
    results = []
    for transform, other in ((used, others[0]), (used, others[1]), (make((8, 8)), 0)):
        seed_everything(other)
        augment(used, *example(1), seed=other)
        results.append(augment(transform, *example(), seed=seed))
    for image, label in results[1:]:
        assert torch.equal(image, results[0][0])
        assert torch.equal(label, results[0][1])


def test_leaves_no_trace():
    seed_everything(3)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    image, label = example()
    before = image.clone(), label.clone()
    for seed in range(10):
        augment(image_augmentation((8, 8)), image, label, seed)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    assert states[2] == random.getstate()
    assert torch.equal(image, before[0])
    assert torch.equal(label, before[1])


@pytest.mark.parametrize("tracked", [True, False])
def test_tracking_of_metadata_is_left_as_it_was(tracked):
    was = get_track_meta()
    set_track_meta(tracked)
    try:
        image, label = augment(image_augmentation((8, 8)), *example(), seed=1)
        assert get_track_meta() is tracked
        with pytest.raises(ZeroDivisionError):
            augment(Failing(), *example(), seed=1)
        assert get_track_meta() is tracked
    finally:
        set_track_meta(was)
    assert type(image) is torch.Tensor
    assert type(label) is torch.Tensor


class Failing:
    def set_random_state(self, seed):
        pass

    def __call__(self, data):
        return 1 / 0


def symmetries(tensor):
    """The eight flips and quarter turns of a square."""
    turned = [torch.rot90(tensor, k, (1, 2)) for k in range(4)]
    return turned + [torch.flip(tensor, (1,)) for tensor in turned]


def test_image_and_mask_move_together_through_all_eight_symmetries():
    image, label = example()
    transform, seen = image_augmentation((8, 8)), set()
    for seed in range(200):
        changed, mask = augment(transform, image, label, seed)
        (symmetry,) = [k for k, candidate in enumerate(symmetries(label)) if torch.equal(candidate, mask)]
        seen.add(symmetry)
        moved = symmetries(image)[symmetry]
        # What is left is brightness and contrast: x -> a x + b, the same for every pixel.
        x = torch.stack([moved.flatten(), torch.ones(moved.numel())], 1).double()
        fitted = torch.linalg.lstsq(x, changed.flatten().double()[:, None])
        a, b = fitted.solution.flatten().tolist()
        torch.testing.assert_close(x @ fitted.solution, changed.flatten().double()[:, None], atol=1e-5, rtol=0)
        assert 0.9 - 1e-5 <= a <= 1.1 + 1e-5
        assert -0.22 - 1e-5 <= b <= 0.22 + 1e-5
    assert seen == set(range(8))


def test_oblong_images_keep_their_shape():
    """Otherwise a batch of them cannot be stacked."""
    image, label = torch.rand(3, 6, 8), torch.ones(1, 6, 8)
    transform = image_augmentation((6, 8))
    assert default_collate([augment(transform, image, label, seed)[0] for seed in range(20)]).shape == (20, 3, 6, 8)


def test_randomisation_keeps_image_and_mask_together_and_grows_with_its_strength():
    """A disk brighter than its surroundings stays so, wherever it goes; colours change more at full strength."""
    rows, columns = np.mgrid[:32, :32]
    label = torch.from_numpy(((rows - 12) ** 2 + (columns - 18) ** 2 < 49).astype(np.float32))[None]
    image = label.repeat(3, 1, 1) * 3 - 1.5
    changes = {}
    for strength in (0.1, 1.0):
        transform, spread = domain_randomization((32, 32), strength), []
        for seed in range(40):
            seen, mask = augment(transform, image, label, seed)
            assert set(mask.unique().tolist()) <= {0.0, 1.0}
            if 10 < mask.sum() < 900:
                assert seen[:, mask[0] > 0].mean() > seen[:, mask[0] == 0].mean() + 1
            spread.append(float(seen.mean()))
        changes[strength] = np.std(spread)
    assert changes[1.0] > 3 * changes[0.1] > 0
