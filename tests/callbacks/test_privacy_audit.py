"""What canaries do to a run and what they leave alone, and how much of them an attack sees."""

import copy

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.privacy_audit import PrivacyAudit
from adpfl_bench.data.rounds.canaries import Canaries
from adpfl_bench.data.rounds.round_plan import CanaryExample, ExampleKey
from adpfl_bench.data.rounds.training_plan import TrainingPlan
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import Ditto, FedProx, Scaffold
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.training_batch import Example
from adpfl_bench.privacy.audit.witness import CHECKS
from adpfl_bench.privacy.clipping import clip_factors
from adpfl_bench.privacy.mechanisms import LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from tests.callbacks.audits import WideTask, failed, per_record, sgd
from tests.callbacks.audits import audited as audited
from tests.toy_federation import ToyDataModule

SETTINGS = {
    "none": DifferentialPrivacy,
    "record": lambda: per_record(0.0),
    "patient": lambda: per_record(0.0, unit="patient"),
    "poisson": lambda: per_record(0.0, sampling="poisson"),
    "batch": lambda: per_record(0.0, unit="batch", threshold=FixedThreshold(0.05)),
    "batch-percentile": lambda: per_record(0.0, unit="batch", threshold=PercentileThreshold()),
    "quantile": lambda: per_record(0.0, LaplaceMechanism(), QuantileThreshold()),
}


@pytest.mark.parametrize(("name", "seed"), [*((name, 0) for name in SETTINGS), ("none", 1), ("record", 1)])
def test_without_noise_the_bound_is_the_ceiling(audited, toy_data, name, seed):
    data = toy_data({"alps": 12, "cape": 3}, batch_size=12)  # few steps, since each is made several times by an audit
    rounds = 8 if name == "poisson" else 2  # until every canary that is in has been drawn
    result, _ = audited(SETTINGS[name](), canaries=40, rounds=rounds, seed=seed, delta=1e-5, data=data)
    assert (result.guesses, result.correct) == (40, 40)
    assert result.epsilon == result.ceiling > 2.2
    assert result.accounted is None
    assert failed(result) == []


class VolumeData(ToyDataModule):
    """The toy's pictures as volumes of 8x8x6 voxels with two regions."""

    def load_cases(self, cases):
        pictures = super().load_cases(cases)

        class Volumes(type(pictures)):
            def __getitem__(self, key):
                record = super().__getitem__(key)
                label = record.label[..., None].repeat(2, 1, 1, 6)
                return Example(record.image[..., None].repeat(1, 1, 1, 6), label)

        pictures.__class__ = Volumes
        return pictures


class VolumeTask(WideTask):
    """A 3-D network of two regions."""

    regions = ("one", "two")
    spatial_dims = 3

    def configure_network(self, network, arguments):
        with torch.random.fork_rng():
            torch.manual_seed(7)
            return nn.Sequential(
                nn.Conv3d(1, 8, 3, padding=1), nn.InstanceNorm3d(8), nn.Tanh(), nn.Conv3d(8, 2, 3, padding=1)
            )


@pytest.mark.parametrize("name", ["none", "patient", "batch"])
def test_volumes_without_noise(audited, name):
    data = VolumeData({"alps": 6, "cape": 3})
    result, _ = audited(SETTINGS[name](), data=data, task=VolumeTask("volume", optimizer=sgd), guesses=40, delta=1e-5)
    assert result.correct == 40
    assert result.epsilon == result.ceiling > 2.2
    assert failed(result) == []
    assert result.verdict == "nothing accounted that could be contradicted"


def test_much_noise_proves_nothing(audited):
    result, _ = audited(per_record(100.0), canaries=20)
    assert result.epsilon < 0.2
    assert result.verdict == "consistent"


@pytest.mark.parametrize("method", [FedProx(0.5), Scaffold(), Ditto(0.5)], ids=["fedprox", "scaffold", "ditto"])
def test_what_a_client_method_adds_to_a_release_is_no_breach(audited, method):
    result, _ = audited(per_record(2.0), canaries=20, federated={"client_method": method})
    assert failed(result) == []
    assert [check.passed for check in result.checks.values()] == [True] * len(CHECKS)
    assert result.verdict == "consistent"


class Batches(Callback):
    """Keeps every batch, and the gradient as it is released."""

    def __init__(self):
        self.batches, self.gradients = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.batches.append(batch)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.gradients.append(torch.cat([p.grad.flatten() for p in pl_module.parameters()]).clone())


