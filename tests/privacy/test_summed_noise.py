"""Noise that clients share: the sum has all of it, one client a part, and whatever is not proved has no epsilon."""

import math
import re
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.deploy.hospital_terms import check_noise
from adpfl_bench.deploy.refusal import Refusal
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.aggregation import CoordinateMedian
from adpfl_bench.federation.client_methods import Ditto, FedProx
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.guarantee import ONE_CLIENT, PrivacySetting, guarantee
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.privacy.lineage import Ancestor, inherit
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.randomness import Seeded
from adpfl_bench.privacy.summed_discrete_noise import SummedDiscreteGaussianMechanism
from adpfl_bench.privacy.summed_noise import SummedGaussianMechanism, sum_faults
from adpfl_bench.privacy.thresholds import FixedThreshold
from adpfl_bench.seeding import torch_generator
from tests.toy_federation import ToyDataModule, looks_on

SIZES = {"alps": 6, "bay": 9, "cape": 3}


def private(unit="record", honest=3, threshold=None, delta=1e-2, kind=SummedGaussianMechanism, **settings):
    more = {"units_per_step": 100} if unit != "client" else {}
    mechanism = kind(honest)
    return DifferentialPrivacy(
        unit, threshold or FixedThreshold(0.1), mechanism, 2.0, delta=delta, **{**more, **settings}
    )


