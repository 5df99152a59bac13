"""Gradients of units against one example at a time by autograd, against Opacus, and within the threshold exactly."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from adpfl_bench.privacy import example_functions
from adpfl_bench.privacy.unit_gradients import UnitGradients
from adpfl_bench.tasks.losses import dice_cross_entropy
from adpfl_bench.tasks.networks import build_network

DYNUNET = {"kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [8, 16, 16]}
INSTANCE = ("INSTANCE", {"affine": True})
NETWORKS = {
    "BasicUNet": ("BasicUNet", {"features": (4, 4, 8, 8, 8, 4)}),
    "DynUNet": ("DynUNet", DYNUNET | {"norm_name": INSTANCE}),
    "SegResNet": ("SegResNet", {"init_filters": 8, "blocks_down": (1, 1), "blocks_up": (1,)}),
    "UNet": ("UNet", {"channels": (4, 16), "strides": (2,)}),
    "UNet, group norm": ("UNet", {"channels": (4, 16), "strides": (2,), "norm": ("GROUP", {"num_groups": 2})}),
    "UNet, residual, bias": ("UNet", {"channels": (4, 8), "strides": (2,), "num_res_units": 1, "bias": True}),
}


class Task(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def example_losses(self, image, label):
        return dice_cross_entropy(self.network(image), label)


def task(name="UNet", dims=2, **arguments):
    torch.manual_seed(0)
    network, own = NETWORKS[name]
    return Task(build_network(network, dims, 2, 3, own | arguments))


def batch(count, dims=2, size=16, dtype=torch.float32):
    generator = torch.Generator().manual_seed(1)
    shape = (size, *[min(size, 16)] * (dims - 1))
    image = torch.randn(count, 2, *shape, generator=generator, dtype=dtype)
    return image, (torch.rand(count, 3, *shape, generator=generator) > 0.5).to(dtype)


def in_chunks(module, size, losses=None):
    """Unit gradients whose budget is that of ``size`` examples; 0 means all."""
    gradients = UnitGradients(module, losses or module.example_losses, 1e12)
    if size:
        gradients._budget = size * gradients._bytes_per_example(*(tensor[:1] for tensor in batch(1, dims_of(module))))
    return gradients


def dims_of(module):
    return next(p.ndim - 2 for p in module.parameters() if p.ndim > 2)


def one_by_one(module, image, label, losses=None):
    """Gradient of each example, [B, P], by autograd."""
    losses = losses or module.example_losses
    parameters = [p for p in module.parameters() if p.requires_grad]
    rows = []
    for example in range(len(image)):
        loss = losses(image[example : example + 1], label[example : example + 1]).sum()
        rows.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, materialize_grads=True)]))
    return torch.stack(rows)


def assert_near(actual, expected, tolerance=1e-5):
    assert actual.shape == expected.shape
    assert ((actual - expected).abs().amax(1) <= tolerance * expected.norm(dim=1)).all()


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_as_one_example_at_a_time(name, dims):
    module = task(name, dims)
    image, label = batch(3, dims, 32 if name == "BasicUNet" else 8)
    gradients = UnitGradients(module, module.example_losses, 1e12)
    assert_near(gradients.gradients(image, label, torch.arange(3)), one_by_one(module, image, label))


def test_fixed_batch_norm_keeps_examples_apart_and_running_statistics_are_refused():
    # AttentionUnet has no argument for another norm.
    torch.manual_seed(0)
    module = Task(build_network("AttentionUnet", 2, 2, 3, {"channels": (4, 8), "strides": (2,)}))
    image, label = batch(3)
    gradients = UnitGradients(module, module.example_losses, 1e12)
    with pytest.raises(RuntimeError, match="running_mean"):
        gradients.gradients(image, label, torch.arange(3))
    module.eval()
    assert_near(gradients.gradients(image, label, torch.arange(3)), one_by_one(module, image, label))


@pytest.mark.parametrize("size", [1, 2, 3, 0])
@pytest.mark.parametrize("units", [[0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 1], [0, 1, 1, 1, 2, 2], [0, 0, 1, 2, 2, 2]])
def test_units_that_straddle_chunks(units, size):
    module = task()
    image, label = batch(6)
    units = torch.tensor(units)
    examples = one_by_one(module, image, label)
    expected = torch.zeros(units[-1] + 1, examples.shape[1]).index_add_(0, units, examples)
    gradients = in_chunks(module, size)
    assert gradients.chunk_size(image, label) == size or (not size and gradients.chunk_size(image, label) > 6)
    assert_near(gradients.gradients(image, label, units), expected)
    torch.testing.assert_close(gradients.norms(image, label, units, "l2"), expected.norm(dim=1))

    threshold = float(expected.norm(dim=1).median())
    clipped = gradients.clipped_sum(image, label, units, threshold, "l2")
    factors = (threshold / expected.norm(dim=1)).clamp(max=1)
    total = torch.cat([tensor.flatten() for tensor in clipped.gradients])
    assert_near(total[None], (factors @ expected)[None], 2e-5)
    torch.testing.assert_close(clipped.losses, module.example_losses(image, label).detach())


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("l1", 1)])
def test_norms_and_clipping(norm, order):
    module = task()
    image, label = batch(4)
    expected = one_by_one(module, image, label)
    norms = torch.linalg.vector_norm(expected, ord=order, dim=1)
    threshold = float(norms.median())
    clipped = in_chunks(module, 3).clipped_sum(image, label, torch.arange(4), threshold, norm)
    torch.testing.assert_close(clipped.norms, norms, rtol=1e-4, atol=0)
    total = torch.cat([tensor.flatten() for tensor in clipped.gradients])
    assert_near(total[None], ((threshold / norms).clamp(max=1) @ expected)[None], 1e-4)


def test_without_examples():
    module = task()
    image, label = batch(0)
    units = torch.arange(0)
    gradients = UnitGradients(module, module.example_losses, 1e9)
    clipped = gradients.clipped_sum(image, label, units, 1.0, "l2")
    assert [tensor.shape for tensor in clipped.gradients] == [p.shape for p in module.parameters()]
    assert not any(tensor.any() for tensor in clipped.gradients)
    assert clipped.norms.shape == clipped.losses.shape == gradients.norms(image, label, units, "l1").shape == (0,)
    assert gradients.gradients(image, label, units).shape == (0, sum(p.numel() for p in module.parameters()))


def test_frozen_parameters_have_no_gradient():
    module = task()
    for name, parameter in module.named_parameters():
        parameter.requires_grad_("conv" not in name or "submodule" in name)
    image, label = batch(3)
    clipped = in_chunks(module, 2).clipped_sum(image, label, torch.arange(3), float("inf"), "l2")
    assert [g.shape for g in clipped.gradients] == [p.shape for p in module.parameters() if p.requires_grad]
    assert len(clipped.gradients) < len(list(module.parameters()))
    total = torch.cat([tensor.flatten() for tensor in clipped.gradients])
    assert_near(total[None], one_by_one(module, image, label).sum(0, keepdim=True))


def test_an_unused_parameter_counts_as_zero():
    module = task()
    module.spare = nn.Parameter(torch.ones(5))
    image, label = batch(2)
    assert_near(in_chunks(module, 0).gradients(image, label, torch.arange(2)), one_by_one(module, image, label))


@pytest.mark.parametrize("dims", [2, 3])
def test_float64(dims):
    module = task(dims=dims).double()
    image, label = batch(3, dims, 8, torch.float64)
    actual = in_chunks(module, 0).gradients(image, label, torch.arange(3))
    assert actual.dtype == torch.float64
    assert_near(actual, one_by_one(module, image, label), 1e-12)


def test_bfloat16_is_near_and_summed_in_float32():
    module = task()
    image, label = batch(4)
    expected = one_by_one(module, image, label)
    gradients = in_chunks(module, 2)
    with torch.autocast("cpu", torch.bfloat16):
        actual = gradients.gradients(image, label, torch.arange(4))
    assert actual.dtype == torch.float32
    assert not torch.equal(actual, expected)
    assert (functional.cosine_similarity(actual, expected) > 0.99).all()


LAYERS = {
    "dilation, uneven stride and padding": lambda: nn.Conv2d(2, 16, (3, 2), (2, 1), (2, 0), dilation=(2, 3)),
    "groups that fill registers": lambda: nn.Sequential(nn.Conv2d(2, 32, 1), nn.Conv2d(32, 32, 3, groups=2)),
    "depthwise": lambda: nn.Sequential(nn.Conv2d(2, 16, 1), nn.Conv2d(16, 16, 3, groups=16, bias=False)),
    "same padding": lambda: nn.Conv2d(2, 6, (3, 4), padding="same"),
    "circular padding": lambda: nn.Conv2d(2, 6, 3, padding=1, padding_mode="circular"),
    "transposed": lambda: nn.ConvTranspose2d(2, 5, (3, 2), (2, 3), (1, 0), (1, 2), dilation=2),
    "transposed in groups": lambda: nn.Sequential(
        nn.Conv2d(2, 32, 1), nn.ConvTranspose2d(32, 32, 3, 2, 1, 1, groups=2, bias=False)
    ),
    "one dimension": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(2, 3, 3), nn.ConvTranspose1d(3, 4, 2)),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 16, 3)),
    "slopes of channels": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.PReLU(4)),
    "negative slope": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.PReLU(init=-0.5)),
    "norms without parameters": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.InstanceNorm2d(4), nn.GroupNorm(2, 4, affine=False), nn.PReLU()
    ),
    "batch norm of its own example": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU(inplace=True)
    ),
    "norm over a vector": lambda: nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.GroupNorm(2, 4), nn.Linear(4, 3)
    ),
}


class Squares(nn.Module):
    """Loss of any output."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def example_losses(self, image, label):
        output = self.network(image).flatten(1)
        return (output**2).mean(1) + output[:, ::3].sum(1) * label.flatten(1).mean(1)


