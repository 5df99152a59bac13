"""Audits of runs that take seconds."""

import pytest
import torch
from torch import nn

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold
from tests.toy_federation import ToyTask


class WideTask(ToyTask):
    """A network with a few hundred parameters, so that canaries can be told apart."""

    def configure_network(self, network, arguments):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            return nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.Tanh(), nn.Conv2d(24, 1, 3, padding=1))


def sgd(parameters):
    """A client's optimizer whose steps are bounded where the gradient's noise is."""
    return torch.optim.SGD(parameters, lr=0.02)


@pytest.fixture
def audited(toy_data, fit):
    """Trains with canaries; returns what was found, and the callback."""

    def run(privacy, canaries=40, seed=0, rounds=2, data=None, task=None, more=(), **arguments):
        trainer, federated = arguments.pop("trainer", {}), arguments.pop("federated", {})
        data = data or toy_data({"alps": 12, "cape": 3})
        task = task or WideTask("wide", optimizer=sgd)
        audit = PrivacyAudit(canaries, **arguments)
        loop = FederatedLoop(rounds=rounds, seed=seed, **federated)
        fit(task, data, loop, privacy, audit, *more, limit_val_batches=0, **trainer)
        return audit.result, audit

    return run


def per_record(z=1.0, mechanism=None, threshold=None, delta=1e-3, **arguments):
    """A private method that clips every record by itself, with settings to break."""
    return DifferentialPrivacy(
        arguments.pop("unit", "record"),
        threshold or FixedThreshold(1.0),
        mechanism or GaussianMechanism(),
        z,
        delta=delta,
        **arguments,
    )


def failed(result):
    """Names of the checks that failed."""
    return [name for name, check in result.checks.items() if check.passed is False]
