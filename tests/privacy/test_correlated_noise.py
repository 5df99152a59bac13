"""Correlated noise: its law, its sensitivity by brute force over neighbours, and its epsilon in another way."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.linalg import sqrtm, toeplitz

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule, Visit
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism, square_root_coefficients
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.randomness import OperatingSystem, Seeded
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.seeding import torch_generator


def matrix(steps, bands):
    """The banded matrix C, [steps, steps]."""
    column = np.zeros(steps)
    column[:bands] = square_root_coefficients(bands)[:steps]
    return np.tril(toeplitz(column))


def noise(mechanism, batches, steps, multiplier=1.5, threshold=2.0, size=400, source=None):
    """The noise of so many steps, each in units of the threshold, [steps, size], and the last one's scale."""
    source = source or Seeded(torch_generator(0, "correlated"))
    sequence, made = NoiseSequence(batches, "key"), []
    for _ in range(steps):
        total = [torch.zeros(size - 10), torch.zeros(5, 2)]
        scale = mechanism.add_to_sum_(total, threshold, multiplier, source, sequence)
        sequence.steps += 1
        made.append(torch.cat([part.flatten() for part in total]).double().numpy() / threshold)
    return np.array(made), scale


def test_the_coefficients_are_those_of_the_square_root_of_all_prefix_sums():
    root = sqrtm(np.tril(np.ones((12, 12)))).real
    assert np.allclose(root[:, 0], square_root_coefficients(12), atol=1e-6)


@pytest.mark.parametrize("source", [Seeded(torch_generator(3, "fresh")), OperatingSystem()])
def test_the_banded_matrix_makes_the_noise_independent_and_of_the_columns_scale(source):
    made, scale = noise(CorrelatedGaussianMechanism(4), batches=6, steps=40, source=source)
    fresh = matrix(40, 4) @ made
    stated = 1.5 * math.hypot(*square_root_coefficients(4))
    assert scale == pytest.approx(2.0 * stated, rel=1e-6)
    assert stats.kstest(fresh.ravel() / stated, stats.norm.cdf).pvalue > 1e-4
    correlations = [abs(np.corrcoef(fresh[:-lag].ravel(), fresh[lag:].ravel())[0, 1]) for lag in range(1, 8)]
    assert max(correlations) < 5 / math.sqrt(30 * 400)
    assert abs(np.corrcoef(made[:-1].ravel(), made[1:].ravel())[0, 1]) > 0.2  # and the noise itself is not


def test_what_whole_passes_add_up_to_has_little_noise():
    made, _ = noise(CorrelatedGaussianMechanism(8), batches=8, steps=80, multiplier=1.0, size=2000)
    independent, _ = noise(CorrelatedGaussianMechanism(1), batches=8, steps=80, multiplier=1.0, size=2000)
    spread, plain = made.sum(0).std(), independent.sum(0).std()
    assert plain == pytest.approx(math.sqrt(80), rel=0.1)
    assert spread < 0.6 * plain  # of ten full batches, each of multiplier 1, it would be 0.35 times


@pytest.mark.parametrize(("batches", "bands", "steps"), [(1, 3, 4), (2, 2, 7), (3, 2, 8), (4, 4, 9), (3, 9, 10)])
def test_no_neighbour_is_further_away_than_the_passes_that_are_entered(batches, bands, steps):
    """Brute force over the place of a unit, and over what it brings at each of its steps."""
    mechanism = CorrelatedGaussianMechanism(bands)
    columns = matrix(steps, mechanism.bands_of(batches))
    norm = math.hypot(*square_root_coefficients(mechanism.bands_of(batches)))
    worst = 0.0
    for place in range(batches):
        own = list(range(place, steps, batches))
        for brought in itertools.product((-1.0, 0.0, 1.0), repeat=len(own)):
            moved = np.zeros(steps)
            moved[own] = brought
            worst = max(worst, float(np.linalg.norm(columns @ moved)) / norm)
    plan = ReleasePlan("record", "fixed", 1, mechanism)
    (events,) = plan.events(2.0, {"a": batches}, {Visit("a", "shared", 1, steps): 1}).values()
    ((release, passes),) = events.items()
    assert release == Release("GaussianMechanism", 2.0)
    assert worst <= math.sqrt(passes) + 1e-12
    if steps % batches == 0 or steps % batches >= mechanism.bands_of(batches):
        assert worst == pytest.approx(math.sqrt(passes))  # and the count is what is needed


