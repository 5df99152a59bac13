"""Losses of single records, against MONAI, torch and one another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.losses import DiceLoss
from torch.func import functional_call, grad, vmap
from torch.nn.functional import binary_cross_entropy_with_logits

from adpfl_bench.tasks.losses import dice_cross_entropy, dice_loss

SHAPES = [(3, 1, 8, 8), (2, 3, 6, 5), (2, 2, 4, 5, 3)]


def batch(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    target = (torch.rand(shape, generator=generator) < 0.3).double()
    target[0, 0] = 0  # a region that is empty
    return logits, target


@pytest.mark.parametrize("shape", SHAPES)
def test_dice_equals_monais_for_each_record(shape):
    logits, target = batch(shape)
    monai = DiceLoss(sigmoid=True, smooth_nr=1.0, smooth_dr=1.0, reduction="mean")
    expected = torch.stack([monai(logits[i : i + 1], target[i : i + 1]) for i in range(shape[0])])
    torch.testing.assert_close(dice_loss(logits, target), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy_equals_torchs_for_each_record(shape):
    logits, target = batch(shape)
    expected = torch.stack([binary_cross_entropy_with_logits(logits[i], target[i]) for i in range(shape[0])])
    torch.testing.assert_close(dice_cross_entropy(logits, target) - dice_loss(logits, target), expected)


@given(seed=st.integers(0, 1000), other=st.integers(1001, 2000), position=st.integers(0, 2))
@settings(max_examples=30)
def test_a_record_does_not_feel_the_others(seed, other, position):
    """A loss that pooled over the batch would have no gradient of a record."""
    logits, target = batch((3, 2, 4, 4), seed)
    mixed_logits, mixed_target = batch((3, 2, 4, 4), other)
    mixed_logits[position], mixed_target[position] = logits[position], target[position]
    for loss in (dice_loss, dice_cross_entropy):
        assert loss(logits, target)[position] == loss(mixed_logits, mixed_target)[position]


@given(seed=st.integers(0, 1000))
@settings(max_examples=30)
def test_range(seed):
    logits, target = batch((3, 2, 4, 4), seed)
    assert ((dice_loss(logits, target) >= 0) & (dice_loss(logits, target) < 1)).all()
    assert (dice_cross_entropy(logits, target) > dice_loss(logits, target)).all()


def test_a_perfect_prediction_costs_nothing_and_neither_does_a_region_found_empty():
    target = torch.zeros(1, 2, 4, 4)
    target[:, 0, :2] = 1
    logits = (target * 2 - 1) * 100
    assert float(dice_cross_entropy(logits, target)) == pytest.approx(0, abs=1e-6)
    assert float(dice_loss(-logits, target)) > 0.9


@pytest.mark.parametrize("loss", [dice_loss, dice_cross_entropy])
def test_gradients_by_example_under_vmap(loss):
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.InstanceNorm2d(4, affine=True), torch.nn.Conv2d(4, 2, 1)
    ).double()
    parameters = dict(network.named_parameters())
    images, target = torch.rand(5, 1, 6, 6, dtype=torch.float64), batch((5, 2, 6, 6))[1]

    def example_loss(weights, image, label):
        return loss(functional_call(network, weights, image[None]), label[None])[0]

    gradients = vmap(grad(example_loss), in_dims=(None, 0, 0))(parameters, images, target)
    for index in range(5):
        network.zero_grad()
        loss(network(images[index : index + 1]), target[index : index + 1]).sum().backward()
        for name, parameter in parameters.items():
            torch.testing.assert_close(gradients[name][index], parameter.grad)
