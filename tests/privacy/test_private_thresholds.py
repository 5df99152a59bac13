"""Thresholds that learn from noised sums: against the papers' formulas, and NumPy on the same norms."""

import io
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.private_sum import PrivateSum
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.seeding import torch_generator

NORMS = st.lists(st.floats(0, 1e3), max_size=30)
RULES = [QuantileThreshold, HistogramThreshold]


def follow(rule, norms, steps, z=0.0, mechanism=None, client="a", seed=0):
    """Release the same norms again and again; returns the threshold after each step."""
    private, source = PrivateSum(rule, mechanism or GaussianMechanism(), z), Seeded(torch_generator(seed, "noise"))
    thresholds = []
    for _ in range(steps):
        private.release_(client, [torch.zeros(1)], norms, rule.current(client), len(norms), source)
        thresholds.append(rule.current(client))
    return thresholds


@given(norms=NORMS.filter(len), gamma=st.floats(0.05, 0.95), rate=st.floats(0.01, 1), initial=st.floats(0.1, 10))
def test_quantile_takes_the_papers_step(norms, gamma, rate, initial):
    """Andrew et al. 2021, Algorithm 1: C <- C exp(-rate (b - gamma)), b the share of norms within C."""
    rule = QuantileThreshold(gamma, rate, initial)
    expected = initial
    for after in follow(rule, norms, 5):
        expected *= math.exp(-rate * (np.mean(np.array(norms) <= expected) - gamma))
        assert after == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.9])
def test_quantile_finds_the_quantile_of_the_norms(gamma):
    norms = np.random.default_rng(0).lognormal(1.0, 0.7, 400)
    found = follow(QuantileThreshold(gamma, 0.05, initial=0.1), norms, 600)[-1]
    assert found == pytest.approx(np.quantile(norms, gamma), rel=0.05)


def test_quantile_finds_it_under_noise_too():
    norms = np.random.default_rng(0).lognormal(1.0, 0.7, 400)
    rule = QuantileThreshold(0.5, 0.05, initial=0.1)
    noised = follow(rule, norms, 600, z=2.0)
    assert np.mean(noised[-200:]) == pytest.approx(np.median(norms), rel=0.1)
    assert len(set(noised[-10:])) == 10  # noise goes on


@given(norms=NORMS, percentile=st.floats(1, 99))
def test_histogram_reads_the_percentile_to_a_bin(norms, percentile):
    """Without noise: the percentile of NumPy's inverted distribution lies in the same bin."""
    rule = HistogramThreshold(percentile, bins=40, lowest=0.01, highest=1000.0, initial=1.0, decay=0.0)
    (found,) = follow(rule, norms, 1)
    if not norms:
        assert found == 1.0
        return
    inside = np.clip(norms, 0.01, 1000.0)
    exact = np.percentile(inside, percentile, method="inverted_cdf")
    width = 10 ** (5 / 40)
    assert exact / width * (1 - 1e-9) <= found <= exact * width * (1 + 1e-9)


def test_histogram_interpolates_within_the_bin():
    rule = HistogramThreshold(25.0, bins=2, lowest=1.0, highest=100.0, initial=1.0, decay=0.0)
    assert follow(rule, [2.0, 2.0, 20.0, 20.0], 1) == [pytest.approx(math.sqrt(10))]


def test_histogram_adds_up_with_decay_and_takes_negative_counts_as_none():
    rule = HistogramThreshold(50.0, bins=2, lowest=1.0, highest=100.0, initial=1.0, decay=0.5)
    rule.learn("a", np.array([4.0, -1.0]), 3)
    rule.learn("a", np.array([-6.0, 2.5]), 3)
    assert rule.state_dict() == {"a": [-4.0, 2.0]}
    assert rule.current("a") == pytest.approx(10 * math.sqrt(10))
    rule.learn("a", np.array([-1.0, -9.0]), 3)
    assert rule.current("a") == 1.0  # nothing is known any more: back to the public start


