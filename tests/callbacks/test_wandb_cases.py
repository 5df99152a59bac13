"""Pictures for Weights & Biases: what is handed over for photographs, CT and MRI."""

from types import SimpleNamespace

import numpy as np
import pytest

from adpfl_bench.callbacks.wandb_cases import _image, _means
from adpfl_bench.results.case_row import CaseRow

REGIONS = ("whole", "core")
WANDB = SimpleNamespace(Image=lambda pixels, **rest: SimpleNamespace(pixels=pixels, **rest))


def example(channels: int):
    """Channels that rise, but the last, which falls, and a core within a whole that the prediction misses."""
    image = np.stack([np.linspace(-1, 3, 20, dtype=np.float32).reshape(4, 5)] * channels)
    image[-1] *= -1
    truth = np.zeros((2, 4, 5), dtype=bool)
    truth[0, 1:4], truth[1, 2] = True, True
    return {"client": "a", "case": "c", "image": image, "truth": truth, "prediction": np.zeros_like(truth)}


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_of_ct_and_mri_the_last_channel_is_grey(channels):
    shown = _image(WANDB, example(channels), SimpleNamespace(regions=REGIONS))
    assert shown.pixels.shape == (4, 5)
    assert shown.pixels.dtype == np.uint8
    assert (shown.pixels[0, 0], shown.pixels[-1, -1]) == (255, 0)
    assert shown.caption == "a c"


def test_three_channels_are_colours():
    pixels = _image(WANDB, example(3), SimpleNamespace(regions=REGIONS)).pixels
    assert pixels.shape == (4, 5, 3)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert pixels[0, 0, 0] < pixels[-1, -1, 0]
    assert pixels[0, 0, 2] > pixels[-1, -1, 2]


def test_later_regions_lie_over_earlier_ones_and_are_named():
    masks = _image(WANDB, example(4), SimpleNamespace(regions=REGIONS)).masks
    assert masks["truth"]["mask_data"][:, 0].tolist() == [0, 1, 2, 1]
    assert masks["truth"]["class_labels"] == {1: "whole", 2: "core"}
    assert not masks["prediction"]["mask_data"].any()


def row(client, model, dice, case="c"):
    return CaseRow(case, "p", client, "test", "whole", dice, dice, None, "px", None, dice == 0, model)


def test_means_are_of_the_models_that_the_run_is_judged_by():
    rows = [
        *(row("a", "global", 0.5, "c"), row("b", "global", 0.75, "d"), row("x", "global", 1.0, "e")),
        *(row("a", "a", 1.0, "c"), row("a", "b", 0.0, "c"), row("b", "a", 0.0, "d"), row("b", "b", 0.25, "d")),
        *(row("x", "a", 0.5, "e"), row("x", "b", 0.0, "e")),
    ]

    assert _means(rows, {}) == _means(rows, {"headline": "global"}) == {"dice": 0.75, "n_missed": 0}
    own = _means(rows, {"headline": "own", "held_out_clients": ["x"]})
    assert own == {"dice": 0.5, "n_missed": 1, "dice_global": 0.75}
    everyone = (0.5 + 0.125 + 0.25) / 3
    assert _means(rows, {"headline": "everyone"}) == {
        "dice": pytest.approx(everyone),
        "n_missed": 3,
        "dice_global": 0.75,
    }


def test_before_there_are_own_models_only_the_global_one_has_a_mean():
    assert _means([row("a", "global", 0.5)], {"headline": "own"}) == {"dice_global": 0.5}
