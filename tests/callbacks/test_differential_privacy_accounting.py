"""What is entered into the ledger, what is stated for it, and what is refused."""

import math
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.privacy_checks import check_delta, check_private_trainer
from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism, Mechanism
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from tests.callbacks.test_federated_loop_refusals import NothingTrained
from tests.privacy.zcdp import zcdp_epsilon
from tests.toy_federation import looks_on

SIZES = {"alps": 12, "bay": 9, "cape": 3, "dale": 6}


def fixed(z=2.0, **arguments):
    return DifferentialPrivacy("batch", FixedThreshold(1.0), LaplaceMechanism(), z, **arguments)


@looks_on
class Epsilons(Callback):
    """The privacy callback's numbers after each round."""

    def __init__(self, privacy):
        self.privacy, self.rounds, self.turns = privacy, [], Counter()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.turns[batch.client] += batch.last

    def on_train_epoch_end(self, trainer, pl_module):
        metrics = self.privacy.round_metrics(trainer)
        self.rounds.append({m.client: m.value for m in metrics if m.name == "epsilon"})


@pytest.mark.parametrize(
    ("federated", "passes"),
    [
        ({}, {"alps": 1, "bay": 1, "cape": 1, "dale": 1}),
        ({"local_epochs": 3}, {"alps": 3, "bay": 3, "cape": 3, "dale": 3}),
        ({"clients_per_round": 2, "local_epochs": 2}, {"alps": 2, "bay": 2, "cape": 2, "dale": 2}),
        # Batches of 4: passes of 3, 3, 1 and 2 steps; one that is begun counts.
        ({"local_steps": 4}, {"alps": 2, "bay": 2, "cape": 4, "dale": 2}),
        ({"local_steps": 1}, {"alps": 1, "bay": 1, "cape": 1, "dale": 1}),
    ],
)
def test_releases_are_passes_times_rounds(toy_task, toy_data, fit, federated, passes):
    """A record is in at most one batch of a pass, so a pass is one release to it."""
    privacy = fixed()
    epsilons = Epsilons(privacy)
    fit(toy_task(), toy_data(SIZES), FederatedLoop(rounds=4, **federated), privacy, epsilons)
    release = Release("LaplaceMechanism", 2.0, sensitivity=2.0)
    counts = {client: privacy.ledger.events(client) for client in privacy.ledger.clients()}
    assert counts == {client: {release: passes[client] * turns} for client, turns in epsilons.turns.items()}

    # rho = (2C)^2 / (2 (z C)^2) a release
    own = {client: zcdp_epsilon(count[release] * 0.5, 1e-4) for client, count in counts.items()}
    assert epsilons.rounds[-1] == pytest.approx({**own, "all": max(own.values())}, rel=1e-4)
    assert privacy.accounted.epsilon == pytest.approx(max(own.values()), rel=1e-4)
    assert privacy.accounted.reason is None
    for before, after in zip(epsilons.rounds, epsilons.rounds[1:], strict=False):
        assert all(after[client] >= before[client] for client in before)
    assert epsilons.rounds[0]["all"] < epsilons.rounds[-1]["all"]


def test_a_release_is_entered_before_it_is_made(toy_task, toy_data, fit):
    class Broken(LaplaceMechanism):
        def add_noise_(self, *arguments):
            raise OSError("power cut")

    privacy = DifferentialPrivacy("batch", FixedThreshold(1.0), Broken(), 1.0)
    with pytest.raises(OSError, match="power cut"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy)
    assert privacy.ledger.events("alps") == {Release("Broken", 1.0, 2.0): 1}


class Uniform(Mechanism):
    def sample(self, size, scale, source):
        return source.normal(size) * scale


