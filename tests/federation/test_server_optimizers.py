"""Server optimizers against Algorithm 2 of Reddi et al. 2021 and FedAvgM, in NumPy and float64."""

import copy
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from least_squares import Federation, assert_equal, by_hand, mean_delta
from lightning.pytorch.cli import OptimizerCallable

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.aggregation import CoordinateMedian
from adpfl_bench.federation.server_optimizers import FedAdagrad, FedAdam, FedYogi

OPTIMIZERS = {"FedAdagrad": FedAdagrad, "FedAdam": FedAdam, "FedYogi": FedYogi}
ROUNDS = [("a", "b", "c"), ("b", "d"), ("e", "a", "d")]


class Algorithm2:
    """Equations of the paper's Algorithm 2."""

    def __init__(self, name, lr, beta1, beta2, tau):
        self.name, self.lr, self.beta1, self.beta2, self.tau = name, lr, beta1, beta2, tau
        self.m, self.v = 0.0, tau**2

    def __call__(self, x, delta):
        self.m = self.beta1 * self.m + (1 - self.beta1) * delta
        if self.name == "FedAdagrad":
            self.v = self.v + delta**2
        elif self.name == "FedYogi":
            self.v = self.v - (1 - self.beta2) * delta**2 * np.sign(self.v - delta**2)
        else:
            self.v = self.beta2 * self.v + (1 - self.beta2) * delta**2
        return x + self.lr * self.m / (np.sqrt(self.v) + self.tau)


def make(name, lr, beta1, beta2, tau):
    settings = {"beta1": beta1} if name == "FedAdagrad" else {"betas": (beta1, beta2)}
    return lambda parameters: OPTIMIZERS[name](parameters, lr=lr, tau=tau, **settings)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    ("lr", "beta1", "beta2", "tau"), [(0.03, 0.9, 0.99, 1e-3), (0.1, 0.0, 0.5, 0.3), (1.0, 0.5, 0.0, 0.1)]
)
def test_algorithm_2_by_hand(name, lr, beta1, beta2, tau):
    found = Federation(optimizer=make(name, lr, beta1, beta2, tau)).play(ROUNDS)
    assert_equal(found, by_hand(mean_delta, Algorithm2(name, lr, beta1, beta2, tau), rounds=ROUNDS))


@given(
    name=st.sampled_from(list(OPTIMIZERS)),
    lr=st.floats(1e-3, 10),
    beta1=st.floats(0, 0.99),
    beta2=st.floats(0, 0.999),
    tau=st.floats(1e-5, 1e-1),
    deltas=st.lists(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=3), min_size=1, max_size=6),
)
def test_algorithm_2_for_all_settings(name, lr, beta1, beta2, tau, deltas):
    weights = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer, step, expected = make(name, lr, beta1, beta2, tau)([weights]), Algorithm2(name, lr, beta1, beta2, tau), 0
    for delta in deltas:
        weights.grad = -torch.tensor(delta, dtype=torch.float64)
        optimizer.step()
        expected = step(expected, np.array(delta))
    np.testing.assert_allclose(weights.detach().numpy(), expected, rtol=1e-9, atol=1e-9)


def test_defaults_are_the_papers():
    for name, (beta1, beta2) in {"FedAdagrad": (0.0, 0.0), "FedAdam": (0.9, 0.99), "FedYogi": (0.9, 0.99)}.items():
        found = Federation(optimizer=lambda parameters, name=name: OPTIMIZERS[name](parameters, lr=0.03)).play(ROUNDS)
        assert_equal(found, by_hand(mean_delta, Algorithm2(name, 0.03, beta1, beta2, 1e-3), rounds=ROUNDS))


def test_yogi_forgets_large_deltas_more_slowly_than_adam():
    def second_moment_after(optimizer_class):
        weights = torch.zeros(1, requires_grad=True)
        optimizer = optimizer_class([weights], betas=(0.9, 0.5))
        for delta in (10.0, *[0.1] * 20):
            weights.grad = torch.full((1,), delta)
            optimizer.step()
        return float(optimizer.state[weights]["v"])

    assert second_moment_after(FedAdam) < 0.02
    assert second_moment_after(FedYogi) > 40


def test_there_is_no_bias_correction():
    """The first step is ``(1 - beta1)`` of the one that torch's Adam makes with the same second moment."""
    weights = torch.zeros(2, requires_grad=True)
    optimizer = FedAdam([weights], lr=1.0, betas=(0.9, 0.0), tau=1e-6)
    weights.grad = torch.tensor([3.0, -5.0])
    optimizer.step()
    torch.testing.assert_close(weights.detach(), torch.tensor([-0.1, 0.1]))