@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:There is a performance drop")
@pytest.mark.parametrize("name", LAYERS)
def test_layers_with_every_option(name):
    torch.manual_seed(0)
    module = Squares(LAYERS[name]())
    image, label = batch(3, size=9)
    gradients = UnitGradients(module, module.example_losses, 1e12)
    assert_near(gradients.gradients(image, label, torch.arange(3)), one_by_one(module, image, label))


@pytest.mark.parametrize("dims", [2, 3])
def test_every_layer_of_the_default_network_follows_a_rule(dims, monkeypatch):
    """Without the rules, the gradients are the same but take up to twice the time."""
    followed = []

    def follow(info, in_dims, plain, rule, *tensors):
        result = mapped(info, in_dims, lambda *_: pytest.fail("this call follows no rule"), rule, *tensors)
        followed.append(rule)
        return result

    mapped = example_functions._Mapped.vmap
    monkeypatch.setattr(example_functions._Mapped, "vmap", staticmethod(follow))
    module = Task(build_network("UNet", dims, 2, 3))
    image, label = batch(2, dims)
    in_chunks(module, 0).gradients(image, label, torch.arange(2))
    layers = [layer for layer in module.modules() if next(layer.parameters(recurse=False), None) is not None]
    assert len(followed) == len(layers) + 1  # and the loss


