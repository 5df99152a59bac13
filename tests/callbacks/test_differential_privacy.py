"""What the optimizer is given: clipped gradients under noise of the stated law and scale."""

import copy
import math

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from scipy import stats

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.errors import BenchError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.privacy.mechanisms import GaussianMechanism, LaplaceMechanism
from adpfl_bench.privacy.thresholds import FixedThreshold, PercentileThreshold

UNUSED = slice(40, 5040)  # coordinates of the parameter without a gradient, in the network that has one
MECHANISMS = [(LaplaceMechanism, stats.laplace), (GaussianMechanism, stats.norm)]


class Gradients(Callback):
    """The gradients of every step as they are computed, [steps, parameters]."""

    def __init__(self):
        self.steps, self.turns, self.states = [], [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.note(pl_module)

    def note(self, pl_module):
        self.steps.append([torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in pl_module.parameters()])
        self.states.append(torch.get_rng_state())

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.turns.append((batch.round, batch.client))

    @property
    def flat(self):
        return torch.stack([torch.cat([part.flatten() for part in step]) for step in self.steps])


class UsedGradients(Gradients):
    """The gradients that every step was made on."""

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        pass

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.note(pl_module)


@pytest.fixture
def released(toy_task, toy_data, fit):
    """Trains, and returns raw and released gradients with the thresholds that were used."""

    def run(privacy, network="plain", rounds=3, seed=0, data=None, **arguments):
        raw, noisy = Gradients(), UsedGradients()
        task = toy_task(network)
        loop = FederatedLoop(rounds=rounds, seed=seed)
        fit(task, data or toy_data(), raw, loop, privacy, noisy, limit_val_batches=0, **arguments)
        return raw, noisy, task

    return run


class Recorded(PercentileThreshold):
    """Writes down what it is shown, and what it answers."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.calls = []

    def observe(self, client, norms):
        super().observe(client, norms)
        self.calls += [(client, norm, self.current(client)) for norm in norms]


@pytest.mark.parametrize("threshold", [FixedThreshold(0.05), FixedThreshold(100.0), PercentileThreshold(30.0, 4)])
def test_without_noise_the_gradient_is_clipped_exactly(released, threshold):
    """Abadi et al. 2016, Algorithm 1."""
    raw, noisy, _ = released(DifferentialPrivacy("batch", threshold, LaplaceMechanism(), 0.0))
    window, clipped = {}, 0
    for (_, client), before, after in zip(raw.turns, raw.flat, noisy.flat, strict=True):
        norm = float(before.double().norm())
        window.setdefault(client, []).append(norm)
        c = threshold.value if isinstance(threshold, FixedThreshold) else np.percentile(window[client][-4:], 30)
        torch.testing.assert_close(after, before * min(1.0, c / norm), rtol=2e-5, atol=1e-9)
        clipped += norm > c
    expected = {0.05: len(raw.turns), 100.0: 0}.get(getattr(threshold, "value", None))
    assert clipped == expected if expected is not None else 0 < clipped < len(raw.turns)


@pytest.mark.parametrize(("mechanism", "law"), MECHANISMS)
@pytest.mark.parametrize("z", [0.2, 3.0])
def test_noise_arrives_in_the_gradient_with_scale_z_times_c(released, mechanism, law, z):
    threshold = Recorded(50.0, 6)
    raw, noisy, _ = released(DifferentialPrivacy("batch", threshold, mechanism(), z), network="unused", rounds=2)
    standardised = []
    for before, after, (_, norm, c) in zip(raw.flat, noisy.flat, threshold.calls, strict=True):
        assert norm == pytest.approx(float(before.double().norm()), rel=1e-5)
        standardised.append(((after - before * min(1.0, c / norm)).double() / (z * c)).numpy())
    standardised = np.array(standardised)
    gradient, unused = np.delete(standardised, UNUSED, axis=1), standardised[:, UNUSED]
    assert not raw.flat[:, UNUSED].any()
    assert raw.flat[:, :40].any()
    for residual in (gradient.ravel(), unused.ravel()):
        assert stats.kstest(residual, law.cdf).pvalue > 0.01
    assert stats.kstest(unused.ravel(), law(scale=1.05).cdf).pvalue < 1e-3


def test_noise_differs_between_rounds_clients_steps_and_parameters(released):
    privacy = DifferentialPrivacy("batch", FixedThreshold(1.0), GaussianMechanism(), 1.0)
    _, noisy, _ = released(privacy, network="unused")
    assert set(noisy.turns) == {(r, client) for r in range(3) for client in ("alps", "bay", "cape")}
    noise = noisy.flat[:, UNUSED].double().numpy()
    correlation = np.corrcoef(noise)
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 5 / math.sqrt(5000)
    halves = [abs(np.corrcoef(step[:2500], step[2500:])[0, 1]) for step in noise]
    assert max(halves) < 5 / math.sqrt(2500)


def test_noise_follows_the_seed_alone(released):
    def noise(seed):
        torch.seed()
        privacy = DifferentialPrivacy("batch", FixedThreshold(1.0), LaplaceMechanism(), 0.5)
        return released(privacy, network="unused", seed=seed, rounds=2)[1].flat[:, UNUSED]

    first = noise(1)
    assert torch.equal(first, noise(1))
    assert abs(np.corrcoef(first.flatten(), noise(2).flatten())[0, 1]) < 0.02


def test_noise_leaves_the_global_generator_alone(released):
    privacy = DifferentialPrivacy("batch", FixedThreshold(1.0), LaplaceMechanism(), 0.5)
    raw, noisy, _ = released(privacy, network="dropout")
    assert all(torch.equal(before, after) for before, after in zip(raw.states, noisy.states, strict=True))


def test_the_optimizer_steps_on_the_released_gradient(toy_task, toy_data, fit, difference):
    task, noisy = toy_task(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1)), UsedGradients()
    start = copy.deepcopy(dict(task.named_parameters()))
    privacy = DifferentialPrivacy("batch", FixedThreshold(0.5), LaplaceMechanism(), 0.3)
    fit(task, toy_data({"only": 12}), FederatedLoop(rounds=2), privacy, noisy)
    expected = {name: start[name] - 0.1 * sum(step[index] for step in noisy.steps) for index, name in enumerate(start)}
    assert difference(expected, task.state_dict()) < 1e-6


def test_frozen_parameters_are_neither_noised_nor_changed(toy_task, toy_data, fit):
    task = toy_task()
    start = copy.deepcopy(task.state_dict())
    task.network[0].weight.requires_grad_(False)
    privacy = DifferentialPrivacy("batch", FixedThreshold(1.0), LaplaceMechanism(), 0.5)
    fit(task, toy_data(), FederatedLoop(rounds=2), privacy)
    assert torch.equal(task.network[0].weight, start["network.0.weight"])
    assert task.network[0].weight.grad is None
    assert not torch.equal(task.network[0].bias, start["network.0.bias"])


@pytest.mark.parametrize("privacy", [None, DifferentialPrivacy(), DifferentialPrivacy("none", noise_multiplier=5.0)])
def test_unit_none_changes_nothing(toy_task, toy_data, fit, difference, plain_federation, privacy):
    task, data = toy_task(), toy_data()
    start = copy.deepcopy(task)
    fit(task, data, FederatedLoop(rounds=2), *([privacy] if privacy else []))
    reference = plain_federation(start, data, RoundSchedule(2), lambda p: torch.optim.AdamW(p, lr=0.02))
    assert difference(reference[-1], task.state_dict()) < 1e-6
    if privacy:
        assert privacy.ledger.clients() == ()


@pytest.mark.parametrize("percentile", [25.0, 50.0, 90.0])
def test_percentile_clipping_equals_a_plain_loop(
    toy_task, toy_data, fit, history, plain_federation, difference, percentile
):
    """Norms, thresholds and weights of a whole run, with NumPy's percentile; windows go on from round to round."""

    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=1.0)

    task, data, threshold = toy_task(optimizer=sgd), toy_data(), Recorded(percentile, 5)
    start = copy.deepcopy(task)
    loop, privacy = FederatedLoop(rounds=3), DifferentialPrivacy("batch", threshold, LaplaceMechanism(), 0.0)
    trainer = fit(task, data, loop, privacy, history)

    norms, thresholds = {}, {}

    def clip(client, gradients):
        norm = math.sqrt(sum(float((gradient.double() ** 2).sum()) for gradient in gradients))
        norms.setdefault(client, []).append(norm)
        c = float(np.percentile(norms[client][-5:], percentile))
        thresholds.setdefault(client, []).append(c)
        for gradient in gradients:
            gradient.mul_(min(1.0, c / norm))

    reference = plain_federation(start, data, RoundSchedule(3), sgd, on_gradient=clip)
    for ours, expected in zip(history.rounds, reference, strict=True):
        assert difference(expected, ours) < 2e-5  # clipping stays five parts in a million below C
    for client in data.train_sizes:
        own = [(norm, c) for name, norm, c in threshold.calls if name == client]
        np.testing.assert_allclose(own, np.transpose([norms[client], thresholds[client]]), rtol=1e-4)

    metrics = {(metric.client, metric.name): metric.value for metric in privacy.round_metrics(trainer)}
    for client, size in data.train_sizes.items():
        steps = math.ceil(size / data.batch_size)
        last, used = np.array(norms[client][-steps:]), np.array(thresholds[client][-steps:])
        assert metrics[client, "clipping_threshold"] == pytest.approx(used[-1], rel=1e-4)
        assert metrics[client, "clipped_fraction"] == np.mean(last > used * (1 + 1e-6))
        for quantile in (10, 50, 90):
            expected = pytest.approx(np.percentile(last, quantile), rel=1e-4)
            assert metrics[client, f"gradient_norm_p{quantile}"] == expected