@pytest.mark.parametrize("sampling", ["shuffle", "poisson"])
@pytest.mark.parametrize("unit", ["record", "patient"])
def test_a_canary_that_is_out_keeps_its_place_and_brings_nothing(audited, unit, sampling):
    kept = Batches()
    _, audit = audited(per_record(1.0, unit=unit, sampling=sampling), more=[kept])
    canaries = audit._canaries
    assert canaries.client == "cape"
    assert 0 < canaries.included.sum() < 40
    per_canary = {"record": 1, "patient": 2}[unit]
    assert canaries.records == per_canary
    drawn = np.zeros(40)
    for batch in kept.batches:
        owners, slots = batch.canaries.owners, list(batch.canaries.slots)
        present = set(batch.canaries.present)
        assert present == {slot for slot in slots if canaries.included[slot]}
        assert all(owners.count(owner) == per_canary for owner in present)
        drawn[slots] += 1
        others = len({int(u) for u, owner in zip(batch.units, owners, strict=True) if owner is None})
        if sampling == "shuffle":
            assert batch.planned_units == others + len(slots)
        else:
            assert batch.planned_units == 4
        assert batch.divisor == 4
        if batch.client == "cape":
            assert batch.pass_steps == 11  # of 3 + 40 units, in fours
            assert batch.sampling_rate == (4 / 43 if sampling == "poisson" else 1)
        else:
            assert slots == []
        numbers = batch.units.tolist()
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(len(set(numbers))))
    if sampling == "shuffle":
        assert (drawn == 2).all()


@pytest.mark.parametrize("threshold", [None, 0.05])
def test_in_a_mean_a_canary_that_is_out_counts_as_zero(audited, threshold):
    """Its record stays in the divisor."""
    kept, task = Batches(), WideTask("wide", optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    privacy = DifferentialPrivacy()
    if threshold is not None:
        privacy = per_record(0.0, unit="batch", threshold=FixedThreshold(threshold))
    _, audit = audited(privacy, more=[kept], task=task)
    out = 0
    for batch, gradient in zip(kept.batches, kept.gradients, strict=True):
        inside = [owner is None or audit._canaries.included[owner] for owner in batch.canaries.owners]
        out += inside.count(False)
        losses = task.example_losses(batch.image, batch.label)
        mean = (losses * torch.tensor(inside)).sum() / len(inside)
        expected = torch.cat([g.flatten() for g in torch.autograd.grad(mean, list(task.parameters()))])
        if threshold is not None:
            expected *= clip_factors(expected.norm(), threshold)
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-7)
    assert out > 10


def test_auditing_changes_nothing_of_the_training(audited, toy_data, fit):
    """The run is the one of a federation that has the canaries' records for good."""
    task = WideTask("wide", optimizer=sgd)
    start = copy.deepcopy(task)
    privacy = per_record(1.0, threshold=QuantileThreshold())
    audited(privacy, task=task)

    class Plants(PrivacyAudit):
        def see_release(self, batch, seen):
            pass

        def see_gradient(self, batch):
            pass

        def on_train_end(self, trainer, pl_module):
            pass

    alone = per_record(1.0, threshold=QuantileThreshold())
    data = toy_data({"alps": 12, "cape": 3})
    fit(start, data, FederatedLoop(rounds=2), alone, Plants(40), limit_val_batches=0)
    assert all(torch.equal(a, b) for a, b in zip(task.parameters(), start.parameters(), strict=True))
    assert task.local_step is None


def test_canaries_are_records_like_the_others_and_follow_the_seed(toy_data):
    data, canaries = toy_data(), Canaries(10, seed=3, records=2, by_patient=True, client="bay")
    data.setup("fit")
    data.use_plan(TrainingPlan(canaries=canaries))
    examples = canaries.add_to(data._examples, ExampleKey(0, 0))
    assert data.train_sizes == {"alps": 12, "bay": 9 + 20, "cape": 3}
    made, other = examples[CanaryExample(1, 1)], examples[CanaryExample(2, 0)]
    own = examples[ExampleKey(0, 5)]
    for name in ("image", "label"):
        assert getattr(made, name).shape == getattr(own, name).shape
        assert getattr(made, name).dtype == getattr(own, name).dtype
        assert torch.equal(getattr(made, name), getattr(examples[CanaryExample(1, 1)], name))
        assert not torch.equal(getattr(made, name), getattr(other, name))
    assert sorted(made.label.unique().tolist()) == [-100, 101]
    assert (Canaries(100, 3).included == Canaries(100, 3).included).all()
    assert (Canaries(100, 3).included != Canaries(100, 4).included).any()
    assert data.describe().canaries.model_dump() == {
        "client": "bay",
        "count": 10,
        "included": int(canaries.included.sum()),
        "records": 2,
    }
    for split in ("validation", "test"):
        cases = [case.case_id for client in data.clients for case in getattr(client, split)]
        assert len(cases) == 8
        assert all(not case.startswith("canary") for case in cases)


