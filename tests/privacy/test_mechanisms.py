"""The laws of noise, by their distributions."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.seeding import torch_generator


def seeded(*purpose):
    return Seeded(torch_generator(*purpose))


LAWS = [(LaplaceMechanism(), stats.laplace, math.sqrt(2)), (GaussianMechanism(), stats.norm, 1.0)]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 37.5])
@pytest.mark.parametrize(("mechanism", "law", "deviation"), LAWS)
def test_law_and_scale(mechanism, law, deviation, scale):
    noise = mechanism.sample(200_000, scale, seeded(0, "law"))
    assert noise.dtype == torch.float32
    assert noise.shape == (200_000,)
    values = noise.double().numpy()
    assert stats.kstest(values, law(scale=scale).cdf).pvalue > 0.01
    assert stats.kstest(values, law(scale=1.02 * scale).cdf).pvalue < 1e-4
    assert abs(values.mean()) < 4 * deviation * scale / math.sqrt(len(values))
    assert values.std() == pytest.approx(deviation * scale, rel=0.01)


@pytest.mark.parametrize(("mechanism", "law", "deviation"), LAWS)
def test_neighbouring_draws_are_independent(mechanism, law, deviation):
    values = mechanism.sample(100_000, 1.0, seeded(0, "pairs")).numpy()
    for lag in (1, 2, 50_000):
        assert abs(np.corrcoef(values[:-lag], values[lag:])[0, 1]) < 4 / math.sqrt(len(values) - lag)


@pytest.mark.parametrize(("mechanism", "law", "deviation"), LAWS)
def test_every_coordinate_of_every_tensor_is_noised_in_place(mechanism, law, deviation):
    tensors = [torch.full((3, 2), 5.0), torch.zeros(()), torch.ones(400, dtype=torch.float64)]
    before = [tensor.clone() for tensor in tensors]
    mechanism.add_noise_(tensors, 0.5, seeded(1, "add"))
    added = torch.cat([(new - old).flatten().double() for new, old in zip(tensors, before, strict=True)])
    assert len(added.unique()) == 407
    expected = mechanism.sample(407, 0.5, seeded(1, "add")).double()
    torch.testing.assert_close(added, expected, atol=1e-6, rtol=0)
    assert [tensor.dtype for tensor in tensors] == [torch.float32, torch.float32, torch.float64]


@pytest.mark.parametrize(("mechanism", "law", "deviation"), LAWS)
def test_noise_follows_its_generator_alone(mechanism, law, deviation):
    torch.manual_seed(0)
    first = mechanism.sample(10, 1.0, seeded(1, "x"))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    assert torch.equal(first, mechanism.sample(10, 1.0, seeded(1, "x")))
    assert torch.equal(state, torch.get_rng_state())
    generator = seeded(1, "x")
    mechanism.sample(10, 1.0, generator)
    assert not torch.equal(first, mechanism.sample(10, 1.0, generator))
    assert not torch.equal(first, mechanism.sample(10, 1.0, seeded(2, "x")))


@pytest.mark.parametrize(("mechanism", "law", "deviation"), LAWS)
def test_scale_zero_adds_nothing(mechanism, law, deviation):
    assert not mechanism.sample(10, 0.0, seeded(1, "x")).any()
