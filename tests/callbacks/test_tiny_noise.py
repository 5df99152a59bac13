"""Noise that is next to nothing: no guarantee below what arithmetic holds, a readable record above."""

import math

import pytest

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.records.blocks import AccountedBlock


@pytest.mark.parametrize("mechanism", [GaussianMechanism(), LaplaceMechanism("l1")], ids=["gaussian", "laplace"])
@pytest.mark.parametrize(("z", "proved"), [(1e-150, False), (1e-31, False), (1e-8, True), (1e-4, True)])
def test_the_record_has_a_number_or_a_reason(fit, toy_task, toy_data, mechanism, z, proved):
    privacy = DifferentialPrivacy("record", FixedThreshold(1.0), mechanism, z, delta=1e-3)
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy)
    accounted = privacy.accounted
    block = AccountedBlock(
        epsilon=accounted.epsilon, delta=1e-3, reason=accounted.reason, by_client=dict(accounted.by_client)
    )
    assert AccountedBlock.model_validate_json(block.model_dump_json()) == block
    if proved:
        assert 1e3 < accounted.epsilon < math.inf
        assert accounted.reason is None
    else:
        assert (accounted.epsilon, accounted.reason) == (
            None,
            f"the noise multiplier is {z:g}: clipping alone is not private",
        )
