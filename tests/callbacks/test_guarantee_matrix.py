"""Every two choices of a private run meet, and every run is proved or says why not."""

import pytest
from lightning.pytorch.callbacks import (
    LambdaCallback,
)

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import ClientMethod, Ditto, FedProx, LocalTraining, Scaffold
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold
from tests.callbacks.guarantees import STATISTICS, Nosy, private
from tests.callbacks.guarantees import reason as reason
from tests.pairwise import pairwise

METHODS = {"plain": ClientMethod, "fedprox": FedProx, "scaffold": Scaffold, "ditto": Ditto, "local": LocalTraining}
CALLBACKS = {"none": (), "recorder": (RunRecorder,), "own": (Nosy,), "lambda": (LambdaCallback,)}
MATRIX = pairwise(
    ("batch", "record", "patient", "client"),
    ("plain", "fedprox", "scaffold", "ditto", "local"),
    ("average", "local", "reset"),
    ("plain", "batchnorm"),
    ("32-true", "64-true", "bf16-mixed", "bf16-true"),
    ("none", "recorder", "own", "lambda"),
    ("shuffle", "poisson"),
    ("secure", "seeded"),
    ("fixed-gaussian", "quantile-gaussian", "fixed-laplace"),
)
REFUSED = {
    ("client", "scaffold"): "control variate",
    ("client", "local"): "nothing is sent",
}


@pytest.mark.parametrize("cell", MATRIX, ids="-".join)
def test_every_cell_is_proved_or_says_why_not(toy_task, toy_data, fit, cell):
    """Unit, client method, buffers, network, precision, callback, sampling, secure, noise: every two of them meet."""
    unit, method, buffers, network, precision, callback, sampling, secure, noise = cell
    rule, law = noise.split("-")
    by_unit = unit in ("record", "patient")
    threshold = QuantileThreshold() if rule == "quantile" and unit != "batch" else FixedThreshold()
    mechanism = GaussianMechanism() if law == "gaussian" else LaplaceMechanism()
    privacy = private(
        unit,
        mechanism,
        threshold=threshold,
        sampling=sampling if by_unit else "shuffle",
        secure=secure == "secure",
    )
    loop = FederatedLoop(rounds=1, buffers=buffers, client_method=METHODS[method]())
    callbacks = [kind() for kind in CALLBACKS[callback]]

    def train():
        fit(toy_task(network), toy_data(), loop, privacy, *callbacks, precision=precision, limit_val_batches=0)
        return privacy.accounted

    refused = REFUSED.get((unit, method))
    if by_unit and network == "batchnorm":
        refused = refused or "statistics mix the examples of a batch"
    if refused:
        with pytest.raises(ConfigError, match=refused):
            train()
        return
    accounted = train()
    expected = {
        STATISTICS: network == "batchnorm",
        "the proof does not know the callback Nosy": callback == "own",
        "the proof does not know the callback LambdaCallback": callback == "lambda",
        "the proof does not know the precision bf16-true": precision == "bf16-true",
    }
    said = {sentence for sentence, wrong in expected.items() if wrong}
    assert set((accounted.reason or "").split("; ")) - {""} == said
    if said:
        assert accounted.epsilon is None
    else:
        assert 0 < accounted.epsilon < 100
        assert set(accounted.by_client) == {"alps", "bay", "cape"}
