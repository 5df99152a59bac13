"""The named checks, each on what it must pass and on what it must find."""

import numpy as np
import pytest

from adpfl_bench.privacy.audit.checks import (
    Check,
    ThresholdTwin,
    noise_independence,
    noise_scale,
    release_count,
    sensitivity,
    use_of_releases,
)
from adpfl_bench.privacy.audit.noise import ObservedNoise, law_of
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.audit.verdict import verdict
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism, Mechanism
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from adpfl_bench.seeding import torch_generator

MECHANISMS = {"laplace": LaplaceMechanism(), "norm": GaussianMechanism()}


def noise(law, purpose, size=3000, scale=0.7):
    return MECHANISMS[law].sample(size, scale, Seeded(torch_generator(0, "checks", purpose)))


@pytest.fixture(params=["laplace", "norm"])
def law(request):
    return request.param


def test_honest_noise_passes(law):
    for run in range(20):
        observed = ObservedNoise(law)
        for step in range(10):
            observed.add(noise(law, 100 * run + step), 0.7)
        scale, independence = observed.scale_check(), observed.independence_check()
        assert scale.passed, scale
        assert independence.passed, independence
        assert scale.figures["values"] == 30_000
        assert independence.figures["releases_compared"] == 10


@pytest.mark.parametrize("factor", [0.5, 0.95, 1.05])
def test_a_wrong_scale_is_found(law, factor):
    observed = ObservedNoise(law)
    for step in range(10):
        observed.add(factor * noise(law, step), 0.7)
    check = observed.scale_check()
    assert check.passed is False
    assert check.figures["scale_ratio"] == pytest.approx(factor, rel=0.02)
    assert f"{check.figures['scale_ratio']:.3g} times the stated scale" in check.reason


def test_the_other_law_is_found(law):
    other = {"laplace": "norm", "norm": "laplace"}[law]
    values = noise(other, 0, 20_000, 1.0).double().numpy()
    scaled = values / (np.abs(values).mean() if law == "laplace" else values.std())
    check = noise_scale(1.0, len(values), scaled, law, 0)
    assert check.passed is False
    assert check.reason == "the noise does not follow the stated law"


def test_coordinates_that_are_never_noised_are_counted(law):
    observed = ObservedNoise(law)
    for step in range(4):
        values = noise(law, step)
        values[[5, 77]] = 0
        values[step] = 0  # once is no proof
        observed.add(values, 0.7)
    check = observed.scale_check()
    assert check.passed is False
    assert check.figures["coordinates_without_noise"] == 2


def test_the_noise_of_the_statistic_counts_too(law):
    observed, statistic = ObservedNoise(law), ObservedNoise(law)
    for step in range(100):
        observed.add(noise(law, step, 300), 0.7)
        statistic.add(0.5 * noise(law, 1000 + step, 20), 0.7)
    assert observed.scale_check().passed
    check = observed.scale_check(statistic)
    assert check.passed is False
    assert check.reason.startswith("of the threshold's statistic, the noise has 0.")
    assert check.figures["statistic_scale_ratio"] == pytest.approx(0.5, abs=0.03)


def test_repeated_noise_is_found_wherever_it_stands(law):
    observed = ObservedNoise(law)
    for step in range(400):
        observed.add(noise(law, step if step < 399 else 7, 100), 0.7)
    check = observed.independence_check()
    assert check.passed is False
    assert check.figures["repeated"] == 1
    assert check.reason == "noise is used again"


def test_correlated_noise_is_found(law):
    observed = ObservedNoise(law)
    shared = noise(law, "shared")
    for step in range(6):
        mixed = noise(law, step)
        observed.add(mixed if step < 4 else (mixed + shared) / 2**0.5, 0.7)
    check = observed.independence_check()
    assert check.passed is False
    assert check.figures["repeated"] == 0
    assert check.figures["largest_correlation"] == pytest.approx(0.5, abs=0.08)


def test_one_release_or_few_coordinates_have_nothing_to_compare(law):
    assert noise_independence(np.zeros((1, 50)), 0, law).passed
    assert noise_independence(np.zeros((5, 3)), 0, law).passed


def test_laws_by_mechanism():
    class Own(Mechanism):
        def sample(self, size, scale, source):
            raise NotImplementedError

    class Derived(LaplaceMechanism):
        pass

    assert [law_of(m) for m in (LaplaceMechanism(), GaussianMechanism(), Derived(), Own())] == [
        "laplace",
        "norm",
        "laplace",
        None,
    ]