def test_metrics_state_the_noise_scale(toy_task, toy_data, fit):
    privacy = DifferentialPrivacy("batch", FixedThreshold(0.5), LaplaceMechanism(), 0.3)
    trainer = fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy)
    scales = {m.client: m.value for m in privacy.round_metrics(trainer) if m.name == "noise_scale"}
    assert scales == pytest.approx({"alps": 0.15, "bay": 0.15, "cape": 0.15})


def test_the_place_among_the_callbacks_does_not_matter(toy_task, toy_data, fit):
    def train(order):
        task = toy_task()
        pair = [FederatedLoop(rounds=2), DifferentialPrivacy("batch", Recorded(50.0, 5), LaplaceMechanism(), 0.1)]
        fit(task, toy_data(), *pair[::order])
        return task.state_dict()

    first, second = train(1), train(-1)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_is_not_released(toy_task, toy_data, fit, value):
    task, loop = toy_task(), FederatedLoop(rounds=3)
    threshold = Recorded(50.0, 5)
    privacy = DifferentialPrivacy("batch", threshold, LaplaceMechanism(), 0.1)
    losses = task.example_losses
    task.example_losses = lambda *arguments: (
        losses(*arguments) * (value if (loop.round, loop.client) == (1, "bay") else 1.0)
    )
    with pytest.raises(BenchError, match=r"The gradient of client bay in round 2 is not finite\. Lower"):
        fit(task, toy_data(), loop, privacy)
    assert all(math.isfinite(norm) for _, norm, _ in threshold.calls)


def test_bf16_is_allowed(released):
    privacy = DifferentialPrivacy("batch", FixedThreshold(0.5), LaplaceMechanism(), 0.1)
    _, noisy, _ = released(privacy, precision="bf16-mixed", rounds=1)
    assert noisy.flat.dtype == torch.float32
