"""Private runs of a round, and why nothing is accounted for them."""

import pytest
from lightning.pytorch import Callback

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold

STATISTICS = "running statistics of the network (network.1) are computed from training images without noise"


def private(unit="record", mechanism=None, **arguments):
    settings = {"noise_multiplier": 2.0, "delta": 0.01, **arguments}
    return DifferentialPrivacy(
        unit, settings.pop("threshold", FixedThreshold()), mechanism or GaussianMechanism(), **settings
    )


@pytest.fixture
def reason(toy_task, toy_data, fit):
    """Trains a private run of a round, and returns why nothing is accounted for it."""

    def run(*callbacks, unit="record", task=None, data=None, federated=None, privacy=None, **trainer):
        privacy = privacy or private(unit)
        loop = FederatedLoop(**{"rounds": 1, **(federated or {})})
        fit(task or toy_task(), data or toy_data(), loop, privacy, *callbacks, **trainer)
        accounted = privacy.accounted
        assert (accounted.epsilon is None) == (accounted.reason is not None)
        return accounted.reason

    return run


class Nosy(Callback):
    """A callback of one's own; nobody knows what it does."""
