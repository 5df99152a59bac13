"""A federation whose clients and server are in different places has the bits of one that is in one."""

import copy

import pytest
import torch
from torch import nn

from adpfl_bench.federation.aggregation import CoordinateMedian, FedNova, WeightedMean
from adpfl_bench.federation.aggregation_weights import AggregationWeights
from adpfl_bench.federation.client_federation import ClientFederation
from adpfl_bench.federation.client_methods import ClientMethod, FedProx, Scaffold
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.federation import Federation
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.server_optimizers import FedAdam

SIZES = {"alps": 12, "bay": 9, "cape": 3}
STEPS = {(client, "shared"): 2 for client in SIZES}


def settings(method, aggregator, buffers):
    rules = AggregationWeights("cases")
    return FederatedSettings(
        RoundSchedule(3), method(), None, FedAdam, "keep", buffers, aggregator(), rules, None, 0.1, False, (), True
    )


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def turn(federation, module, client, number):
    """Make a client's turn with gradients that follow from its name and the round."""
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    federation.begin_turn(client, "shared", optimizer)
    generator = torch.Generator().manual_seed(100 * number + len(client))
    for _ in range(2):
        optimizer.zero_grad()
        module(torch.randn(8, 3, generator=generator)).square().mean().backward()
        federation.change_gradients()
        optimizer.step()
    federation.end_turn(optimizer, lambda name, delta: None)


@pytest.mark.parametrize("buffers", ["average", "local", "reset"])
@pytest.mark.parametrize(
    ("method", "aggregator"),
    [(ClientMethod, WeightedMean), (Scaffold, FedNova), (FedProx, CoordinateMedian), (Scaffold, WeightedMean)],
)
def test_the_same_bits_in_one_place_and_in_four(method, aggregator, buffers):
    here, module = settings(method, aggregator, buffers), network()
    whole = Federation(module, here)
    at_server = settings(method, aggregator, buffers)
    kept = network()
    server = Federation(kept, at_server)
    places = {}
    for client in SIZES:
        own = network()
        places[client] = ClientFederation(own, settings(method, aggregator, buffers)), own
    for number in range(3):
        whole.begin_round(SIZES, STEPS, 0.9, False)
        for client in SIZES:
            turn(whole, module, client, number)
        whole.end_round()
        server.begin_round(SIZES, STEPS, 0.9, False)
        for client in reversed(SIZES) if number % 2 else SIZES:
            place, own = places[client]
            place.take(copy.deepcopy(server.broadcast()))
            place.begin_round(SIZES, STEPS, 0.9, False)
            turn(place, own, client, number)
            update = place.update(client)
            place.end_round()
            server.receive(client, update)
        server.end_round()
        for name, value in module.state_dict().items():
            assert torch.equal(value, kept.state_dict()[name]), (number, name)
    assert not torch.equal(module[0].weight, network()[0].weight)
    assert torch.equal(places["bay"][1].state_dict()["0.weight"], server_before_last_step(places["bay"][0]))


def server_before_last_step(place):
    """What the last broadcast has brought, which the client's network holds between its turns."""
    return place.broadcast().weights[0].detach()


def test_who_has_made_no_turn_has_nothing_to_send():
    place = ClientFederation(network(), settings(ClientMethod, WeightedMean, "average"))
    with pytest.raises(Exception, match="Client bay has nothing to send"):
        place.update("bay")


class Hoarder(Scaffold):
    """Keeps more than a control variate, and does not say how it travels."""

    def state_dict(self):
        return {**super().state_dict(), "more": 1}


def test_a_method_that_keeps_more_than_it_sends_is_known():
    assert Scaffold.can_be_deployed()
    assert FedProx.can_be_deployed()
    assert not Hoarder.can_be_deployed()