@given(norms=NORMS, data=st.data(), threshold=st.floats(0.01, 100))
@pytest.mark.parametrize("rule", RULES)
def test_one_unit_moves_the_statistic_by_at_most_its_sensitivity(rule, norms, data, threshold):
    """Replaced by nothing, in L2 and in L1; this is what the noise is scaled to."""
    made = rule(initial=threshold)
    norms = [*norms, data.draw(st.floats(0, 1e3))]
    gone = data.draw(st.integers(0, len(norms) - 1))
    moved = made.statistic("a", norms) - made.statistic("a", norms[:gone] + norms[gone + 1 :])
    assert np.abs(moved).sum() == pytest.approx(made.statistic_sensitivity)


@pytest.mark.parametrize("mechanism", [GaussianMechanism(), LaplaceMechanism()])
@given(z=st.floats(0.01, 100), share=st.floats(0.001, 0.999))
def test_sum_and_statistic_cost_one_release(mechanism, z, share):
    """Andrew et al. 2021, Theorem 1: z_delta = (z^-2 - (2 sigma_b)^-2)^-1/2."""
    rule = QuantileThreshold(budget_share=share)
    private = PrivateSum(rule, mechanism, z)
    sigma_b = private.statistic_multiplier * 0.5
    assert private.sum_multiplier == pytest.approx((z**-2 - (2 * sigma_b) ** -2) ** -0.5, rel=1e-6)
    given_noise = PrivateSum(QuantileThreshold(indicator_noise=sigma_b), mechanism, z)
    assert given_noise.sum_multiplier == pytest.approx(private.sum_multiplier, rel=1e-6)


def test_under_l1_clipping_the_budget_adds_up():
    private = PrivateSum(HistogramThreshold(budget_share=0.2), LaplaceMechanism("l1"), 3.0)
    assert 1 / private.sum_multiplier + 1 / private.statistic_multiplier == pytest.approx(1 / 3.0)


def test_indicator_noise_that_would_spend_the_whole_budget():
    rule = QuantileThreshold(indicator_noise=0.5)
    PrivateSum(rule, GaussianMechanism(), 0.99)
    for z in (1.0, 4.0):
        with pytest.raises(ConfigError, match=rf"indicator_noise is 0\.5, but .* must be greater than {z / 2:g}"):
            PrivateSum(rule, GaussianMechanism(), z)


@pytest.mark.parametrize("mechanism", [GaussianMechanism(), LaplaceMechanism()])
@pytest.mark.parametrize("rule", RULES)
def test_the_statistic_is_noised_at_its_scale(rule, mechanism):
    seen = []

    class Still(rule):
        def learn(self, client, statistic, units):
            seen.append(statistic - self.statistic(client, [1.0, 2.0]))

    follow(Still(budget_share=0.25), [1.0, 2.0], 4000, z=2.0, mechanism=mechanism)
    deviation = 2.0 / math.sqrt(0.25) * rule.statistic_sensitivity
    deviation *= math.sqrt(2) if isinstance(mechanism, LaplaceMechanism) else 1
    assert np.std(seen) == pytest.approx(deviation, rel=0.05)


@pytest.mark.parametrize("rule", RULES)
def test_clients_are_apart_and_state_goes_on(rule):
    made = rule()
    follow(made, [5.0] * 10, 7, client="a")
    follow(made, [0.2] * 10, 7, client="b")
    assert made.current("a") > made.current("b")
    file = io.BytesIO()
    torch.save(made.state_dict(), file)
    file.seek(0)
    for state in (torch.load(file, weights_only=True), json.loads(json.dumps(made.state_dict()))):
        restored = rule()
        restored.load_state_dict(state)
        assert [restored.current(c) for c in "abc"] == [made.current(c) for c in "abc"]
        assert follow(restored, [3.0] * 4, 3) == follow_copy(made, rule, [3.0] * 4, 3)
    assert made.current("c") == 1.0
    assert made.unaccounted_reason is None
    assert not made.needs_norms


def follow_copy(made, rule, norms, steps):
    copy = rule()
    copy.load_state_dict(json.loads(json.dumps(made.state_dict())))
    return follow(copy, norms, steps)


