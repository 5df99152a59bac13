"""Whole-number noise of a trusted sum: what is sent, what their sum reveals by brute force, and what does not fit."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.proofs import find_proof
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.summed_discrete_noise import RESERVE, SummedDiscreteGaussianMechanism
from adpfl_bench.seeding import torch_generator


def source(*purpose):
    return Seeded(torch_generator(0, "summed discrete", *purpose))


def messages(mechanism, sums, threshold, multiplier):
    """What each client would send, in steps of the lattice."""
    found = []
    for index, own in enumerate(sums):
        total = [own.clone()]
        mechanism.add_to_sum_(total, threshold, multiplier, source(index))
        found.append(total[0].double().numpy() / mechanism.lattice_of(threshold))
    return found


def test_what_clients_send_are_whole_numbers_whose_sum_comes_back_from_any_residues():
    mechanism = SummedDiscreteGaussianMechanism(3)
    generator = np.random.default_rng(0)
    sums = [torch.from_numpy(generator.normal(size=500).astype(np.float32)) for _ in range(4)]
    sent = messages(mechanism, sums, 0.7, 2.0)
    assert all((own == np.round(own)).all() for own in sent)
    modulus = 2**32
    residues = sum(own.astype(np.int64) % modulus for own in sent) % modulus
    added = np.where(residues >= modulus // 2, residues - modulus, residues)
    assert (added == sum(sent)).all()
    step = mechanism.lattice_of(0.7)
    assert math.log2(step).is_integer()
    assert 0.7 * 2**-17 < step <= 0.7 * 2**-16
    # Without noise, and without rounding, the sums are those.
    noise = added * step - sum(own.double().numpy() for own in sums)
    assert noise.std() == pytest.approx(2.0 * 0.7 * math.sqrt(4 / 3), rel=0.1)


@pytest.mark.parametrize("honest", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 400])
def test_the_noise_of_honest_clients_pays_for_rounding_and_reserve(honest, size):
    mechanism = SummedDiscreteGaussianMechanism(honest, lattice_bits=4)
    for threshold, multiplier in ((1.0, 3.0), (0.3, 20.0), (7.0, 0.9)):
        reach = threshold / mechanism.lattice_of(threshold) + math.sqrt(size)
        together = honest * mechanism.deviation(threshold, multiplier, size) ** 2
        assert together - RESERVE**2 >= (multiplier * reach) ** 2
        assert mechanism.enlarged(threshold, size) == pytest.approx(reach * mechanism.lattice_of(threshold) / threshold)
        total = [torch.zeros(size)]
        scale = mechanism.add_to_sum_(total, threshold, multiplier, source())
        assert scale == mechanism.deviation(threshold, multiplier, size) * mechanism.lattice_of(threshold)


def test_rounding_moves_neighbours_apart_by_no_more_than_is_paid_for():
    """Brute force over neighbours, all in the worst direction: each coordinate just passes a half."""
    mechanism, size = SummedDiscreteGaussianMechanism(1, lattice_bits=4), 400
    step = mechanism.lattice_of(1.0)
    generator = np.random.default_rng(1)
    worst = 0.0
    for _ in range(200):
        one = (generator.integers(-20, 20, size) + generator.choice([0.4999, 0.25, -0.4999], size)) * step
        way = generator.choice([-1.0, 1.0], size)
        other = one + way / math.sqrt(size)
        worst = max(worst, float(np.linalg.norm(np.round(other / step) - np.round(one / step))))
    reach = 1.0 / step + math.sqrt(size)
    assert 1.0 / step < worst <= reach


def law(deviation, clients):
    """Chances of the sum of so many discrete Gaussians, by convolution, and the whole numbers that have them."""
    reach = 14 * deviation
    numbers = np.arange(-reach, reach + 1, dtype=float)
    one = np.exp(-(numbers**2) / (2 * deviation**2))
    one /= one.sum()
    whole = one
    for _ in range(clients - 1):
        whole = np.convolve(whole, one)
    return whole


def hockey_stick(left, right, epsilon):
    return float(np.maximum(left - math.exp(epsilon) * right, 0).sum())


def divergence(chances, shift, epsilon):
    """The larger delta of a law and itself moved by a whole number."""
    left, right = np.pad(chances, (0, shift)), np.pad(chances, (shift, 0))
    return max(hockey_stick(left, right, epsilon), hockey_stick(right, left, epsilon))


@pytest.mark.parametrize("clients", [1, 2, 3])
@pytest.mark.parametrize(("lattice_bits", "multiplier"), [(4, 1.0), (3, 2.5), (5, 0.8)])
def test_epsilon_by_brute_force_is_never_above_the_accounted_one(clients, lattice_bits, multiplier):
    """One coordinate: all whole-number moves up to the reach, against the law of the clients' noise itself."""
    mechanism = SummedDiscreteGaussianMechanism(clients, lattice_bits)
    reach = math.floor(1.0 / mechanism.lattice_of(1.0) + 1)
    chances = law(mechanism.deviation(1.0, multiplier, 1), clients)
    for delta in (1e-2, 1e-5):
        accounted = client_epsilon({Release("GaussianMechanism", multiplier): 1}, delta)
        worst = max(divergence(chances, shift, accounted) for shift in range(1, reach + 1))
        assert worst <= delta
        # Half the noise would not do.
        half = law(max(1, mechanism.deviation(1.0, multiplier, 1) // 2), clients)
        assert divergence(half, reach, accounted) > delta


def test_two_coordinates_and_two_releases_by_brute_force():
    """A move in both coordinates, twice: the law of four independent whole numbers."""
    mechanism, multiplier, delta = SummedDiscreteGaussianMechanism(2, 7), 1.5, 1e-3
    steps = 1.0 / mechanism.lattice_of(1.0)
    reach = steps + math.sqrt(2)
    shift = math.floor(reach / math.sqrt(2))
    chances = law(mechanism.deviation(1.0, multiplier, 2), 2)
    left, right = np.pad(chances, (0, shift)), np.pad(chances, (shift, 0))
    accounted = client_epsilon({Release("GaussianMechanism", multiplier): 2}, delta)
    # Losses of four equal coordinates add up: convolved on a fine grid, rounded up.
    kept = (left > 0) & (right > 0)
    losses, weights = np.log(left[kept] / right[kept]), left[kept]
    grid = 1e-4
    index = np.ceil(losses / grid).astype(int)
    one = np.zeros(np.ptp(index) + 1)
    np.add.at(one, index - index.min(), weights)
    two = fftconvolve(one, one)
    four = np.maximum(fftconvolve(two, two), 0)
    total = (np.arange(len(four)) + 4 * index.min()) * grid
    found = float((four * np.maximum(1 - np.exp(accounted - total), 0)).sum())
    assert found <= delta
    assert found > 0.6 * delta


def test_a_threshold_of_nothing_releases_nothing():
    mechanism = SummedDiscreteGaussianMechanism(2)
    total = [torch.zeros(3)]
    assert mechanism.add_to_sum_(total, 0.0, 2.0, source()) == 0.0
    assert not total[0].any()


@pytest.mark.parametrize(
    ("settings", "room", "says"),
    [
        ({}, (4.0, 10**4, 3, 10**5), r"over 100,000 units of 3 clients may take 35 bits, .* set it to 35"),
        ({"modulus_bits": 20}, (4.0, 10, 1, 1), "modulus_bits is 20, where it would wrap around: set it to 24"),
        ({"lattice_bits": 20}, (50.0, 10, 1, 1), r"too fine for a noise multiplier of 50: set it to 17"),
        ({}, (1e9, 10, 1, 1), "set a smaller one"),
    ],
)
def test_what_does_not_fit_is_refused(settings, room, says):
    mechanism = SummedDiscreteGaussianMechanism(1, **settings)
    with pytest.raises(ConfigError, match=says):
        mechanism.check_room(*room)


def test_what_is_said_to_fit_does():
    SummedDiscreteGaussianMechanism(1, modulus_bits=35).check_room(4.0, 10**4, 3, 10**5)
    SummedDiscreteGaussianMechanism(1, modulus_bits=24).check_room(4.0, 10, 1, 1)
    SummedDiscreteGaussianMechanism(1, 17).check_room(50.0, 10, 1, 1)
    SummedDiscreteGaussianMechanism(3).check_room(3.4, 30_000, 3, 1000)


@pytest.mark.parametrize(
    "wrong", [{"lattice_bits": 0}, {"lattice_bits": 21}, {"modulus_bits": 16}, {"modulus_bits": 63}]
)
def test_bits_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match=r"SummedDiscreteGaussianMechanism\.lattice_bits must lie from 1 to 20"):
        SummedDiscreteGaussianMechanism(1, **wrong)
    with pytest.raises(ConfigError, match="honest_clients must be at least 1"):
        SummedDiscreteGaussianMechanism(0)


def test_it_is_known_by_its_own_class_and_accounted_as_gaussian():
    line = find_proof("mechanism", SummedDiscreteGaussianMechanism)
    assert "whole numbers" in line.statement
    assert SummedDiscreteGaussianMechanism(2).event(3.0) == Release("GaussianMechanism", 3.0)
    assert SummedDiscreteGaussianMechanism(2).trust == "sum"