def test_the_accounted_epsilon_is_that_of_the_client_that_they_join(audited):
    privacy = per_record(1.0, sampling="poisson", threshold=QuantileThreshold())
    result, _ = audited(privacy, canaries=20, client="alps")
    assert result.client == "alps"
    assert result.accounted == privacy.engine.books.epsilons(1e-3)["alps"] != privacy.accounted.epsilon
    looser, _ = audited(per_record(1.0, sampling="poisson"), canaries=20, client="alps", delta=1e-5)
    assert looser.accounted > result.accounted
    assert looser.delta == 1e-5


def test_workers_load_canaries(audited, toy_data):
    one, _ = audited(per_record(0.5), canaries=20)
    two, _ = audited(per_record(0.5), canaries=20, data=toy_data({"alps": 12, "cape": 3}, num_workers=1))
    assert one == two


def test_secure_noise_is_noise_of_the_stated_law(audited):
    result, _ = audited(per_record(2.0, secure=True, threshold=QuantileThreshold()), canaries=20)
    assert failed(result) == []
    assert [check.passed for check in result.checks.values()] == [True] * len(CHECKS)


def test_bf16(audited):
    result, _ = audited(per_record(0.0), trainer={"precision": "bf16-mixed"}, guesses=40, delta=1e-5)
    assert result.correct >= 38
    assert failed(result) == []


def test_the_clients_of_a_round_are_drawn(audited, toy_data):
    data = toy_data({"alps": 12, "bay": 9, "cape": 3})
    result, _ = audited(per_record(1.0), data=data, rounds=3, federated={"clients_per_round": 2})
    assert failed(result) == []
    schedule = RoundSchedule(3, 0, clients_per_round=2)
    steps = {"alps": 3, "bay": 3, "cape": 11}
    planned = sum(steps[client] for r in range(3) for client in schedule.participants(r, list(steps)))
    assert result.checks["release count"].figures["planned"] == planned


@pytest.mark.parametrize(
    ("federated", "client"),
    [({"pooled": True}, "all clients"), ({"held_out_clients": ["cape"]}, "alps")],
)
def test_canaries_are_where_the_training_is(audited, federated, client):
    """Without noise they are all found out, so they have really been trained on."""
    result, _ = audited(per_record(0.0), canaries=40, guesses=40, delta=1e-5, federated=federated)
    assert result.client == client
    assert result.correct == 40
    assert failed(result) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"client": "cape", "federated": {"held_out_clients": ["cape"]}}, "cape, which federated.held_out_clients"),
        ({"confidence": 1.0}, "audit.confidence must lie between 0 and 1, but it is 1.0"),
        ({"delta": 0.0}, "audit.delta must lie between 0 and 1"),
        ({"canaries": 0}, "audit.canaries must be at least 1"),
        ({"canaries": 10, "guesses": 11}, "audit.guesses must lie between 1 and audit.canaries = 10"),
        ({"client": "nobody"}, "audit.client is nobody; possible are alps, cape"),
        ({"records": 2}, "audit.records is 2, but with privacy.unit record a canary is one example"),
    ],
)
def test_settings_that_are_refused(audited, arguments, message):
    with pytest.raises(ConfigError, match=message):
        audited(per_record(1.0), **arguments)


def test_runs_that_are_refused(audited, toy_task, toy_data, fit, tmp_path):
    with pytest.raises(ConfigError, match=r"leave out audit\.client and audit\.records"):
        audited(per_record(1.0, unit="client"), client="cape")
    for network, message in (("dropout", "Dropout, so that gradients cannot be computed"), ("batchnorm", "mix")):
        with pytest.raises(ConfigError, match=message):
            audited(DifferentialPrivacy(), task=toy_task(network))


def test_an_audit_is_not_continued(audited, fit, toy_data):
    checkpoint = ModelCheckpoint(save_on_train_epoch_end=True, filename="last")
    audited(per_record(1.0), more=[checkpoint], rounds=1, trainer={"enable_checkpointing": True})
    data, privacy, audit = toy_data({"alps": 12, "cape": 3}), per_record(1.0), PrivacyAudit(40)
    with pytest.raises(ConfigError, match="must see every release of a run from its first round on"):
        fit(
            WideTask("wide", optimizer=sgd),
            data,
            FederatedLoop(rounds=2),
            privacy,
            audit,
            ckpt_path=checkpoint.best_model_path,
            limit_val_batches=0,
        )


@pytest.mark.parametrize("sampling", ["shuffle", "poisson"])
def test_an_honest_run_in_double_precision(audited, sampling):
    result, audit = audited(per_record(1.0, sampling=sampling), trainer={"precision": "64-true"})
    assert failed(result) == []
    assert result.checks["sensitivity"].figures["largest_move"] == pytest.approx(1, abs=1e-3)
    example = audit._canaries.example(CanaryExample(0, 0))
    torch.set_default_dtype(torch.float64)
    try:
        again = audit._canaries.example(CanaryExample(0, 0))
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(one, other) for one, other in zip(example, again, strict=True))
