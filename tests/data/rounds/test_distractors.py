"""What is laid beside lesions for pre-training is never a lesion, and hides what it covers."""

import numpy as np
import pytest
import torch

from adpfl_bench import ISICDataModule
from adpfl_bench.data.rounds.augmentation import augment, domain_randomization
from adpfl_bench.data.rounds.distractors import RandDistractorsd
from adpfl_bench.errors import ConfigError

SIZE = (48, 64)


def disc(x, y, radius):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return torch.from_numpy(((rows - y) ** 2 + (columns - x) ** 2 < radius**2).astype(np.float32))[None]


def changed(probability, image, label, seed):
    transform = RandDistractorsd(probability)
    transform.set_random_state(seed=seed)
    result = transform({"image": image, "label": label, "other": 7})
    assert result["other"] == 7
    return result["image"], result["label"]


def test_a_mask_loses_only_what_is_hidden():
    """Some pictures lose nothing of it, some a part; nothing is ever added to it."""
    image, label = torch.zeros(3, *SIZE), torch.ones(1, *SIZE)
    lost = []
    for seed in range(60):
        seen, mask = changed(0.4, image, label, seed)
        assert set(mask.unique().tolist()) <= {0.0, 1.0}
        hidden = (mask == 0)[0]
        assert (seen[:, hidden].abs().amax(0) > 0).all()
        lost.append(float(hidden.float().mean()))
    assert min(lost) == 0 < np.median(lost) < 0.5


def test_each_kind_of_thing_is_seen_as_often_as_asked():
    """Five kinds: without any, a picture of one colour stays as it is."""
    image, label = torch.zeros(3, *SIZE), disc(30, 24, 8)
    for probability in (0.2, 0.5):
        same = [torch.equal(changed(probability, image, label, seed)[0], image) for seed in range(400)]
        # A border may lie outside of the picture, and so change nothing.
        assert (1 - probability) ** 5 - 0.06 < np.mean(same) < (1 - probability) ** 4 + 0.06


def test_the_region_in_the_middle_is_the_lesion():
    """Whether it is the larger one or the smaller one."""
    image = torch.zeros(3, *SIZE)
    assert torch.equal(changed(1e-9, image, disc(10, 24, 9) + disc(34, 24, 3), 0)[1], disc(34, 24, 3))
    both = disc(16, 24, 10) + disc(50, 24, 5)
    assert torch.equal(changed(1e-9, image, both, 0)[1], disc(16, 24, 10))
    assert torch.equal(changed(1e-9, image, torch.zeros(1, *SIZE), 0)[1], torch.zeros(1, *SIZE))


@pytest.mark.parametrize("side", [1, 3, 8, 9, 15, 16, 17, 20])
def test_small_pictures_keep_their_size(side):
    transform, image, label = (
        domain_randomization((side, side), 1.0, 1.0),
        torch.zeros(3, side, side),
        torch.ones(1, side, side),
    )
    for seed in range(20):
        seen, mask = augment(transform, image, label, seed)
        assert (seen.shape, mask.shape) == (image.shape, label.shape)


def test_what_it_is_given_stays():
    image, label = torch.rand(3, *SIZE), disc(16, 24, 10) + disc(50, 24, 5)
    before = image.clone(), label.clone()
    for seed in range(10):
        seen, _ = changed(1.0, image, label, seed)
        assert seen.dtype == torch.float32
        assert seen.isfinite().all()
        assert not torch.equal(seen, image)
    assert torch.equal(image, before[0])
    assert torch.equal(label, before[1])


def test_without_them_randomisation_is_as_it_was():
    image, label = torch.rand(3, *SIZE), disc(30, 24, 8)
    for seed in range(5):
        plain = augment(domain_randomization(SIZE, 1.0), image, label, seed)
        none = augment(domain_randomization(SIZE, 1.0, 0.0), image, label, seed)
        some = augment(domain_randomization(SIZE, 1.0, 1.0), image, label, seed)
        assert torch.equal(plain[0], none[0])
        assert not torch.equal(plain[0], some[0])


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"distractors": 1.5, "randomization": 1.0}, "from 0 to 1, but it is 1.5"),
        ({"distractors": float("nan"), "randomization": 1.0}, "from 0 to 1, but it is nan"),
        ({"distractors": 0.5}, "give --data.randomization too"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        ISICDataModule(tmp_path, **settings)
