"""The named checks, each on what it must pass and on what it must find."""

import numpy as np
import pytest

from adpfl_bench.privacy.audit.checks import (
    Check,
    ThresholdTwin,
    release_count,
    sensitivity,
    use_of_releases,
)
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.audit.verdict import verdict
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold


def test_sensitivity():
    assert sensitivity([0.2, 1.0005], 1.0, 1e-3).passed
    found = sensitivity([0.2, 1.5, 1.1], 1.0, 1e-3)
    assert found.passed is False
    assert found.figures == {"largest_move": 1.5, "limit": 1.0, "moves": 3}
    assert found.reason == "a unit moves the sum by 1.5 thresholds"
    assert sensitivity([1.5], 2.0, 1e-3).passed
    assert sensitivity([], 1.0, 1e-3).passed is None
    wrong = sensitivity([0.9], 1.0, 1e-3, [0.0, 0.2])
    assert wrong.passed is False
    assert wrong.reason == "a sum is 0.2 thresholds away from what its units bring"
    assert sensitivity([], 1.0, 1e-3, [1e-5]).passed
    assert sensitivity([float("nan")], 1.0, 1e-3).passed is False


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
    assert check.figures.pop("largest_difference") == 0
    if rule.statistic_sensitivity:
        assert check.figures["statistic_moved"] == pytest.approx(rule.statistic_sensitivity)


def test_a_statistic_that_a_unit_moves_further_than_stated_is_found():
    class Doubled(QuantileThreshold):
        def statistic(self, client, norms):
            return 2 * super().statistic(client, norms)

    twin = ThresholdTwin(Doubled())
    twin.see(observe(Doubled(), [3.0, 0.5]))
    check = twin.check()
    assert check.passed is False
    assert check.reason == "a unit moves the threshold's statistic by 1, but 0.5 is stated"


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
    assert release_count(planned, ledger, planned, ledger).passed
    skipped = release_count(planned, ledger, {"a": 9, "b": 4}, ledger)
    assert skipped.passed is False
    assert skipped.reason == "client a made 9 of 10 planned releases"
    assert skipped.figures == {"planned": 14, "released": 13}
    for entered in ({"a": {release: 1}, "b": {release: 2}}, {"a": {other: 2}, "b": {release: 2}}, {"b": {release: 2}}):
        short = release_count(planned, ledger, planned, entered)
        assert short.passed is False
        assert short.reason == "the ledger has less than was planned of a"
    assert release_count(planned, ledger, planned, {"a": {release: 5}, "b": {release: 2}}).passed
    stranger = release_count(planned, ledger, {**planned, "c": 1}, ledger)
    assert stranger.reason == "client c releases, but is not in the plan"


def test_use_of_releases():
    assert use_of_releases([0.0, 1e-6]).passed
    found = use_of_releases([0.0, 0.02])
    assert found.passed is False
    assert found.figures == {"largest_difference": 0.02, "steps": 2}
    assert use_of_releases([]).passed is None
    assert use_of_releases([0.0, float("nan")]).passed is False


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
