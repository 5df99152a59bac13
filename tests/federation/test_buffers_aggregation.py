"""Every policy for buffers with every aggregator, on a network with batch normalisation that really trains."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.aggregation import CoordinateMedian, FedNova, TrimmedMean, WeightedMean
from adpfl_bench.federation.buffers import FederatedBuffers
from adpfl_bench.federation.server import Server

SIZES = {"a": 4, "b": 12, "c": 8, "d": 24, "e": 16}
STEPS = {"a": 1, "b": 6, "c": 3, "d": 4, "e": 2}
ROUNDS = [("a", "b", "c"), ("d", "b", "a", "c", "e"), ("c", "d", "e", "a")]
BUFFERS = ("1.running_mean", "1.running_var", "1.num_batches_tracked")


def weighted(values, weights):
    return np.average(values, axis=0, weights=weights)


AGGREGATORS = {
    "mean": (WeightedMean, weighted),
    "nova": (FedNova, weighted),
    "median": (CoordinateMedian, lambda values, weights: np.median(values, axis=0)),
    "trimmed": (lambda: TrimmedMean(0.34), lambda values, weights: stats.trim_mean(values, 0.34, axis=0)),
}


def make_network():
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 1))


def train(network, client):
    """Local steps on data whose mean and scale are the client's own."""
    generator = torch.Generator().manual_seed(ord(client))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    for _ in range(STEPS[client]):
        inputs = ord(client) % 7 + SIZES[client] * torch.randn(6, 3, generator=generator)
        optimizer.zero_grad()
        network(inputs).square().mean().backward()
        optimizer.step()


def buffers_of(network):
    state = network.state_dict()
    return [state[name].double().numpy().copy() for name in BUFFERS]


def shares(participants):
    total = sum(SIZES[client] for client in participants)
    return {client: SIZES[client] / total for client in participants}


class ByHand:
    """What each policy says, with arrays."""

    def __init__(self, policy, combine, initial):
        self.policy, self.combine, self.initial = policy, combine, initial
        self.server, self.own = initial, {}

    def start_of(self, client):
        starts = {"average": self.server, "local": self.own.get(client, self.initial), "reset": self.initial}
        return starts[self.policy]

    def finish(self, ends):
        self.own.update(ends)
        if self.policy == "average":
            weights = [SIZES[client] for client in ends]
            of_all = zip(*ends.values(), strict=True)
            mean, variance, count = (self.combine(np.stack(values), weights) for values in of_all)
            self.server = [mean, variance, np.round(count)]


@pytest.mark.parametrize("policy", ["average", "local", "reset"])
@pytest.mark.parametrize("rule", AGGREGATORS)
def test_policy_and_aggregator_do_what_they_say(policy, rule):
    network = make_network()
    make, combine = AGGREGATORS[rule]
    aggregator = make()
    server = Server(list(network.parameters()), aggregator=aggregator)
    buffers = FederatedBuffers(network, policy, aggregator)
    by_hand = ByHand(policy, combine, buffers_of(network))

    for participants in ROUNDS:
        weights = shares(participants)
        server.begin_round(weights, {client: STEPS[client] for client in participants})
        buffers.begin_round(weights)
        ends = {}
        for client in participants:
            server.send()
            buffers.load_for(client, network)
            assert_equal(buffers_of(network), by_hand.start_of(client))
            train(network, client)
            ends[client] = buffers_of(network)
            server.receive(client, server.delta())
            buffers.collect_from(client, network)
        server.finish_round()
        buffers.finish_round(network)
        by_hand.finish(ends)
        assert_equal(buffers_of(network), by_hand.server)
    assert network.state_dict()[BUFFERS[2]].dtype == torch.int64

    for client in SIZES:  # as for scoring
        buffers.load_for(client, network)
        assert_equal(buffers_of(network), by_hand.start_of(client))
    buffers.load_global(network)
    assert_equal(buffers_of(network), by_hand.server)


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_aggregators_differ_on_these_clients():
    """Else the test above could not tell them apart."""
    outcomes = []
    for make, _ in AGGREGATORS.values():
        network = make_network()
        buffers = FederatedBuffers(network, "average", make())
        buffers.begin_round(shares(ROUNDS[1]))
        for client in ROUNDS[1]:
            local = copy.deepcopy(network)
            train(local, client)
            buffers.collect_from(client, local)
        buffers.finish_round(network)
        outcomes.append(np.concatenate([values.flatten() for values in buffers_of(network)]))
    mean, nova, median, trimmed = outcomes
    np.testing.assert_array_equal(mean, nova)
    for one, other in ((mean, median), (mean, trimmed), (median, trimmed)):
        assert np.abs(one - other).max() > 1


def test_one_broken_client_does_not_spoil_a_median():
    network = make_network()
    buffers = FederatedBuffers(network, "average", CoordinateMedian())
    buffers.begin_round(dict.fromkeys("abc", 1 / 3))
    for client, mean in {"a": 1.0, "b": 1e30, "c": 2.0}.items():
        network[1].running_mean.fill_(mean)
        buffers.collect_from(client, network)
    buffers.finish_round(network)
    assert torch.equal(network[1].running_mean, torch.full((5,), 2.0))


def test_the_servers_aggregator_is_not_used_itself():
    network, aggregator = make_network(), WeightedMean()
    server = Server(list(network.parameters()), aggregator=aggregator)
    buffers = FederatedBuffers(network, "average", aggregator)
    server.begin_round({"a": 1.0}, {"a": 1})
    buffers.begin_round({"a": 1.0})
    server.receive("a", server.delta())
    buffers.collect_from("a", network)
    buffers.finish_round(network)
    server.finish_round()


def test_too_few_clients_are_refused_where_buffers_are_averaged_and_only_there():
    weights = {"a": 0.5, "b": 0.5}
    with pytest.raises(ConfigError, match="at least 3 participants"):
        FederatedBuffers(make_network(), "average", CoordinateMedian()).begin_round(weights)
    FederatedBuffers(make_network(), "local", CoordinateMedian()).begin_round(weights)
    FederatedBuffers(nn.Linear(2, 2), "average", CoordinateMedian()).begin_round(weights)
