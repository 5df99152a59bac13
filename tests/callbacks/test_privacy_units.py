"""Records, patients and clients as privacy units: what the optimizer and the server are given, and what is entered."""

import copy
import math

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.data.case import Case
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.privacy.accounting import client_epsilon
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.private_thresholds import HistogramThreshold, QuantileThreshold
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold
from tests.toy_federation import ToyDataModule

SIZES = {"alps": 12, "bay": 9, "cape": 3}


class PairsDataModule(ToyDataModule):
    """Two records of a patient, where the split allows it."""

    def scan(self, root):
        cases = enumerate(super().scan(root))
        return [Case(case.case_id, f"{case.site}-{i // 2}", (), None, case.site) for i, case in cases]


def private(unit="record", threshold=None, mechanism=None, z=0.0, **arguments):
    return DifferentialPrivacy(unit, threshold or FixedThreshold(1.0), mechanism or LaplaceMechanism(), z, **arguments)


class Reference(Callback):
    """Each step's clipped sum by one backward pass per example, and the gradient that the optimizer is given."""

    def __init__(self, threshold, order=2):
        self.threshold, self.order, self.pairs, self.norms, self.sizes = threshold, order, [], [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        task = pl_module
        parameters = list(task.parameters())
        total = torch.zeros(sum(p.numel() for p in parameters), dtype=torch.float64)
        units = batch.units.tolist()
        for unit in sorted(set(units)):
            summed = 0
            for i in [i for i, u in enumerate(units) if u == unit]:
                loss = task.example_losses(batch.image[i : i + 1], batch.label[i : i + 1])[0]
                gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
                summed = summed + torch.cat([g.flatten() for g in gradients]).double()
            norm = float(torch.linalg.vector_norm(summed, ord=self.order))
            self.norms.append(norm)
            total += summed * min(1.0, self.threshold / norm)
        self.sizes.append(len(set(units)))
        self.expected = total / batch.divisor

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        given = torch.cat([p.grad.flatten() for p in pl_module.parameters()]).double()
        self.pairs.append((self.expected, given))


@pytest.mark.parametrize("sampling", ["shuffle", "poisson"])
@pytest.mark.parametrize(("unit", "data"), [("record", ToyDataModule), ("patient", PairsDataModule)])
@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_without_noise_the_gradient_is_the_clipped_sum_over_a_public_number(toy_task, fit, unit, data, sampling, norm):
    threshold = {"l2": 0.6, "l1": 3.0}[norm]
    privacy = private(unit, FixedThreshold(threshold), LaplaceMechanism(norm), sampling=sampling, units_per_step=2)
    reference = Reference(threshold, {"l2": 2, "l1": 1}[norm])
    fit(toy_task("unused"), data(SIZES), FederatedLoop(rounds=2, local_epochs=2), privacy, reference)
    assert min(reference.norms) < threshold < max(reference.norms)
    for expected, given in reference.pairs:
        torch.testing.assert_close(given, expected, rtol=1e-4, atol=2e-6)
    if unit == "patient":
        assert max(reference.sizes) <= 2 or sampling == "poisson"
    if sampling == "poisson":
        assert 0 in reference.sizes


def test_normalised_updates_do_not_depend_on_the_threshold(toy_task, toy_data, fit, difference):
    def train(threshold):
        task = toy_task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        fit(task, toy_data(), FederatedLoop(rounds=2), private(threshold=FixedThreshold(threshold), normalize=True))
        return task.state_dict()

    assert difference(train(1e-5), train(1e-4)) < 1e-5


def test_raw_percentile_sees_the_norms_of_the_step_first(toy_task, toy_data, fit):
    class Recorded(PercentileThreshold):
        def observe(self, client, norms):
            super().observe(client, norms)
            self.seen.setdefault(client, []).extend(norms)

    rule = Recorded(50.0, 7)
    rule.seen = {}
    privacy = private(threshold=rule)
    trainer = fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy)
    assert {client: len(norms) for client, norms in rule.seen.items()} == SIZES
    metrics = {(m.client, m.name): m.value for m in privacy.round_metrics(trainer)}
    for client, norms in rule.seen.items():
        assert metrics[client, "clipping_threshold"] == np.percentile(norms[-7:], 50)
        assert metrics[client, "gradient_norm_p50"] == pytest.approx(np.percentile(norms, 50))
    assert "the noise multiplier is 0" in privacy.accounted.reason