@pytest.mark.parametrize(
    ("privacy", "network", "buffers", "reason"),
    [
        (DifferentialPrivacy(), "plain", "average", "no noise is added"),
        (fixed(0.0), "plain", "average", "noise multiplier is 0"),
        (fixed(), "batchnorm", "average", "running statistics of the network (network.1) are computed from training"),
        (fixed(), "batchnorm", "local", "running statistics of the network (network.1) are computed from training"),
        (fixed(), "batchnorm", "reset", "running statistics of the network (network.1) are computed from training"),
        (fixed(), "plain", "average", None),
        (
            DifferentialPrivacy("batch", PercentileThreshold(), GaussianMechanism(), 50.0),
            "plain",
            "average",
            "raw percentile of private gradient norms",
        ),
        (
            DifferentialPrivacy("batch", FixedThreshold(), Uniform(), 50.0),
            "plain",
            "average",
            "no bound is known here for the noise of Uniform",
        ),
    ],
)
def test_reasons_for_no_guarantee(toy_task, toy_data, fit, privacy, network, buffers, reason):
    trainer = fit(toy_task(network), toy_data(), FederatedLoop(rounds=1, buffers=buffers), privacy)
    stated = privacy.describe().accounted
    assert (stated.delta, stated.reason, stated.not_covered) == (1e-4, privacy.accounted.reason, ())
    assert stated.epsilon == privacy.accounted.epsilon
    epsilons = [metric for metric in privacy.round_metrics(trainer) if metric.name == "epsilon"]
    if reason is None:
        assert 0 < stated.epsilon < math.inf
        assert stated.epsilon == max(stated.by_client.values())
        assert stated.accountant == "zCDP"
        assert stated.reason is None
        assert len(epsilons) == 4
    else:
        assert stated.epsilon is None
        assert (stated.by_client, stated.accountant) == ({}, None)
        assert reason in stated.reason
        assert not epsilons


def test_description():
    privacy = DifferentialPrivacy("batch", PercentileThreshold(), LaplaceMechanism(), 0.1, nominal_epsilon=0.001)
    described = privacy.describe()
    assert described.accounted.epsilon is None
    names = {"unit", "adjacency", "mechanism", "threshold", "nominal_epsilon"}
    assert described.model_dump(include=names) == {
        "unit": "batch",
        "adjacency": "zero-out",
        "mechanism": "LaplaceMechanism",
        "threshold": "PercentileThreshold",
        "nominal_epsilon": 0.001,
    }
    assert DifferentialPrivacy(nominal_epsilon=0.001).describe().nominal_epsilon is None


