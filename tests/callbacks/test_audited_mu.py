"""The bound on mu stands in the record where the accounted curve is a Gaussian one's, and nowhere else."""

import pytest

from adpfl_bench.privacy.audit.one_run import mu_lower_bound
from adpfl_bench.privacy.gaussian_dp import gaussian_epsilon
from adpfl_bench.privacy.mechanisms import LaplaceMechanism
from adpfl_bench.privacy.thresholds import PercentileThreshold
from tests.callbacks.audits import audited as audited
from tests.callbacks.audits import per_record


def test_of_unsampled_gaussian_noise(audited):
    result, _ = audited(per_record(0.2), guesses=40)
    assert result.mu == mu_lower_bound(40, 40, result.correct, 1 - 0.95) > 0
    assert result.epsilon_f_dp == gaussian_epsilon(result.mu, result.delta) > result.epsilon
    assert result.epsilon_f_dp < result.accounted
    noisy, _ = audited(per_record(100.0))
    assert noisy.mu < 0.1


@pytest.mark.parametrize(
    "privacy",
    [
        lambda: per_record(2.0, mechanism=LaplaceMechanism()),
        lambda: per_record(2.0, sampling="poisson"),
        lambda: per_record(2.0, threshold=PercentileThreshold()),
        lambda: per_record(0.0),
    ],
    ids=["laplace", "poisson", "no proof", "no noise"],
)
def test_of_nothing_else(audited, privacy):
    result, _ = audited(privacy())
    assert (result.mu, result.epsilon_f_dp) == (None, None)
    assert result.epsilon >= 0