def test_sensitivity():
    assert sensitivity([0.2, 1.0005], 1.0, 1e-3).passed
    found = sensitivity([0.2, 1.5, 1.1], 1.0, 1e-3)
    assert found.passed is False
    assert found.figures == {"largest_move": 1.5, "limit": 1.0, "moves": 3}
    assert found.reason == "a unit moves the sum by 1.5 thresholds"
    assert sensitivity([1.5], 2.0, 1e-3).passed
    assert sensitivity([], 1.0, 1e-3).passed is None


def observe(rule, norms, statistic_noise=0.0, tamper=lambda rule: None):
    """One step of a rule as the run makes it, as an audit sees it."""
    if rule.needs_norms:
        rule.observe("a", norms)
    threshold = rule.current("a")
    statistic = rule.statistic("a", norms) + statistic_noise
    if statistic.size:
        rule.learn("a", statistic, len(norms))
    tamper(rule)
    return StepObservation("a", [], [], norms, threshold, 1.0, statistic, len(norms))


@pytest.mark.parametrize("rule", [FixedThreshold(0.3), QuantileThreshold(), HistogramThreshold()])
def test_a_twin_follows_an_honest_threshold(rule):
    twin, generator = ThresholdTwin(rule), np.random.default_rng(0)
    for _ in range(30):
        norms, before = generator.exponential(2, 6).tolist(), rule.statistic("a", [])
        statistic_noise = generator.standard_normal(before.shape)
        seen = observe(rule, norms, statistic_noise)
        np.testing.assert_allclose(twin.see(seen), seen.statistic - statistic_noise, atol=1e-12)
    check = twin.check()
    assert check.passed
    assert check.figures == {"largest_difference": 0.0, "steps": 30}


def test_a_threshold_that_learns_on_the_side_is_found():
    rule = QuantileThreshold()
    twin = ThresholdTwin(rule)
    for step in range(5):
        twin.see(observe(rule, [3.0, 4.0], tamper=lambda own: own.learn("a", np.array([-0.5]), 1)))
        assert twin.check().passed is (step == 0)


def test_the_difference_of_thresholds_is_a_share_of_the_larger():
    twin = ThresholdTwin(FixedThreshold(100.0))
    twin.see(StepObservation("a", [], [], [1.0], 50.0, 1.0, np.zeros(0), 1))
    assert twin.check().figures["largest_difference"] == 0.5


def test_a_rule_that_admits_it_is_named():
    rule = PercentileThreshold()
    twin = ThresholdTwin(rule)
    twin.see(observe(rule, [1.0, 2.0]))
    check = twin.check()
    assert check.passed is None
    assert "raw percentile" in check.reason


def test_release_count():
    release, other = Release("GaussianMechanism", 2.0), Release("GaussianMechanism", 2.0, 2.0)
    planned, ledger = {"a": 10, "b": 4}, {"a": {release: 2}, "b": {release: 2}}
    assert release_count(planned, planned, ledger, ledger).passed
    skipped = release_count(planned, {"a": 9, "b": 4}, ledger, ledger)
    assert skipped.passed is False
    assert skipped.reason == "client a made 9 of 10 planned releases"
    assert skipped.figures == {"planned": 14, "released": 13}
    for entered in ({"a": {release: 1}, "b": {release: 2}}, {"a": {other: 2}, "b": {release: 2}}, {"b": {release: 2}}):
        short = release_count(planned, planned, ledger, entered)
        assert short.passed is False
        assert short.reason == "the ledger has less than was planned of a"
    assert release_count(planned, planned, ledger, {"a": {release: 5}, "b": {release: 2}}).passed


def test_use_of_releases():
    assert use_of_releases([0.0, 1e-6]).passed
    found = use_of_releases([0.0, 0.02])
    assert found.passed is False
    assert found.figures == {"largest_difference": 0.02, "steps": 2}
    assert use_of_releases([]).passed is None


@pytest.mark.parametrize(
    ("epsilon", "accounted", "passed", "expected"),
    [
        (1.0, 2.0, [True, None], "consistent"),
        (2.0, 2.0, [True], "consistent"),
        (2.1, 2.0, [True], "audited exceeds accounted"),
        (1.0, 2.0, [True, False], "check failed"),
        (9.0, None, [True, None], "nothing accounted that could be contradicted"),
        (9.0, None, [False, True], "check failed"),
    ],
)
def test_verdict(epsilon, accounted, passed, expected):
    assert verdict(epsilon, accounted, {str(i): Check(value) for i, value in enumerate(passed)}) == expected