def test_one_band_more_than_batches_would_exceed_them():
    columns, moved = matrix(8, 3), np.zeros(8)
    moved[::2] = 1.0
    assert np.linalg.norm(columns @ moved) > math.sqrt(4) * np.linalg.norm(columns[:, 0]) * 1.05


def test_epsilon_is_that_of_the_distance_of_the_means_in_the_noises_own_metric():
    mechanism, batches, steps, z = CorrelatedGaussianMechanism(5), 5, 30, 3.0
    made, _ = noise(mechanism, batches, steps, z, 1.0, size=20_000)
    covariance = made @ made.T / made.shape[1]  # of the releases as they are
    worst = 0.0
    for place in range(batches):
        moved = np.zeros(steps)
        moved[place::batches] = 1.0
        worst = max(worst, math.sqrt(moved @ np.linalg.solve(covariance, moved)))
    delta = 1e-5
    epsilon = client_epsilon({Release("GaussianMechanism", z): 6}, delta)
    curve = stats.norm.cdf(worst / 2 - epsilon / worst) - math.exp(epsilon) * stats.norm.cdf(
        -worst / 2 - epsilon / worst
    )
    assert curve == pytest.approx(delta, rel=0.15)


def test_passes_are_counted_over_rounds_and_dropped_out_turns():
    schedule = RoundSchedule(
        9, seed=3, local_steps=3, dropout={"a": 0.5}, straggling={"a": 0.5}, turns=("shared", "personal")
    )
    plan = ReleasePlan("patient", "fixed", 4, CorrelatedGaussianMechanism())
    units = {"a": 19, "b": 4}  # 5 batches, and 1
    for index, events in enumerate(plan.events_by_round(1.0, schedule, units)):
        made = {(name, turn): 0 for name in units for turn in schedule.turns}
        for before in range(index + 1):
            for visit in schedule.visits(before, list(units)):
                made[visit.client, visit.turn] += visit.steps(units[visit.client], 4)
        for client, batches in (("a", 5), ("b", 1)):
            passes = sum(math.ceil(made[client, turn] / batches) for turn in schedule.turns)
            assert sum(events[client].values()) == passes


def test_what_cannot_be_is_a_sentence():
    with pytest.raises(ConfigError, match="bands must be at least 1, but it is 0"):
        CorrelatedGaussianMechanism(0)
    with pytest.raises(BenchError, match=r"needs privacy\.sampling: fixed"):
        CorrelatedGaussianMechanism().add_to_sum_([torch.zeros(3)], 1.0, 1.0, OperatingSystem())


def test_a_threshold_that_lets_nothing_through_adds_no_noise():
    total, sequence = [torch.zeros(5)], NoiseSequence(2, "key")
    assert CorrelatedGaussianMechanism(2).add_to_sum_(total, 0.0, 1.0, OperatingSystem(), sequence) == 0
    assert not total[0].any()


@pytest.mark.parametrize("threshold", [1e-6, 3.0])
def test_secret_noise_lies_on_a_lattice_of_the_threshold(threshold):
    total, sequence = [torch.full((50,), threshold / 3)], NoiseSequence(2, "key")
    scale = CorrelatedGaussianMechanism(2).add_to_sum_(total, threshold, 1.0, OperatingSystem(), sequence)
    assert torch.isfinite(total[0]).all()
    assert scale == pytest.approx(threshold * math.sqrt(1.25), rel=1e-6)
    lattice = OperatingSystem().lattice(math.sqrt(1.25))
    assert torch.equal(torch.round(sequence.recent / lattice) * lattice, sequence.recent)