def test_state_round_trip(toy_task, toy_data, fit, tmp_path):
    def percentile():
        return DifferentialPrivacy("batch", PercentileThreshold(50.0, 5), LaplaceMechanism(), 0.1)

    privacy = percentile()
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy)
    torch.save(privacy.state_dict(), tmp_path / "state")
    restored = percentile()
    restored.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert restored.state_dict() == privacy.state_dict()
    assert restored.describe().model_copy(update={"units_per_step": 4}) == privacy.describe()
    assert restored.threshold.current("alps") == privacy.threshold.current("alps")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"noise_multiplier": -0.1}, r"noise_multiplier .* must be at least 0, but it is -0\.1"),
        ({"noise_multiplier": math.nan}, "noise_multiplier .* but it is nan"),
        ({"noise_multiplier": math.inf}, "noise_multiplier .* but it is inf"),
        ({"noise_multiplier": None}, "give one and leave the other null; they are None and None"),
        ({"target_epsilon": 8.0}, r"give one and leave the other null; they are 1\.0 and 8\.0"),
        ({"noise_multiplier": None, "target_epsilon": 0.0}, "target_epsilon must be greater than 0 and finite"),
        ({"noise_multiplier": None, "target_epsilon": math.inf}, "target_epsilon must be greater than 0 and finite"),
        ({"delta": 0.0}, r"delta must lie between 0 and 1, but it is 0\.0"),
        ({"delta": 1.0}, r"delta must lie between 0 and 1, but it is 1\.0"),
        ({"delta": -1e-5}, "delta must lie between 0 and 1"),
        ({"memory_budget": 0.0}, r"memory_budget is a finite number of MiB above 0, but it is 0\.0"),
        ({"memory_budget": math.inf}, "memory_budget is a finite number of MiB above 0, but it is inf"),
        ({"units_per_step": 0}, "units_per_step must be at least 1, but it is 0"),
        ({"threshold": None}, r"privacy\.unit is batch, so privacy\.threshold"),
        ({"mechanism": None}, r"privacy\.unit is batch, so .* privacy\.mechanism"),
        ({"unit": "image"}, r"privacy\.unit is image; possible are none, batch, record, patient, client"),
        (
            {"sampling": "fixed"},
            r"privacy\.sampling is fixed, which keeps units in their batches, but privacy\.unit is batch",
        ),
        ({"sampling": "all"}, r"privacy\.sampling is all; possible are shuffle, poisson, fixed"),
        ({"sampling": "poisson"}, "with privacy.unit batch nothing is gained by sampling"),
        ({"unit": "client", "sampling": "poisson"}, "with privacy.unit client nothing is gained by sampling"),
        ({"threshold": QuantileThreshold()}, "QuantileThreshold counts units, but with privacy.unit batch"),
        ({"threshold": HistogramThreshold()}, "HistogramThreshold counts units, but with privacy.unit batch"),
    ],
)
def test_arguments_out_of_range(arguments, sentence):
    private = {
        "unit": "batch",
        "threshold": FixedThreshold(),
        "mechanism": LaplaceMechanism(),
        "noise_multiplier": 1.0,
    }
    DifferentialPrivacy(**private)
    with pytest.raises(ConfigError, match=sentence):
        DifferentialPrivacy(**{**private, **arguments})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"gradient_clip_val": 1.0}, r"gradient_clip_val is 1\.0 and privacy\.unit is not none"),
    ],
)
def test_trainer_settings_that_change_a_release(toy_task, toy_data, fit, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), fixed(), NothingTrained(), **arguments)
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), DifferentialPrivacy(), **arguments)


def test_a_loss_that_is_scaled_is_refused():
    """No CPU has this precision."""
    with pytest.raises(ConfigError, match="precision is 16-mixed, but private gradients need 32-true"):
        check_private_trainer(SimpleNamespace(gradient_clip_val=None, precision="16-mixed"))


def test_delta_is_held_against_every_client(toy_task, toy_data, fit):
    """A third was accepted once for a client of three, and anything for the larger ones."""
    with pytest.raises(ConfigError, match=r"delta is 0\.33, but it must be at most 0\.01: it is the probability"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), fixed(delta=0.33), NothingTrained())
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), fixed(delta=0.01))
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), DifferentialPrivacy(delta=0.5))
    check_delta(0.0025, "record", {"small": 3, "large": 200}, "image")
    with pytest.raises(ConfigError, match=r"at most 0\.0025: client large has 200 training images, and it is"):
        check_delta(0.003, "record", {"small": 3, "large": 200}, "image")
    with pytest.raises(ConfigError, match="client large has 200 training lesions"):
        check_delta(0.003, "patient", {"small": 3, "large": 200}, "lesion")
    check_delta(0.01, "client", {"small": 3, "large": 200}, "image")
    with pytest.raises(ConfigError, match="there are 100 clients"):
        check_delta(0.006, "client", dict.fromkeys(map(str, range(100)), 3), "image")


def test_an_optimizer_that_looks_at_several_gradients_for_one_step(toy_task, toy_data, fit):
    task = toy_task(optimizer=lambda parameters: torch.optim.LBFGS(parameters, max_iter=4))
    with pytest.raises(ConfigError, match="LBFGS computes several gradients for one step"):
        fit(task, toy_data(), FederatedLoop(rounds=1), fixed())


def test_needs_a_federated_loop(toy_task, toy_data, fit):
    with pytest.raises(ConfigError, match="trains under a FederatedLoop; add one to the Trainer's callbacks"):
        fit(toy_task(), toy_data(), fixed())
