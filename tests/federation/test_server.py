"""What a server does with deltas, what it costs, and what it gives back."""

import gc
import io

import numpy as np
import pytest
import torch
from least_squares import Federation, assert_equal, by_hand, local_gradients, mean_delta
from torch import nn

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.aggregation import CoordinateMedian, FedNova, TrimmedMean
from adpfl_bench.federation.aggregation_weights import AggregationWeights
from adpfl_bench.federation.server import Server, describe_optimizer, sgd
from adpfl_bench.federation.server_optimizers import FedAdam


def momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.7, momentum=0.9)


def test_sgd_with_rate_1_adds_the_mean_delta():
    assert_equal(Federation().play(), by_hand(mean_delta))
    assert_equal(Federation(optimizer=sgd).play(), by_hand(mean_delta))


def test_the_weights_are_those_of_the_round():
    def mean_of_equals(participants, weights):
        return np.mean([local_gradients(client, weights)[1] for client in participants], axis=0)

    def uniform(participants):
        return AggregationWeights("uniform").shares(dict.fromkeys(participants, 9))

    assert_equal(Federation(shares=uniform).play(), by_hand(mean_of_equals))


def test_adam_by_hand():
    """Kingma and Ba 2015, Algorithm 1: torch's Adam, with its bias correction, works as a server optimizer too."""
    state = {"first": 0.0, "second": 0.0, "round": 0}

    def step(weights, delta):
        state["round"] += 1
        state["first"] = 0.9 * state["first"] + 0.1 * delta
        state["second"] = 0.99 * state["second"] + 0.01 * delta**2
        first, second = (
            state[name] / (1 - beta ** state["round"]) for name, beta in (("first", 0.9), ("second", 0.99))
        )
        return weights + 0.1 * first / (np.sqrt(second) + 1e-3)

    found = Federation(optimizer=lambda parameters: torch.optim.Adam(parameters, lr=0.1, betas=(0.9, 0.99), eps=1e-3))
    assert_equal(found.play(), by_hand(mean_delta, step))


@pytest.mark.parametrize("optimizer", [momentum, lambda parameters: torch.optim.Adam(parameters, lr=0.1)])
@pytest.mark.parametrize("rule", [FedNova, CoordinateMedian])
def test_a_restored_server_goes_on_as_if_nothing_had_happened(optimizer, rule):
    rounds = [("a", "b", "c", "d"), ("b", "d", "e"), ("a", "d", "e"), ("c", "b", "a")]
    federation = Federation(optimizer=optimizer, aggregator=rule())
    federation.play(rounds[:2])

    file = io.BytesIO()
    torch.save({"server": federation.server.state_dict(), "network": federation.network.state_dict()}, file)
    expected = federation.play(rounds[2:])

    file.seek(0)
    saved = torch.load(file, weights_only=True)
    other = Federation(optimizer=optimizer, aggregator=rule())
    other.network.load_state_dict(saved["network"])
    other.server = Server(list(other.network.parameters()), optimizer, rule())
    other.server.load_state_dict(saved["server"])
    np.testing.assert_array_equal(other.play(rounds[2:]), expected)


def test_parameters_that_are_not_shared_are_left_alone():
    module = nn.Linear(2, 2)
    server = Server([module.weight])
    with torch.no_grad():
        module.bias.fill_(5)
        module.weight.add_(1)
    moved = module.weight.detach().clone()
    server.begin_round({"a": 1.0}, {"a": 1})
    server.receive("a", server.delta())
    server.finish_round()
    assert torch.equal(module.bias, torch.full((2,), 5.0))
    torch.testing.assert_close(module.weight.detach(), moved)


def test_global_weights_stay_while_clients_train_and_move_with_the_round():
    module = nn.Linear(2, 2)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    server = Server(list(module.parameters()))
    server.begin_round({"a": 1.0}, {"a": 1})
    with torch.no_grad():
        torch._foreach_add_(list(module.parameters()), 1.0)
    for weights, parameter in zip(server.global_weights, before, strict=True):
        assert torch.equal(weights, parameter)
    server.receive("a", server.delta())
    server.finish_round()
    for weights, parameter, start in zip(server.global_weights, module.parameters(), before, strict=True):
        assert torch.equal(weights, parameter)
        torch.testing.assert_close(weights.detach(), start + 1)


def test_sending_undoes_what_a_client_did():
    module = nn.Linear(2, 2)
    before = module.weight.detach().clone()
    server = Server(list(module.parameters()))
    with torch.no_grad():
        module.weight.add_(3)
    torch.testing.assert_close(server.delta()[0], torch.full((2, 2), 3.0))
    server.send()
    assert torch.equal(module.weight, before)


@pytest.mark.parametrize("rule", [None, FedNova(), CoordinateMedian(), TrimmedMean(0.4)])
def test_the_norm_is_that_of_the_delta_and_tells_of_divergence(rule):
    module = nn.Linear(2, 2)
    server = Server(list(module.parameters()), aggregator=rule)
    server.begin_round(dict.fromkeys("abc", 1 / 3), dict.fromkeys("abc", 2))
    norms = []
    for client, value in (("a", 2.0), ("b", float("nan")), ("c", float("inf"))):
        server.send()
        with torch.no_grad():
            module.weight[0, 0] += value
            module.bias[0] -= 1.5
        norms.append(server.receive(client, server.delta()))
    assert norms[0] == pytest.approx(2.5, rel=1e-5)
    assert not np.isfinite(norms[1:]).any()


def test_a_server_without_parameters_is_refused():
    with pytest.raises(ConfigError, match="parameters that the clients share"):
        Server([])


def test_a_round_that_was_not_begun_receives_nothing():
    module = nn.Linear(2, 2)
    server = Server(list(module.parameters()))
    with pytest.raises(BenchError, match="Client a sent a delta"):
        server.receive("a", server.delta())


def test_memory_does_not_grow_with_clients():
    def live_elements(clients):
        module = nn.Linear(40, 40)
        server = Server(list(module.parameters()))
        names = [str(number) for number in range(clients)]
        server.begin_round(dict.fromkeys(names, 1 / clients), dict.fromkeys(names, 1))
        for name in names:
            server.send()
            with torch.no_grad():
                module.weight.add_(1)
            server.receive(name, server.delta())
        gc.collect()
        found = [thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, nn.Parameter)]
        return len(found), sum(tensor.numel() for tensor in found)

    live_elements(1)
    assert live_elements(20) == live_elements(2)


def test_record_names_the_server_optimizer_and_its_settings():
    assert {"class": "SGD", "lr": 1.0, "momentum": 0}.items() <= describe_optimizer(sgd).items()
    adam = describe_optimizer(lambda parameters: torch.optim.Adam(parameters, lr=0.5))
    assert {"class": "Adam", "lr": 0.5}.items() <= adam.items()
    assert describe_optimizer(FedAdam) == {"class": "FedAdam", "lr": 0.01, "betas": [0.9, 0.99], "tau": 1e-3}