class TwiceUsed(nn.Module):
    """A weight that is used by two convolutions and, as a number, by the loss."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 3, padding=1)

    def example_losses(self, image, label):
        output = self.convolution(functional.conv2d(image, self.convolution.weight, padding=1))
        weighted = functional.binary_cross_entropy_with_logits(
            output, label[:, :2], reduction="none", pos_weight=label.new_full((2, 1, 1), 2.0)
        )
        return (weighted + output**2).flatten(1).mean(1) + self.convolution.weight.square().sum()


def test_a_weight_used_in_several_ways():
    torch.manual_seed(0)
    module = TwiceUsed()
    image, label = batch(3)
    gradients = UnitGradients(module, module.example_losses, 1e12)
    assert_near(gradients.gradients(image, label, torch.arange(3)), one_by_one(module, image, label))


# Opacus fails on SegResNet, which adds to a layer's output in place, and on DynUNet, whose layers have two names each.
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - {"DynUNet", "SegResNet"}))
def test_as_opacus(name, dims):
    opacus = pytest.importorskip("opacus.grad_sample")
    module = task(name, dims)
    image, label = batch(3, dims, 32 if name == "BasicUNet" else 8)
    ours = in_chunks(module, 0).gradients(image, label, torch.arange(3))
    for layer in module.modules():
        if hasattr(layer, "inplace"):
            layer.inplace = False  # which Opacus' hooks do not bear
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = opacus.GradSampleModule(module.network, loss_reduction="sum")
        dice_cross_entropy(wrapped(image), label).sum().backward()
    theirs = torch.cat([parameter.grad_sample.flatten(1) for parameter in module.parameters()], dim=1)
    assert_near(ours, theirs.detach())


@settings(max_examples=25, deadline=None)
@given(
    units=st.lists(st.integers(0, 1), min_size=1, max_size=5),
    exponent=st.floats(-6, 6),
    scale=st.sampled_from([1e-4, 1.0, 1e4]),
    norm=st.sampled_from(["l1", "l2"]),
    size=st.sampled_from([1, 2, 0]),
)
def test_no_unit_contributes_more_than_the_threshold(units, exponent, scale, norm, size):
    module = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.InstanceNorm2d(3, affine=True), nn.PReLU())
    torch.manual_seed(0)
    nn.init.normal_(module[0].weight)

    def losses(image, label):
        return scale * dice_cross_entropy(module(image), label)

    threshold, order = 10.0**exponent, 1 if norm == "l1" else 2
    image, label = batch(len(units), size=5)
    numbers = torch.cumsum(torch.tensor([0, *units[1:]]), 0)  # unit of each example
    gradients = in_chunks(module, size, losses)

    def contribution(kept):
        _, own = torch.unique_consecutive(numbers[kept], return_inverse=True)
        total = gradients.clipped_sum(image[kept], label[kept], own, threshold, norm).gradients
        return torch.cat([tensor.flatten() for tensor in total]).double()

    everyone = contribution(numbers >= 0)
    sizes = []
    for unit in range(int(numbers[-1]) + 1):
        alone = contribution(numbers == unit)
        sizes.append(float(torch.linalg.vector_norm(alone, ord=order)))
        assert sizes[-1] <= threshold
        # The sum itself is rounded, so a unit's part of it is known only up to that.
        change = torch.linalg.vector_norm(everyone - contribution(numbers != unit) - alone, ord=order)
        assert change <= 1e-5 * max(threshold, float(torch.linalg.vector_norm(everyone, ord=order)), sizes[-1])
    raw = gradients.gradients(image, label, numbers)
    raw_norms = torch.linalg.vector_norm(raw.double(), ord=order, dim=1)
    for measured, raw_norm in zip(sizes, raw_norms.tolist(), strict=True):
        assert measured == pytest.approx(min(threshold, raw_norm), rel=1e-4)
