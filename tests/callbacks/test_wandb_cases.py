"""Pictures for Weights & Biases: what is handed over for photographs, CT and MRI."""

from types import SimpleNamespace

import numpy as np
import pytest

from adpfl_bench.callbacks.wandb_cases import _image

REGIONS = ("whole", "core")
WANDB = SimpleNamespace(Image=lambda pixels, **rest: SimpleNamespace(pixels=pixels, **rest))


def example(channels: int):
    """A gradient in each channel, the last turned, and a core within a whole that the prediction misses."""
    image = np.stack([np.linspace(-1, 3, 20, dtype=np.float32).reshape(4, 5)] * channels)
    image[-1] = image[-1, ::-1, ::-1]
    truth = np.zeros((2, 4, 5), dtype=bool)
    truth[0, 1:4], truth[1, 2] = True, True
    return {"client": "a", "case": "c", "image": image, "truth": truth, "prediction": np.zeros_like(truth)}


@pytest.mark.parametrize(("channels", "shape"), [(1, (4, 5)), (3, (4, 5, 3)), (4, (4, 5))])
def test_three_channels_are_colours_and_of_others_the_last_is_grey(channels, shape):
    shown = _image(WANDB, example(channels), SimpleNamespace(regions=REGIONS))
    assert shown.pixels.shape == shape
    assert shown.pixels.dtype == np.uint8
    assert (shown.pixels.min(), shown.pixels.max()) == (0, 255)
    assert shown.pixels[..., -1].flat[0] == 255 if channels == 4 else True
    assert shown.caption == "a c"


def test_later_regions_lie_over_earlier_ones_and_are_named():
    masks = _image(WANDB, example(4), SimpleNamespace(regions=REGIONS)).masks
    assert masks["truth"]["mask_data"][:, 0].tolist() == [0, 1, 2, 1]
    assert masks["truth"]["class_labels"] == {1: "whole", 2: "core"}
    assert not masks["prediction"]["mask_data"].any()