class Releases(Callback):
    """The gradient of the parameter that no record influences: noise alone."""

    def __init__(self):
        self.noise, self.sizes = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.sizes.append(len(batch.image))

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.noise.append(pl_module.network[1].weight.grad.clone())


@pytest.mark.parametrize("rule", [FixedThreshold, QuantileThreshold, HistogramThreshold])
def test_an_empty_batch_releases_noise_like_any_other(toy_task, toy_data, fit, rule):
    threshold = rule(0.5) if rule is FixedThreshold else rule(initial=0.5)
    privacy = private(threshold=threshold, mechanism=GaussianMechanism(), z=2.0, sampling="poisson", units_per_step=1)
    seen = Releases()
    fit(toy_task("unused"), toy_data({"only": 6}), FederatedLoop(rounds=3), privacy, seen, limit_val_batches=0)
    empty = [noise for noise, size in zip(seen.noise, seen.sizes, strict=True) if size == 0]
    assert len(empty) > 2
    if rule is FixedThreshold:
        for noise in seen.noise:
            assert float(noise.std()) == pytest.approx(2.0 * 0.5, rel=0.05)
    assert all(bool(noise.all()) for noise in empty)
    assert sum(privacy.ledger.events("only").values()) == len(seen.noise) == 18


@pytest.mark.parametrize(
    ("arguments", "federated", "expected"),
    [
        # One release a pass, whatever the number of steps.
        ({}, {"local_epochs": 2}, {"alps": (1.0, 6), "bay": (1.0, 6), "cape": (1.0, 6)}),
        ({"unit": "patient"}, {}, {"alps": (1.0, 3), "bay": (1.0, 3), "cape": (1.0, 3)}),
        # Batches of 4 expected units: 3, 3 and 1 steps a pass; a client with fewer units is not sampled.
        ({"sampling": "poisson"}, {}, {"alps": (4 / 12, 9), "bay": (4 / 9, 9), "cape": (1.0, 3)}),
        ({"sampling": "poisson"}, {"local_steps": 5}, {"alps": (4 / 12, 15), "bay": (4 / 9, 15), "cape": (1.0, 15)}),
        ({"unit": "client"}, {"local_epochs": 4}, {"alps": (1.0, 3), "bay": (1.0, 3), "cape": (1.0, 3)}),
    ],
)
def test_what_is_entered_and_planned(toy_task, toy_data, fit, arguments, federated, expected):
    privacy = private(mechanism=GaussianMechanism(), z=3.0, **arguments)
    loop = FederatedLoop(rounds=3, **federated)
    data = toy_data(SIZES)
    fit(toy_task(), data, loop, privacy)
    events = {client: {Release("GaussianMechanism", 3.0, 1.0, q): n} for client, (q, n) in expected.items()}
    assert {client: privacy.ledger.events(client) for client in privacy.ledger.clients()} == events
    plan = privacy.settle_noise(loop.schedule, data.unit_sizes, data.units_per_step)
    *_, planned = plan.events_by_round(3.0, loop.schedule, data.unit_sizes)
    assert planned == events
    assert privacy.accounted.epsilon == max(client_epsilon(own, 1e-4) for own in events.values())


@pytest.mark.parametrize(
    ("arguments", "mechanism"),
    [
        ({}, LaplaceMechanism()),
        ({"threshold": QuantileThreshold()}, LaplaceMechanism()),
        ({"threshold": HistogramThreshold(), "unit": "patient"}, GaussianMechanism()),
        ({"sampling": "poisson"}, GaussianMechanism()),
        ({"sampling": "poisson", "threshold": QuantileThreshold()}, LaplaceMechanism("l1")),
        ({"unit": "client"}, GaussianMechanism()),
        ({"unit": "batch"}, LaplaceMechanism()),
    ],
)
def test_a_target_is_reached_and_not_exceeded(toy_task, toy_data, fit, arguments, mechanism):
    privacy = private(mechanism=mechanism, z=None, target_epsilon=2.0, **arguments)
    fit(toy_task(), toy_data(), FederatedLoop(rounds=3, clients_per_round=2), privacy)
    described = privacy.describe()
    assert 1.9 < described.accounted.epsilon <= 2.0
    assert described.target_epsilon == 2.0
    assert described.noise_multiplier == privacy.noise_multiplier > 0
    assert set(described.accounted.by_client) == set(privacy.ledger.clients())


