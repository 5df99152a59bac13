"""The tests of noise, each on what it must pass and on what it must find."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from adpfl_bench.privacy.audit import error_rates
from adpfl_bench.privacy.audit.noise import ObservedNoise, law_of, normal_scores
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.seeding import torch_generator

MECHANISMS = {"laplace": LaplaceMechanism(), "norm": GaussianMechanism()}
SCALE = 0.7
PARTS = (2000, 900, 99, 1)


def noise(law, *purpose, size=3000, scale=SCALE):
    return MECHANISMS[law].sample(size, scale, Seeded(torch_generator(0, "checks", *purpose)))


@pytest.fixture(params=["laplace", "norm"])
def law(request):
    return request.param


def seen(law, steps=30, change=lambda step, values: values, size=3000, exact=None, parts=PARTS):
    """What is seen of so many releases, whose honest noise is changed."""
    observed = ObservedNoise(law, parts if size == 3000 else ())
    for step in range(steps):
        values = change(step, noise(law, step, size=size))
        observed.add(values, SCALE, exact(step) if exact is not None else None)
    return observed


def test_honest_noise_passes(law):
    for run in range(20):
        observed = ObservedNoise(law, PARTS)
        for step in range(10):
            observed.add(noise(law, 100 * run + step), SCALE, noise("norm", "exact", step) / 10)
        scale, independence = observed.scale_check(), observed.independence_check()
        assert scale.passed, scale
        assert independence.passed, independence
        assert scale.figures["values"] == 30_000
        assert independence.figures["releases_compared"] == 10


def test_scores_are_standard_normal(law):
    values = np.linspace(-30, 30, 41)
    scores = normal_scores(torch.from_numpy(values), law).numpy()
    lower = getattr(stats, law).logcdf(-np.abs(values))
    np.testing.assert_allclose(stats.norm.logcdf(-np.abs(scores)), lower, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(np.sign(scores), np.sign(values))


@pytest.mark.parametrize("factor", [0.5, 0.95, 1.05])
def test_a_wrong_scale_is_found(law, factor):
    observed = seen(law, 10, lambda _, values: factor * values)
    check = observed.scale_check()
    assert check.passed is False
    assert check.figures["scale_ratio"] == pytest.approx(factor, rel=0.02)
    assert f"{check.figures['scale_ratio']:.3g} times the stated scale" in check.reason
    assert observed.independence_check().passed  # one thing wrong is said once


def test_the_other_law_is_found(law):
    other = {"laplace": "norm", "norm": "laplace"}[law]
    spread = {"laplace": math.sqrt(math.pi / 2), "norm": 1 / math.sqrt(2)}[law]  # of the same mean size, or square
    observed = ObservedNoise(law)
    for step in range(10):
        observed.add(spread * noise(other, step), SCALE)
    check = observed.scale_check()
    assert check.passed is False
    assert check.figures["scale_ratio"] == pytest.approx(1, abs=0.02)


def test_coordinates_that_are_never_noised_are_counted(law):
    def change(step, values):
        values[[5, 77]] = 0
        values[step] = 0  # once is no proof
        return values

    check = seen(law, 4, change).scale_check()
    assert check.passed is False
    assert check.figures["coordinates_without_noise"] == 2


@pytest.mark.parametrize("factor", [0.0, 0.3, 3.0])
def test_a_single_bias_with_another_scale_is_found(law, factor):
    def change(_, values):
        values[-1] *= factor
        return values

    check = seen(law, 60, change).scale_check()
    assert check.passed is False
    assert check.figures["scale_ratio"] == pytest.approx(1, abs=0.01)
    assert check.figures["coordinates_off"] == 1
    assert "of 4" in check.reason or "coordinate" in check.reason


def test_a_small_tensor_with_another_scale_is_found_in_few_steps(law):
    def change(_, values):
        values[2900:2999] *= 0.6
        return values

    check = seen(law, 4, change).scale_check()
    assert check.passed is False
    assert check.reason.startswith("the noise of tensor 3 of 4 has 0.")
    assert seen(law, 4, change, parts=()).scale_check().passed  # which only the tensors tell


def test_one_release_with_less_noise_is_found(law):
    check = seen(law, 100, lambda step, values: values * (0.7 if step == 40 else 1.0)).scale_check()
    assert check.passed is False
    assert check.reason.startswith("the noise of release 41 has 0.")


def test_a_value_that_is_rounded_away_is_no_proof(law):
    """In a single release, where the sum is large; a value that is 0 has probability 0 otherwise."""
    for size, passed in ((10.0, True), (0.0, False)):
        observed, values = ObservedNoise(law), noise(law, size=300)
        values[7] = 0
        observed.add(values, SCALE, torch.full((300,), size))
        assert observed.scale_check().passed is passed


def test_the_noise_of_the_statistic_counts_too(law):
    observed, statistic = ObservedNoise(law), ObservedNoise(law)
    for step in range(100):
        observed.add(noise(law, step, size=300), SCALE)
        statistic.add(0.5 * noise(law, 1000 + step, size=20), SCALE)
    assert observed.scale_check().passed
    check = observed.scale_check(statistic)
    assert check.passed is False
    assert check.reason.startswith("of the threshold's statistic, the noise has 0.")
    assert check.figures["statistic_scale_ratio"] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("width", "steps"), [(1, 40), (20, 1)])
def test_noise_of_the_sum_in_its_statistic_is_found(law, width, steps):
    for honest in (True, False):
        observed, statistic = ObservedNoise(law), ObservedNoise(law)
        for step in range(steps):
            values = noise(law, step, size=300)
            observed.add(values, SCALE)
            statistic.add(noise(law, "other", step, size=width) if honest else values[40 : 40 + width], SCALE)
        check = observed.independence_check(statistic)
        assert check.passed is honest
    assert check.reason == "the noise of the sum is used again for the threshold's statistic"


@pytest.mark.parametrize("sign", [1, -1])
def test_repeated_noise_is_found_wherever_it_stands(law, sign):
    observed = ObservedNoise(law)
    for step in range(400):
        observed.add(noise(law, step, size=100) if step < 399 else sign * noise(law, 7, size=100), SCALE)
    check = observed.independence_check()
    assert check.passed is False
    assert check.figures["repeated"] == 1
    assert check.reason.startswith("noise is used again")


def test_correlated_noise_is_found(law):
    observed = ObservedNoise(law)
    shared = noise(law, "shared")
    for step in range(6):
        mixed = noise(law, step)
        observed.add(mixed if step < 4 else (mixed + shared) / 2**0.5, SCALE)
    check = observed.independence_check()
    assert check.passed is False
    assert check.figures["repeated"] == 0
    assert check.figures["largest_correlation"] == pytest.approx(0.5, abs=0.08)


def test_noise_that_cancels_is_found():
    """Each release takes back a little of the noise of all before: too little for any pair of them."""
    total = torch.zeros(200)

    def change(_, values):
        nonlocal total
        changed = values - 0.06 * total
        total = total + changed
        return changed / torch.sqrt(changed.square().mean()) * SCALE

    check = seen("norm", 200, change, size=200).independence_check()
    assert check.passed is False
    assert "added up over all releases" in check.reason


def test_noise_with_a_mean_is_found(law):
    def change(_, values):
        values[8] = values[8].abs()
        return values

    check = seen(law, 100, change).independence_check()
    assert check.reason == "the noise of coordinate 8 has a mean"


def test_coordinates_that_share_noise_are_found(law):
    def change(_, values):
        values[1500:2000] = values[:500]
        return values

    check = seen(law, 20, change).independence_check()
    assert check.reason == "coordinates of one release that are 1500 apart have correlated noise"


def exact(step):
    return noise("norm", "exact", step) / 10


def test_noise_that_follows_the_sum_is_found(law):
    observed = seen(law, 20, lambda step, values: values + 1.3 * exact(step), exact=exact)
    assert observed.scale_check().figures["scale_ratio"] == pytest.approx(1, abs=0.02)
    assert "the noise is correlated with the sum that it hides" in observed.independence_check().reason


def test_noise_that_is_less_where_the_sum_is_small_is_found():
    def change(step, values):
        large = exact(step).abs() > exact(step).abs().median()
        return values * torch.where(large, 2 - 0.9, 0.9) / math.sqrt((1.1**2 + 0.9**2) / 2)

    check = seen("norm", 20, change, exact=exact).independence_check()
    assert check.reason == "the noise has another scale where the sum is large"


def test_few_coordinates_and_few_releases_have_little_to_compare(law):
    for steps, size in ((1, 50), (5, 3), (2, 1)):
        assert seen(law, steps, size=size).independence_check().passed
        assert seen(law, steps, size=size).scale_check().passed


def test_laws_are_those_that_the_ledger_names():
    assert [law_of(name) for name in ("LaplaceMechanism", "GaussianMechanism", "Own")] == ["laplace", "norm", None]


@pytest.mark.parametrize("shape", [0.5, 1.0, 30.0])
def test_p_values_are_uniform(shape):
    draws = np.random.default_rng(0).gamma(shape, size=20_000)
    assert stats.kstest(error_rates.gamma_p_values(draws, shape), "uniform").pvalue > 0.001
    counts = np.random.default_rng(1).binomial(400, 0.1, size=2000)
    p_values = np.array([error_rates.binomial_p_value(int(count), 400, 0.1) for count in counts])
    for level in (0.01, 0.1):
        assert np.mean(p_values <= level) <= level + 3 * math.sqrt(level / 2000)
    normal = np.random.default_rng(2).standard_normal(2000)
    assert stats.kstest([error_rates.normal_p_value(value) for value in normal], "uniform").pvalue > 0.001


def test_the_limit_of_correlations_is_that_of_independent_values(monkeypatch):
    monkeypatch.setattr(error_rates, "ALPHA", 0.05)
    rows = np.random.default_rng(0).standard_normal((3000, 2, 12))
    largest = [abs(np.corrcoef(pair)[0, 1]) for pair in rows]
    assert np.mean(np.array(largest) > error_rates.correlation_limit(12, 1)) == pytest.approx(0.05, abs=0.013)
    assert error_rates.correlation_limit(3, 1) == 1


def test_an_audit_states_the_sum_of_its_tests():
    assert len(set(error_rates.TESTS)) == len(error_rates.TESTS)
    assert error_rates.ERROR_RATE == 1e-7 * len(error_rates.TESTS) < 1e-5
