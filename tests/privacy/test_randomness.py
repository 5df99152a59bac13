"""Noise from the operating system: its law, its lattice, and that nobody can repeat it."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.randomness import NoiseStreams, OperatingSystem, Seeded
from adpfl_bench.seeding import torch_generator

SYSTEM = OperatingSystem()
LAWS = [(LaplaceMechanism(), stats.laplace), (GaussianMechanism(), stats.norm)]


def test_standard_laws_also_in_the_tails():
    size = 2_000_000
    exponential, normal = SYSTEM.exponential(size).numpy(), SYSTEM.normal(size).numpy()
    for values, law in ((exponential, stats.expon), (normal, stats.norm)):
        assert stats.kstest(values, law.cdf).pvalue > 1e-4
        for tail in (1e-3, 1e-4, 1e-5):
            expected = tail * size
            assert abs((values > law.isf(tail)).sum() - expected) < 6 * math.sqrt(expected)
    assert (exponential > 0).all()


def test_small_uniform_numbers_have_no_gaps(monkeypatch):
    """The exponent is drawn by itself: with 40 leading zeros a number still has 53 random bits."""
    bits = np.zeros((2, 1000), dtype=np.uint64)
    bits[0] = np.random.default_rng(0).integers(0, 2**63, 1000).astype(np.uint64) * np.uint64(2)
    bits[1] = np.uint64(1) << np.uint64(23)
    monkeypatch.setattr("os.urandom", lambda size: bits.tobytes())
    values = SYSTEM.exponential(1000).numpy()
    assert (values > 40 * math.log(2)).all()
    assert (values < 41 * math.log(2)).all()
    assert len(np.unique(values)) == 1000


@pytest.mark.parametrize(("mechanism", "law"), LAWS)
@pytest.mark.parametrize("scale", [1e-3, 0.7, 300.0])
def test_everything_released_lies_on_one_lattice(mechanism, law, scale):
    lattice = SYSTEM.lattice(scale)
    assert scale * 2.0**-31 < lattice <= scale * 2.0**-30
    assert math.log2(lattice).is_integer()
    values = [torch.rand(500, dtype=torch.float64) * 5, torch.full((200_000,), 1 / 3, dtype=torch.float64)]
    before = [value.clone() for value in values]
    mechanism.add_noise_(values, scale, SYSTEM)
    for value in values:
        steps = value / lattice
        assert torch.equal(steps, steps.round())
    added = (values[1] - before[1]).numpy()
    assert stats.kstest(added, law(scale=scale).cdf).pvalue > 1e-4
    assert stats.kstest(added, law(scale=1.05 * scale).cdf).pvalue < 1e-3


def test_rounding_is_paid_for():
    """Two neighbours whose sums are C apart are at most the widened C apart after rounding, in either norm."""
    generator = np.random.default_rng(0)
    for mechanism, order in ((GaussianMechanism(), 2), (LaplaceMechanism("l1"), 1)):
        z, threshold, size = 1.5, 0.8, 1000
        scale = z * mechanism.widened(threshold, size, z * threshold, SYSTEM)
        assert threshold < scale / z < threshold * (1 + 1e-5)
        lattice = SYSTEM.lattice(scale)
        for _ in range(20):
            left = generator.normal(size=size)
            shift = generator.normal(size=size)
            right = left + shift / np.linalg.norm(shift, order) * threshold
            rounded = np.round(right / lattice) * lattice - np.round(left / lattice) * lattice
            assert np.linalg.norm(rounded, order) <= scale / z


def test_a_seed_does_not_repeat_it():
    torch.manual_seed(0)
    first = SYSTEM.normal(5)
    torch.manual_seed(0)
    assert not torch.equal(first, SYSTEM.normal(5))
    assert Seeded(torch_generator(0, "x")).lattice(1.0) == 0.0


def test_no_noise_no_lattice():
    value = [torch.tensor([1 / 3])]
    GaussianMechanism().add_noise_(value, 0.0, SYSTEM)
    assert value[0] == torch.tensor(1 / 3)


def test_a_turn_goes_on_with_its_stream_and_a_turn_that_is_repeated_has_the_same_noise():
    def draws(*turns):
        streams = NoiseStreams(secure=False)
        return [streams.source(0, *turn, torch.device("cpu")).normal(3).tolist() for turn in turns]

    first, second = draws((0, "a"), (0, "a"))
    assert first != second
    assert draws((0, "a"), (0, "b"), (0, "a")) == [first, draws((0, "b"))[0], first]
    assert draws((1, "a"))[0] not in (first, second)
    assert isinstance(NoiseStreams(secure=True).source(0, 0, "a", torch.device("cpu")), OperatingSystem)


@pytest.mark.parametrize(("norm", "reach"), [("l2", 10.0), ("l1", 100.0)])
def test_sensitivity_is_widened_by_what_rounding_adds(norm, reach):
    mechanism = LaplaceMechanism(norm)
    spacing = SYSTEM.lattice(0.5)
    assert mechanism.widened(2.0, 100, 0.5, SYSTEM) == 2.0 + 2 * spacing * reach
    assert mechanism.widened(2.0, 100, 0.5, Seeded(torch_generator(0, "any"))) == 2.0
