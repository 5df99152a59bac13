"""Server optimizers by hand, and what the server costs."""

import gc
import io

import pytest
import torch
from torch import nn

from adpfl_bench.federation.server import Server, describe_optimizer, sgd

WEIGHTS = (0.5, 0.3, 0.2)


def client_deltas(rounds):
    generator = torch.Generator().manual_seed(3)
    return torch.randn(rounds, len(WEIGHTS), 6, generator=generator)


def play(server, module, deltas):
    """Let clients move the network by the given deltas, and return the global weights after each round."""
    after_round = []
    for of_round in deltas:
        for delta, weight in zip(of_round, WEIGHTS, strict=True):
            server.send()
            with torch.no_grad():
                module.weight.add_(delta[:4].view(2, 2))
                module.bias.add_(delta[4:])
            norm = server.receive(server.delta(), weight)
            assert norm == pytest.approx(float(delta.norm()), rel=1e-5)
        server.finish_round()
        after_round.append(torch.cat([module.weight.detach().flatten(), module.bias.detach()]))
    return torch.stack(after_round).double()


def mean_deltas(deltas):
    return (deltas.double() * torch.tensor(WEIGHTS).double()[:, None]).sum(1)


def start(module):
    return torch.cat([module.weight.detach().flatten(), module.bias.detach()]).double()


def test_sgd_with_rate_1_adds_the_mean_delta():
    module, deltas = nn.Linear(2, 2), client_deltas(3)
    expected = start(module) + mean_deltas(deltas).cumsum(0)
    torch.testing.assert_close(play(Server(module, sgd), module, deltas), expected, atol=1e-6, rtol=0)


def test_momentum_by_hand():
    module, deltas = nn.Linear(2, 2), client_deltas(3)
    weights, velocity, expected = start(module), 0.0, []
    for delta in mean_deltas(deltas):
        velocity = 0.9 * velocity + delta
        weights = weights + 0.7 * velocity
        expected.append(weights)
    server = Server(module, lambda parameters: torch.optim.SGD(parameters, lr=0.7, momentum=0.9))
    torch.testing.assert_close(play(server, module, deltas), torch.stack(expected), atol=1e-6, rtol=0)


def test_adam_by_hand():
    """Reddi et al. 2021, Algorithm 2 (FedAdam), with torch's bias correction."""
    module, deltas = nn.Linear(2, 2), client_deltas(3)
    weights, first, second, expected = start(module), 0.0, 0.0, []
    for step, delta in enumerate(mean_deltas(deltas), start=1):
        first = 0.9 * first + 0.1 * delta
        second = 0.99 * second + 0.01 * delta**2
        weights = weights + 0.1 * (first / (1 - 0.9**step)) / ((second / (1 - 0.99**step)).sqrt() + 1e-3)
        expected.append(weights)
    server = Server(module, lambda parameters: torch.optim.Adam(parameters, lr=0.1, betas=(0.9, 0.99), eps=1e-3))
    torch.testing.assert_close(play(server, module, deltas), torch.stack(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda parameters: torch.optim.SGD(parameters, lr=0.7, momentum=0.9),
        lambda parameters: torch.optim.Adam(parameters, lr=0.1),
    ],
)
def test_a_restored_server_goes_on_as_if_nothing_had_happened(optimizer):
    module, deltas = nn.Linear(2, 2), client_deltas(4)
    server = Server(module, optimizer)
    play(server, module, deltas[:2])

    file = io.BytesIO()
    torch.save({"server": server.state_dict(), "module": module.state_dict()}, file)
    expected = play(server, module, deltas[2:])

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    other = nn.Linear(2, 2)
    other.load_state_dict(saved["module"])
    restored = Server(other, optimizer)
    restored.load_state_dict(saved["server"])
    assert torch.equal(play(restored, other, deltas[2:]), expected)


def test_frozen_parameters_are_left_alone():
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    server = Server(module)
    with torch.no_grad():
        module.bias.fill_(5)
        module.weight.add_(1)
    before = module.weight.detach().clone()
    server.receive(server.delta(), 1.0)
    server.finish_round()
    assert torch.equal(module.bias, torch.full((2,), 5.0))
    torch.testing.assert_close(module.weight.detach(), before)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_client_has_a_delta_without_norm(value):
    module = nn.Linear(2, 2)
    server = Server(module)
    with torch.no_grad():
        module.weight[0, 0] = value
    assert not torch.isfinite(torch.tensor(server.receive(server.delta(), 1.0)))


def test_memory_does_not_grow_with_clients():
    def live_elements(clients):
        module = nn.Linear(40, 40)
        server = Server(module)
        for _ in range(clients):
            server.send()
            with torch.no_grad():
                module.weight.add_(1)
            server.receive(server.delta(), 1 / clients)
        gc.collect()
        found = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, nn.Parameter)]
        return len(found), sum(tensor.numel() for tensor in found)

    live_elements(1)
    assert live_elements(20) == live_elements(2)


def test_record_names_the_server_optimizer_and_its_settings():
    assert {"class": "SGD", "lr": 1.0, "momentum": 0}.items() <= describe_optimizer(sgd).items()
    adam = describe_optimizer(lambda parameters: torch.optim.Adam(parameters, lr=0.5))
    assert {"class": "Adam", "lr": 0.5}.items() <= adam.items()