def test_quantile_stays_within_its_public_bounds():
    rule = QuantileThreshold(0.5, 1.0, initial=1.0, lowest=0.5, highest=2.0)
    assert follow(rule, [1e-9] * 5, 20)[-1] == 0.5
    assert follow(rule, [1e9] * 5, 20)[-1] == 2.0


@pytest.mark.parametrize(
    ("rule", "arguments", "sentence"),
    [
        (QuantileThreshold, {"quantile": 0.0}, r"quantile must lie in \(0, 1\), but it is 0\.0"),
        (QuantileThreshold, {"quantile": 1.0}, "quantile must lie in"),
        (QuantileThreshold, {"learning_rate": 0.0}, "learning_rate must be greater than 0"),
        (QuantileThreshold, {"budget_share": 1.0}, r"budget_share .* must lie in \(0, 1\), but it is 1\.0"),
        (QuantileThreshold, {"indicator_noise": -1.0}, "indicator_noise must be greater than 0"),
        (QuantileThreshold, {"initial": 0.0}, "needs 0 < lowest <= initial <= highest"),
        (HistogramThreshold, {"percentile": 100.0}, r"percentile must lie in \(0, 100\)"),
        (HistogramThreshold, {"bins": 1}, "bins must be at least 2, but it is 1"),
        (HistogramThreshold, {"decay": 1.0}, r"decay must lie in \[0, 1\)"),
        (HistogramThreshold, {"budget_share": 0.0}, "budget_share .* must lie in"),
        (HistogramThreshold, {"lowest": 2.0}, r"needs 0 < lowest <= initial <= highest .* 2, 1 and 100"),
    ],
)
def test_arguments_out_of_range(rule, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        rule(**arguments)


def test_defaults_are_those_of_the_papers():
    """Andrew et al. 2021: the median, at a learning rate of 0.2, from C = 1."""
    rule = QuantileThreshold()
    assert rule.current("a") == 1.0
    rule.learn("a", np.array([-0.5 * 10]), 10)  # no unit was clipped less
    assert rule.current("a") == pytest.approx(math.exp(-0.2 * (0.0 - 0.5)))


def test_without_noise_a_release_is_the_sum_itself():
    sums, total = PrivateSum(FixedThreshold(2.0), LaplaceMechanism(), 0.0), [torch.tensor([1.0, 2.0])]
    scale, statistic = sums.release_("a", total, [1.0], 2.0, 1, Seeded(torch_generator(0, "any")))
    assert scale == 0.0
    assert statistic.size == 0
    assert total[0].tolist() == [1.0, 2.0]


class Grasping(QuantileThreshold):
    """Takes another share than it may, or says that its statistic moves otherwise."""

    def __init__(self, share, sensitivity):
        super().__init__()
        self.share, self.statistic_sensitivity = share, sensitivity

    def budget_share(self, mechanism, noise_multiplier):
        return self.share


@pytest.mark.parametrize("share", [-3.0, 1.0, 1.5, math.nan, math.inf])
def test_a_share_of_the_budget_is_a_share(share):
    """A negative one halved the noise of the gradient."""
    with pytest.raises(ConfigError, match=r"Grasping.budget_share .* must lie in \[0, 1\), but it is"):
        PrivateSum(Grasping(share, 0.5), GaussianMechanism(), 1.0)


@pytest.mark.parametrize("sensitivity", [-0.5, math.nan, math.inf])
def test_a_sensitivity_is_a_length(sensitivity):
    with pytest.raises(ConfigError, match=r"Grasping.statistic_sensitivity .* at least 0, but it is"):
        PrivateSum(Grasping(0.1, sensitivity), GaussianMechanism(), 1.0)


@pytest.mark.parametrize(("share", "sensitivity"), [(0.0, 0.5), (0.1, 0.0)])
def test_a_statistic_is_not_released_without_noise(share, sensitivity):
    rule = Grasping(share, sensitivity)
    with pytest.raises(ConfigError, match="has a statistic, so its budget_share and statistic_sensitivity must be"):
        follow(rule, [0.5], 1, z=1.0)
    assert rule.current("a") == rule.initial
