"""Canary clients: what they send, and what their releases say of their coins."""

import numpy as np
import pytest
import torch
from scipy import stats

from adpfl_bench.privacy.audit.canary_clients import CanaryClients
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.clipping import global_norm
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold

LIKE = [torch.zeros(3, 4), torch.zeros(5)]


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_those_that_are_in_send_more_than_any_threshold_and_others_nothing(norm):
    clients = CanaryClients(40, seed=3)
    assert 5 < clients.included.sum() < 35
    for canary, included in enumerate(clients.included):
        delta = clients.delta(canary, LIKE, norm, 2.0)
        assert [tensor.shape for tensor in delta] == [tensor.shape for tensor in LIKE]
        assert global_norm(delta, norm) == pytest.approx(2000.0 * included, rel=1e-5)
        direction = clients.direction(canary, LIKE, norm)
        assert float(torch.linalg.vector_norm(direction, ord=1 if norm == "l1" else 2)) == pytest.approx(1)
        assert torch.equal(direction, CanaryClients(40, seed=3).direction(canary, LIKE, norm))
        assert int((direction != 0).sum()) == (1 if norm == "l1" else 17)
    assert (CanaryClients(40, 3).included == clients.included).all()
    assert (CanaryClients(40, 4).included != clients.included).any()


@pytest.mark.parametrize("law", ["norm", "laplace"])
def test_the_evidence_is_the_log_likelihood_ratio(law):
    clients, generator = CanaryClients(1, 0), np.random.default_rng(0)
    direction = clients.direction(0, LIKE, "l2")
    expected, rule = 0.0, QuantileThreshold()
    for threshold in (0.5, 2.0):
        values, statistic = generator.standard_normal(17), generator.standard_normal(1)
        seen = StepObservation("a", [], [], [], threshold, 1.0, statistic, 1)
        clients.see(0, seen, torch.from_numpy(values), direction, (0.7, 0.3), law, rule)
        density = getattr(stats, law).logpdf
        signal = direction.numpy().astype(float) * threshold
        expected += np.sum(density((values - signal) / 0.7) - density(values / 0.7))
        expected += np.sum(density((statistic + 0.5) / 0.3) - density((statistic - 0.5) / 0.3))
        rule.learn("a", statistic, 1)
    assert clients.evidence[0] == pytest.approx(expected, rel=1e-6)


def test_without_noise_the_evidence_is_sure():
    clients = CanaryClients(30, 1)
    for canary, included in enumerate(clients.included):
        direction = clients.direction(canary, LIKE, "l2")
        seen = StepObservation("a", [], [], [], 1.5, 0.0, np.zeros(0), 1)
        clients.see(canary, seen, 1.5 * included * direction, direction, (0.0, 0.0), None, FixedThreshold())
    assert ((clients.evidence > 0) == clients.included).all()
    assert np.abs(clients.evidence).min() > 1e6
