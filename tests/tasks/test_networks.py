"""Networks by name."""

import pytest
import torch

from adpfl_bench.errors import ConfigError
from adpfl_bench.tasks.networks import build_network


@pytest.mark.parametrize(("dimensions", "image"), [(2, (2, 3, 32, 32)), (3, (1, 4, 16, 16, 16))])
def test_unet_by_default_has_no_buffers_and_no_bias_before_a_norm(dimensions, image):
    network = build_network("UNet", dimensions, image[1], 2)
    assert not list(network.buffers())
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.modules.conv._ConvNd)]
    assert len(convolutions) >= 7
    assert all(convolution.bias is None for convolution in convolutions)
    norms = [m for m in network.modules() if "Norm" in type(m).__name__]
    assert {type(norm).__name__ for norm in norms} == {f"GroupedInstanceNorm{dimensions}d"}
    assert all(norm.weight is not None for norm in norms)
    assert network(torch.zeros(image)).shape == (image[0], 2, *image[2:])


def test_arguments_override_defaults():
    network = build_network("UNet", 2, 3, 1, {"channels": [4, 8], "strides": [2], "norm": "BATCH", "bias": True})
    assert list(network.buffers())
    assert sum(p.numel() for p in network.parameters()) < 5000
    assert network(torch.zeros(1, 3, 16, 16)).shape == (1, 1, 16, 16)


def test_other_networks():
    network = build_network("BasicUNet", 2, 3, 2, {"features": [4, 4, 8, 8, 8, 4]})
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)


@pytest.mark.parametrize("name", ["Unet3000", "unet", "nets", "Discriminator"])
def test_unknown_network(name):
    with pytest.raises(ConfigError, match=rf"model\.network is {name}, .* possible are .*BasicUNet, .*UNet"):
        build_network(name, 2, 3, 1)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"depth": 3}, "do not fit UNet: .*unexpected keyword argument 'depth'.* It accepts channels, strides, "),
        ({"channels": [4, 8], "strides": []}, "do not fit UNet: .*It accepts channels"),
        ({"channels": [4, 8], "strides": [2], "norm": "NO_SUCH"}, "do not fit UNet"),
    ],
)
def test_arguments_that_do_not_fit(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        build_network("UNet", 2, 3, 1, arguments)


def test_a_classifier_is_no_segmentation_network():
    with pytest.raises(ConfigError, match=r"model\.network is DenseNet, which is not a segmentation network"):
        build_network("DenseNet", 2, 3, 1)