@pytest.fixture
def accounted(toy_task, fit):
    """Trains two rounds, and returns what is accounted."""

    def run(privacy, optimizer=None, data=None, **federated):
        plain = optimizer or (lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        task = toy_task(optimizer=plain)
        fit(task, data or ToyDataModule(SIZES), FederatedLoop(rounds=2, **federated), privacy, limit_val_batches=0)
        return privacy.accounted

    return run


@looks_on
class FailsInTheThirdRound(Callback):
    """Raises a sentence."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.current_epoch == 2:
            raise BenchError("The cat has walked over the keyboard.")


def faults(privacy, optimizer=None, **federated):
    """What is wrong with the sum of a federation."""
    settings = FederatedLoop(rounds=2, **federated).settings
    made = (optimizer or (lambda parameters: torch.optim.SGD(parameters, lr=0.1)))([torch.nn.Parameter(torch.zeros(1))])
    how = privacy.unit, privacy.threshold, privacy.sampling, settings, made
    return list(sum_faults(privacy.mechanism, *how, SIZES, SIZES, privacy.units_per_step or 4))


def test_what_is_proved_has_no_fault():
    assert faults(private()) == []
    assert faults(private("client"), aggregation_weights="uniform", local_epochs=3) == []


@pytest.mark.parametrize("honest", [1, 4, 9])
def test_the_parts_of_so_many_clients_have_the_accounted_noise_together(honest):
    mechanism, source = SummedGaussianMechanism(honest), Seeded(torch_generator(0, "sum"))
    parts = []
    for _ in range(honest):
        total = [torch.zeros(40_000)]
        scale = mechanism.add_to_sum_(total, 0.5, 3.0, source)
        assert scale == pytest.approx(1.5 / math.sqrt(honest))
        parts.append(total[0])
    assert float(sum(parts).std()) == pytest.approx(1.5, rel=0.02)
    assert float(parts[0].std()) == pytest.approx(1.5 / math.sqrt(honest), rel=0.02)


@pytest.mark.parametrize("kind", [SummedGaussianMechanism, SummedDiscreteGaussianMechanism])
@pytest.mark.parametrize(
    ("unit", "federated"), [("record", {}), ("patient", {}), ("client", {"aggregation_weights": "uniform"})]
)
def test_a_round_is_one_release_of_the_sum_and_says_what_it_is_not_about(accounted, unit, federated, kind):
    privacy = private(unit, kind=kind)
    found = accounted(privacy, **federated)
    assert found.reason is None
    assert found.epsilon == pytest.approx(client_epsilon({Release("GaussianMechanism", 2.0): 2}, 1e-2))
    assert ONE_CLIENT in found.not_covered
    assert privacy.describe().trust == "sum"


def test_the_global_model_moves_by_the_mean_over_all_units_under_the_whole_noise(toy_task, fit):
    """Brute force: a run without noise and one with it differ by lr / n times noise of the accounted scale."""
    ends = []
    for z in (0.0, 5.0):
        task = toy_task("unused", optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0))
        privacy = DifferentialPrivacy(
            "record", FixedThreshold(0.1), SummedGaussianMechanism(3), z, delta=1e-2, units_per_step=100
        )
        fit(task, ToyDataModule(SIZES), FederatedLoop(rounds=1), privacy, limit_val_batches=0)
        ends.append(torch.cat([p.detach().flatten() for p in task.parameters()]))
    assert float((ends[1] - ends[0]).std()) == pytest.approx(5.0 * 0.1 / 18, rel=0.05)


def test_whole_numbers_are_sent_by_every_client_and_a_killed_run_goes_on_to_the_bit(toy_task, fit, tmp_path):
    def run(*callbacks, **arguments):
        task = toy_task("unused", optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        privacy = private(kind=SummedDiscreteGaussianMechanism)
        sent, noised = [], privacy.engine._noised

        def watched(client, total, *rest):
            found = noised(client, total, *rest)
            sent.append(torch.cat([tensor.flatten() for tensor in total]) / privacy.mechanism.lattice_of(0.1))
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(privacy.engine, "_noised", watched)
            data, loop = ToyDataModule(SIZES), FederatedLoop(rounds=4)
            fit(task, data, loop, privacy, *callbacks, limit_val_batches=0, **arguments)
        return task.state_dict(), privacy, sent

    whole, before, sent = run()
    assert len(sent) == 12
    assert all(torch.equal(own, own.round()) for own in sent)
    assert max(float(own.abs().max()) for own in sent) < 2**24  # which float32 holds
    with pytest.raises(BenchError, match="cat"):
        run(ModelCheckpoint(tmp_path, save_last=True), FailsInTheThirdRound())
    again, resumed, _ = run(ckpt_path=tmp_path / "last.ckpt")
    assert all(torch.equal(value, again[name]) for name, value in whole.items())
    assert resumed.ledger.state_dict() == before.ledger.state_dict()
    assert resumed.accounted.epsilon == before.accounted.epsilon


def test_a_sum_that_might_wrap_around_is_refused_before_training(accounted):
    privacy = private(kind=lambda honest: SummedDiscreteGaussianMechanism(honest, modulus_bits=20))
    with pytest.raises(ConfigError, match=r"over 18 units of 3 clients may take 24 bits, .* set it to 24"):
        accounted(privacy)


@pytest.mark.parametrize(
    ("privacy", "federated", "says"),
    [
        ({"threshold": QuantileThreshold()}, {}, "FixedThreshold alone"),
        ({"honest": 4}, {}, "a round has 3 participants, but the noise is shared by 4"),
        ({}, {"clients_per_round": 2}, "a round has 2 participants"),
        ({}, {"dropout": 0.8, "seed": 1}, "a round has [12] participants"),
        ({"units_per_step": 4}, {}, "one step a turn on all units"),
        ({}, {"local_epochs": 2}, "one step a turn on all units"),
        ({"sampling": "poisson"}, {}, "that are shuffled"),
        ({}, {"aggregator": CoordinateMedian()}, "WeightedMean alone"),
        ({}, {"aggregation_weights": "uniform"}, "weigh by their examples"),
        ({}, {"client_method": FedProx()}, "plain clients"),
        ({}, {"client_method": Ditto()}, "plain clients"),
        ({"unit": "client"}, {}, "uniform alone"),
        ({"unit": "batch", "units_per_step": None}, {}, "units client, and record"),
    ],
)
def test_what_is_no_such_sum_is_named(privacy, federated, says):
    assert any(re.search(says, fault) for fault in faults(private(**privacy), **federated))


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
        lambda parameters: torch.optim.SGD(parameters, lr=0.1, weight_decay=0.1),
    ],
)
def test_an_optimizer_whose_step_is_not_the_release_is_named(optimizer):
    assert any("plain SGD alone" in fault for fault in faults(private(), optimizer))


def test_a_run_that_is_no_such_sum_has_no_epsilon(accounted):
    found = accounted(private(threshold=QuantileThreshold()), local_epochs=2)
    assert found.epsilon is None
    assert "FixedThreshold alone" in found.reason
    assert "one step a turn" in found.reason


def test_without_a_federation_or_with_secret_noise_or_in_an_audit_it_is_nothing():
    mechanism = SummedGaussianMechanism(2)
    setting = PrivacySetting("record", FixedThreshold(), mechanism, 1.0)
    assert "a federation's updates alone" in guarantee(setting).reason
    with pytest.raises(ConfigError, match=r"use GaussianMechanism where privacy\.secure"):
        private(secure=True)
    with pytest.raises(ConfigError, match="honest_clients must be at least 1"):
        SummedGaussianMechanism(0)
    with pytest.raises(ConfigError, match="An audit attacks what each client sends"):
        PrivacyAudit(10).plant(private(), 0)
    with pytest.raises(Refusal, match="a trusted sum, which a deployment does not have"):
        check_noise(private(), SimpleNamespace(name="west", test_noise="0" * 32, require=None))


def test_weights_of_another_trust_have_no_guarantee_beside_these():
    spent = PrivacyLedger()
    spent.add("a", Release("GaussianMechanism", 2.0))
    before = [Ancestor("1", "real", "cohort", "division", "record", None, spent.state_dict(), trust="sum")]
    assert inherit(before, "cohort", "division", "record", "sum").by_client == {
        "a": {Release("GaussianMechanism", 2.0): 1}
    }
    assert "under another trust (sum)" in inherit(before, "cohort", "division", "record").reason
    assert inherit(before, "other", "division", "record").reason is None


def test_what_a_mechanism_trusts_is_part_of_its_class():
    assert (GaussianMechanism().trust, SummedGaussianMechanism(2).trust) == ("server", "sum")
