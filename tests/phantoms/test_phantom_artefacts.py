import numpy as np
import pytest

from adpfl_bench.phantoms import artefacts

SIZE = (96, 128)


@pytest.fixture
def generator():
    return np.random.default_rng(8)


@pytest.mark.parametrize(
    "draw",
    [
        lambda generator: (artefacts.hairs(generator, SIZE, 8),),
        lambda generator: (artefacts.hairs(generator, SIZE, 30, shaved=True),),
        lambda generator: (artefacts.printed_scale(generator, SIZE),),
        lambda generator: artefacts.ruler(generator, SIZE),
        lambda generator: (artefacts.ink(generator, SIZE),),
        lambda generator: artefacts.bubbles(generator, SIZE, 8),
        lambda generator: (artefacts.glare(generator, SIZE),),
    ],
    ids=["hair", "stubs", "scale", "ruler", "ink", "bubbles", "glare"],
)
def test_artefacts_are_opacities_that_cover_little(draw, generator):
    drawn = [opacity for _ in range(20) for opacity in draw(generator)]
    for opacity in drawn:
        assert opacity.shape == SIZE
        assert opacity.dtype == np.float32
        assert opacity.min() >= 0
        assert opacity.max() <= 1
        assert opacity.mean() < 0.35
    assert np.mean([opacity.max() for opacity in drawn]) > 0.2


def test_more_hairs_cover_more(generator):
    cover = [np.mean([artefacts.hairs(generator, SIZE, count).mean() for _ in range(10)]) for count in (0, 3, 12, 48)]
    assert cover[0] == 0
    assert cover == sorted(cover)


def test_image_grid_is_centred_and_in_image_heights():
    x, y = artefacts.image_grid((2, 4))
    assert x[0] == pytest.approx([-0.75, -0.25, 0.25, 0.75])
    assert y[:, 0] == pytest.approx([-0.25, 0.25])