def test_a_target_without_a_proof(toy_task, toy_data, fit):
    privacy = private(threshold=PercentileThreshold(), z=None, target_epsilon=2.0)
    with pytest.raises(ConfigError, match="no epsilon can be accounted: the clipping threshold is a raw percentile"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy)


def test_budget_for_the_indicator_is_checked_with_the_noise_that_is_solved_for(toy_task, toy_data, fit):
    rule = QuantileThreshold(indicator_noise=0.1)
    with pytest.raises(ConfigError, match=r"indicator_noise is 0\.1, but with a noise multiplier of"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), private(threshold=rule, z=None, target_epsilon=2.0))


class Sent(Callback):
    def __init__(self):
        self.before = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if batch_idx == 0:
            self.before.append(copy.deepcopy(pl_module.state_dict()))


def test_what_a_client_sends_is_clipped_as_a_whole(toy_task, toy_data, fit, history):
    """One client: the server's step is the clipped change of the weights."""
    runs = {}
    for name, threshold in (("free", 1e9), ("clipped", 0.01)):
        task, seen = toy_task(), Sent()
        history.rounds.clear()
        fit(
            task,
            toy_data({"only": 12}),
            FederatedLoop(rounds=1),
            private("client", FixedThreshold(threshold)),
            seen,
            history,
        )
        runs[name] = torch.cat([(history.rounds[0][k] - seen.before[0][k]).flatten() for k in seen.before[0]]).double()
    assert float(runs["free"].norm()) > 0.1
    assert float(runs["clipped"].norm()) == pytest.approx(0.01, rel=1e-4)
    torch.testing.assert_close(runs["clipped"] / 0.01, runs["free"] / runs["free"].norm(), rtol=1e-3, atol=1e-5)


def test_every_client_noises_its_own_change(toy_task, toy_data, fit, history):
    privacy = private("client", FixedThreshold(1e-6), GaussianMechanism(), z=1e4)
    task, seen = toy_task("unused"), Sent()
    fit(task, toy_data({"a": 6, "b": 6}), FederatedLoop(rounds=1), privacy, seen, history)
    moved = (history.rounds[0]["network.1.weight"] - seen.before[0]["network.1.weight"]).double()
    assert float(moved.std()) == pytest.approx(1e-2 / math.sqrt(2), rel=0.05)  # two independent noises, half each


def test_adaptive_threshold_of_clients(toy_task, toy_data, fit):
    privacy = private("client", QuantileThreshold(0.5, 0.5, initial=1e-3), GaussianMechanism())
    fit(toy_task(), toy_data({"only": 12}), FederatedLoop(rounds=6), privacy)
    assert privacy.threshold.current("only") == pytest.approx(1e-3 * math.exp(6 * 0.25))


@pytest.mark.parametrize("unit", ["record", "patient"])
def test_layers_that_mix_records_are_refused(toy_task, toy_data, fit, unit):
    with pytest.raises(ConfigError, match=r"network\.1 is BatchNorm2d, whose statistics mix the examples of a batch"):
        fit(toy_task("batchnorm"), toy_data(), FederatedLoop(rounds=1, buffers="reset"), private(unit))
    fit(toy_task("batchnorm"), toy_data(), FederatedLoop(rounds=1, buffers="reset"), private("client"))


