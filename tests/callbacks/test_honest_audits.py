"""Honest runs over all settings, which an audit must not accuse."""

import pytest
import torch

from adpfl_bench.federation.client_methods import Ditto, FedProx, Scaffold
from adpfl_bench.federation.server_optimizers import FedYogi
from adpfl_bench.privacy.audit.witness import CHECKS
from adpfl_bench.privacy.correlated_noise import CorrelatedGaussianMechanism
from adpfl_bench.privacy.mechanisms import LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.summed_discrete_noise import SummedDiscreteGaussianMechanism
from tests.callbacks.audits import WideTask, failed, per_record
from tests.callbacks.audits import audited as audited
from tests.toy_federation import ToyDataModule


def momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.02, momentum=0.9, weight_decay=0.01)


def plain(parameters):
    return torch.optim.SGD(parameters, lr=0.02)


def adam(parameters):
    return torch.optim.AdamW(parameters, lr=0.002)


RUNS = {
    "record": ({}, {}, momentum),
    "record-quantile-keep": (
        {"mechanism": LaplaceMechanism(), "threshold": QuantileThreshold(), "normalize": True},
        {"federated": {"client_optimizer_state": "keep", "local_epochs": 2}},
        adam,
    ),
    "record-l1-scaffold": (
        {"mechanism": LaplaceMechanism("l1"), "threshold": HistogramThreshold()},
        {"federated": {"client_method": Scaffold(), "aggregation_weights": "uniform"}, "rounds": 3},
        momentum,
    ),
    "record-yogi-some-clients": (
        {},
        {
            "federated": {"server_optimizer": FedYogi, "clients_per_round": 1, "dropout": 0.3, "straggling": 0.5},
            "rounds": 5,
        },
        momentum,
    ),
    "record-local-parameters-tuned": (
        {"threshold": QuantileThreshold()},
        {"federated": {"local_parameters": r"network\.2", "fine_tuning_epochs": 1}},
        adam,
    ),
    "patient-poisson-views": (
        {"unit": "patient", "sampling": "poisson", "z": 1.0, "views": 2},
        {"rounds": 4},
        momentum,
    ),
    "record-poisson-secret-double": (
        {"sampling": "poisson", "secure": True, "threshold": HistogramThreshold()},
        {"trainer": {"precision": "64-true"}},
        adam,
    ),
    "record-discrete-sum": (
        {"mechanism": SummedDiscreteGaussianMechanism(1), "units_per_step": 100},
        {},
        plain,
    ),
    "client-discrete-sum": (
        {"unit": "client", "mechanism": SummedDiscreteGaussianMechanism(1)},
        {"federated": {"aggregation_weights": "uniform"}},
        momentum,
    ),
    "record-correlated-some-clients": (
        {"mechanism": CorrelatedGaussianMechanism(3), "sampling": "fixed", "threshold": QuantileThreshold()},
        {"federated": {"local_steps": 5, "dropout": 0.3, "straggling": 0.5}, "rounds": 5},
        momentum,
    ),
    "patient-correlated-secret-ditto-double": (
        {
            "unit": "patient",
            "mechanism": CorrelatedGaussianMechanism(),
            "sampling": "fixed",
            "normalize": True,
            "secure": True,
        },
        {"federated": {"client_method": Ditto(0.5)}, "trainer": {"precision": "64-true"}},
        adam,
    ),
    "batch-ditto": (
        {"unit": "batch", "mechanism": LaplaceMechanism()},
        {"federated": {"client_method": Ditto(0.5)}},
        momentum,
    ),
    "client-quantile-fedprox": (
        {"unit": "client", "threshold": QuantileThreshold()},
        {"federated": {"client_method": FedProx(0.5), "local_epochs": 2}, "rounds": 3},
        adam,
    ),
    "client-l1-secret-ditto": (
        {"unit": "client", "mechanism": LaplaceMechanism("l1"), "threshold": HistogramThreshold(), "secure": True},
        {"federated": {"client_method": Ditto(0.5)}, "trainer": {"precision": "64-true"}},
        momentum,
    ),
}
NOT_FOR_CLIENTS = ("sampling", "use of releases")


@pytest.mark.parametrize("name", RUNS)
def test_an_honest_run_is_not_accused(audited, name):
    settings, run, optimizer = RUNS[name]
    task, data = WideTask("wide", optimizer=optimizer), ToyDataModule({"alps": 6, "cape": 3})
    result, _ = audited(per_record(**{"z": 2.0, **settings}), canaries=20, task=task, data=data, **run)
    assert failed(result) == [], {check: result.checks[check].reason for check in failed(result)}
    skipped = NOT_FOR_CLIENTS if settings.get("unit") == "client" else ()
    assert [check for check in CHECKS if result.checks[check].passed is None] == list(skipped)
    if result.accounted is not None:
        assert result.epsilon <= result.accounted
        assert result.verdict == "consistent"
    assert result.checks["weights"].figures["largest_difference"] < 1e-5
    assert result.checks["weights"].figures["compared"] > 3