@pytest.mark.parametrize(("lr", "momentum"), [(1.0, 0.9), (0.3, 0.5)])
def test_fedavgm_is_torch_sgd_with_momentum(lr, momentum):
    """Hsu et al. 2019: ``v = beta v + Delta``, ``w = w + lr v``."""
    velocity = np.zeros(4)

    def step(weights, delta):
        nonlocal velocity
        velocity = momentum * velocity + delta
        return weights + lr * velocity

    found = Federation(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=momentum)).play(ROUNDS)
    assert_equal(found, by_hand(mean_delta, step, rounds=ROUNDS))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_restored_state_goes_on_bit_by_bit(name):
    def optimizer(parameters):
        return OPTIMIZERS[name](parameters, lr=0.05)

    rounds = [("a", "b", "c"), ("b", "d", "e"), ("a", "d", "e"), ("c", "b", "a")]
    federation = Federation(optimizer=optimizer, aggregator=CoordinateMedian())
    federation.play(rounds[:2])
    file = io.BytesIO()
    torch.save(federation.server.state_dict(), file)
    weights = copy.deepcopy(federation.network.state_dict())
    expected = federation.play(rounds[2:])

    file.seek(0)
    other = Federation(optimizer=optimizer, aggregator=CoordinateMedian())
    with torch.no_grad():
        for own, saved in zip(other.server.global_weights, weights.values(), strict=True):
            own.copy_(saved)
    other.server.load_state_dict(torch.load(file, weights_only=True))
    np.testing.assert_array_equal(other.play(rounds[2:]), expected)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_is_where_and_what_the_weights_are(name):
    weights = torch.zeros(2, dtype=torch.bfloat16, device="meta", requires_grad=True)
    optimizer = OPTIMIZERS[name]([weights])
    weights.grad = torch.ones_like(weights)
    optimizer.step()
    assert {(value.device.type, value.dtype) for value in optimizer.state[weights].values()} == {
        ("meta", torch.bfloat16)
    }


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_without_a_gradient_stay_and_a_closure_is_called(name):
    moving, still = torch.zeros(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    optimizer = OPTIMIZERS[name]([moving, still], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (moving - 1).square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2
    assert moving.min().item() > 0
    assert torch.equal(still, torch.zeros(2))
    assert still not in optimizer.state


OUT_OF_RANGE = [
    ({"lr": 0.0}, "expects a positive lr, but it is 0"),
    ({"lr": float("inf")}, "expects a positive lr, but it is inf"),
    ({"tau": 0.0}, "expects a positive tau, but it is 0"),
    ({"tau": -1.0}, "expects a positive tau"),
    ({"beta1": 1.0}, r"expects beta1 in \[0, 1\), but it is 1"),
    ({"beta1": -0.1}, r"expects beta1 in \[0, 1\)"),
]
NO_SUCH_SECOND_BETA = ({"beta2": 1.0}, r"expects beta2 in \[0, 1\), but it is 1")


@pytest.mark.parametrize(
    ("name", "settings", "sentence"),
    [(name, *case) for name in OPTIMIZERS for case in OUT_OF_RANGE]
    + [(name, *NO_SUCH_SECOND_BETA) for name in ("FedAdam", "FedYogi")],
)
def test_settings_out_of_range_are_refused(name, settings, sentence):
    with pytest.raises(ConfigError, match=f"{name} {sentence}"):
        make(name, **{"lr": 0.1, "beta1": 0.9, "beta2": 0.99, "tau": 1e-3, **settings})([torch.zeros(1)])


@pytest.mark.parametrize(
    ("name", "settings"),
    [("FedAdagrad", {"beta1": 0.5}), ("FedAdam", {"betas": (0.8, 0.9)}), ("FedYogi", {"betas": (0.8, 0.9)})],
)
def test_a_file_can_name_them(name, settings):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--server_optimizer", type=OptimizerCallable)
    written = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    path = f"adpfl_bench.federation.server_optimizers.{name}"
    parsed = parser.parse_object({"server_optimizer": {"class_path": path, "init_args": {"lr": 0.2, **written}}})
    made = parser.instantiate_classes(parsed).server_optimizer([torch.zeros(1, requires_grad=True)])
    assert type(made) is OPTIMIZERS[name]
    assert made.defaults == {"lr": 0.2, "tau": 1e-3, **settings}