def test_a_step_that_releases_nothing_is_an_error(toy_task, toy_data, fit):
    task = toy_task()
    step = type(task).training_step
    task.training_step = lambda batch, batch_idx: None if batch_idx == 2 else step(task, batch, batch_idx)
    with pytest.raises(BenchError, match="A local step was skipped, although the ledger counts a release for it"):
        fit(task, toy_data(), FederatedLoop(rounds=1), private(z=1.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_units_gradient_that_is_not_finite(toy_task, toy_data, fit, value):
    task, loop = toy_task(), FederatedLoop(rounds=3)
    losses = task.example_losses
    task.example_losses = lambda *batch: losses(*batch) * (value if (loop.round, loop.client) == (1, "bay") else 1.0)
    with pytest.raises(BenchError, match=r"The gradient of client bay in round 2 is not finite\. Lower"):
        fit(task, toy_data(), loop, private(z=1.0))


@pytest.mark.parametrize(("unit", "largest"), [("record", 0.0), ("patient", 0.0), ("batch", 0.02), ("client", 0.02)])
def test_what_is_clipped_unit_by_unit_is_computed_in_float32(toy_task, toy_data, fit, difference, unit, largest):
    """Otherwise a unit's gradient would depend on who else is in its batch; elsewhere bfloat16 is as good as any."""

    def train(precision):
        task = toy_task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1))
        fit(task, toy_data(), FederatedLoop(rounds=1), private(unit), precision=precision)
        return task.state_dict()

    moved = difference(train("32-true"), train("bf16-mixed"))
    assert moved <= largest
    assert (moved > 0) == (largest > 0)


def test_the_module_is_left_as_it_was(toy_task, toy_data, fit):
    task, loop = toy_task(), FederatedLoop(rounds=1)
    fit(task, toy_data(), loop, private(z=1.0))
    assert task.local_step is None
    fit(task, toy_data(), loop, private("client", z=1.0))
    assert task.local_step is None


def test_choices_by_validation_are_admitted(toy_task, toy_data, fit, tmp_path):
    privacy, recorder = private(z=5.0), RunRecorder()
    stopping = EarlyStopping("val_dice", mode="max", patience=9)
    best = ModelCheckpoint(tmp_path, monitor="val_dice", mode="max")
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy, recorder, stopping, best)
    assert privacy.accounted.not_covered == ("stopping early by val_dice", "choosing a round by val_dice")
    assert privacy.accounted.epsilon > 0
    assert recorder._record.model.selection == "stopping early by val_dice; choosing a round by val_dice"
    assert privacy.describe().accounted.not_covered == privacy.accounted.not_covered


@pytest.mark.parametrize(
    ("kind", "admitted"),
    [
        ("phantom", ()),
        ("real", ("weights that started from real data",)),
        ("unknown", ("weights that started from unknown data",)),
    ],
)
def test_weights_that_start_from_real_data_are_admitted(toy_task, toy_data, fit, tmp_path, kind, admitted):
    task = toy_task()
    lineage = [{"kind": kind, "cohort": "another"}]
    torch.save({"state_dict": task.state_dict(), "lineage": lineage}, tmp_path / "start.ckpt")
    privacy = private(z=5.0)
    fit(toy_task(init_from=tmp_path / "start.ckpt"), toy_data(), FederatedLoop(rounds=1), privacy)
    assert privacy.accounted.not_covered == admitted


def test_secure_noise_cannot_be_repeated_and_resuming_counts_twice(toy_task, toy_data, fit, tmp_path):
    def train(rounds, folder, **arguments):
        task, privacy = toy_task(), private(mechanism=GaussianMechanism(), z=1.0, secure=True)
        checkpoint = ModelCheckpoint(folder, save_last=True, save_on_train_epoch_end=True)
        more = {"default_root_dir": folder, **arguments}
        fit(task, toy_data(), FederatedLoop(rounds=3), privacy, checkpoint, Stop(rounds), **more)
        return task.state_dict(), privacy

    first, _ = train(3, tmp_path / "a")
    second, whole = train(3, tmp_path / "b")
    assert not torch.equal(first["network.0.weight"], second["network.0.weight"])
    assert {client: sum(whole.ledger.events(client).values()) for client in SIZES} == dict.fromkeys(SIZES, 3)
    with pytest.raises(RuntimeError, match="pulled"):
        train(2, tmp_path / "c")
    _, resumed = train(3, tmp_path / "c", ckpt_path=tmp_path / "c" / "last.ckpt")
    counts = {client: sum(resumed.engine.books.spent.events(client).values()) for client in SIZES}
    assert counts == {"alps": 4, "bay": 3, "cape": 3}


class Stop(Callback):
    """Pulls the plug in the first step of a round."""

    def __init__(self, round_index):
        self.round_index = round_index

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        if trainer.current_epoch == self.round_index:
            raise RuntimeError("pulled")
