"""Layers of the suite's own against PyTorch's."""

import pytest
import torch
from torch import nn

from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.tasks import layers
from adpfl_bench.tasks.layers import GroupedInstanceNorm2d, GroupedInstanceNorm3d, OneSlopePReLU
from adpfl_bench.tasks.networks import build_network

PAIRS = {
    "slope": (OneSlopePReLU, nn.PReLU, (4, 6, 9, 7)),
    "slope of volumes": (OneSlopePReLU, nn.PReLU, (2, 3, 5, 4, 6)),
    "norm": (lambda: GroupedInstanceNorm2d(6, affine=True), lambda: nn.InstanceNorm2d(6, affine=True), (4, 6, 9, 7)),
    "norm without scale": (lambda: GroupedInstanceNorm2d(6), lambda: nn.InstanceNorm2d(6), (4, 6, 9, 7)),
    "norm of volumes": (
        lambda: GroupedInstanceNorm3d(3, affine=True),
        lambda: nn.InstanceNorm3d(3, affine=True),
        (2, 3, 5, 4, 6),
    ),
}


@pytest.fixture
def own_of_any_size(monkeypatch):
    """The suite's PReLU also of images of few values, which are left to PyTorch's."""
    monkeypatch.setattr(layers, "_FEW", 0)


@pytest.mark.usefixtures("own_of_any_size")
@pytest.mark.parametrize(("make", "reference", "shape"), PAIRS.values(), ids=PAIRS)
@pytest.mark.parametrize("slope", [0.25, -0.5, 0.0])
def test_values_and_gradients_are_those_of_pytorch(make, reference, shape, slope):
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    outcomes = []
    for layer in (make(), reference()):
        for parameter in layer.parameters():
            parameter.data = torch.full_like(parameter, slope)
        own = image.clone().requires_grad_()
        output = layer(own)
        (output * torch.arange(float(output.numel())).view(shape).cos()).sum().backward()
        outcomes.append([output, own.grad, *(parameter.grad for parameter in layer.parameters())])
        assert layer.state_dict().keys() == reference().state_dict().keys()
    torch.testing.assert_close(*outcomes, rtol=1e-5, atol=2e-5)


def test_few_values_are_left_to_pytorch():
    layer = OneSlopePReLU()
    kinds = [type(layer(torch.ones(values, requires_grad=True)).grad_fn) for values in (2**15 - 1, 2**15)]
    assert kinds[0] is type(nn.PReLU()(torch.ones(3, requires_grad=True)).grad_fn) is not kinds[1]


@pytest.mark.usefixtures("own_of_any_size")
def test_a_slope_that_is_frozen_has_no_gradient():
    layer = OneSlopePReLU().requires_grad_(False)
    image = torch.tensor([-2.0, 3.0], requires_grad=True)
    layer(image).sum().backward()
    assert layer.weight.grad is None
    assert image.grad.tolist() == [0.25, 1.0]


def test_a_single_element_is_refused_as_by_pytorch():
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        GroupedInstanceNorm2d(3)(torch.randn(2, 3, 1, 1))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_default_network_has_them_and_the_weights_it_had(dimensions):
    arguments = {"channels": (4, 8), "strides": (2,), "num_res_units": 1}
    plain = {"norm": ("INSTANCE", {"affine": True}), "act": "PRELU"}
    torch.manual_seed(0)
    quick = build_network("UNet", dimensions, 2, 1, arguments)
    torch.manual_seed(0)
    slow = build_network("UNet", dimensions, 2, 1, arguments | plain)
    kinds = {type(module) for module in quick.modules()}
    assert {OneSlopePReLU, (GroupedInstanceNorm2d, GroupedInstanceNorm3d)[dimensions - 2]} <= kinds
    assert not kinds & {nn.PReLU, nn.InstanceNorm2d, nn.InstanceNorm3d}
    assert list(quick.state_dict()) == list(slow.state_dict())
    image = torch.randn(2, 2, *[8] * dimensions)
    torch.testing.assert_close(quick(image), slow(image))


@pytest.mark.usefixtures("own_of_any_size")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_gradients_of_units_are_those_of_the_units_alone(precision):
    network = nn.Sequential(
        nn.Conv2d(2, 4, 3), GroupedInstanceNorm2d(4, affine=True), OneSlopePReLU(), nn.Conv2d(4, 1, 1)
    )

    def losses(image, label):
        return (network(image) - label).square().flatten(1).mean(1)

    image, label = torch.randn(5, 2, 8, 8), torch.randn(5, 1, 6, 6)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        units = UnitGradients(network, losses, 1e9)
        together = units.clipped_sum(image, label, torch.arange(5), float("inf"), "l2")
    expected = torch.autograd.grad(losses(image, label).sum(), list(network.parameters()))
    torch.testing.assert_close(together.gradients, list(expected), rtol=1e-4, atol=1e-5)
