"""The three policies for buffers, with values that can be told apart."""

import io

import pytest
import torch
from torch import nn

from adpfl_bench.errors import BenchError
from adpfl_bench.federation.buffers import FederatedBuffers


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("grid", torch.zeros(3), persistent=False)


def set_buffers(module, mean, count):
    module.norm.running_mean.fill_(mean)
    module.norm.num_batches_tracked.fill_(count)


def buffers_of(module):
    return float(module.norm.running_mean[0]), int(module.norm.num_batches_tracked)


def play_round(buffers, module, of_clients):
    """Each client starts from what the policy gives it, which is returned, and leaves the given values."""
    started = []
    buffers.begin_round({client: weight for client, (_, _, weight) in of_clients.items()})
    for client, (mean, count, _) in of_clients.items():
        buffers.load_for(client, module)
        started.append(buffers_of(module))
        set_buffers(module, mean, count)
        buffers.collect_from(client, module)
    buffers.finish_round(module)
    return started


def test_average_is_weighted_and_sent_to_all():
    module = Network()
    buffers = FederatedBuffers(module, "average")
    assert play_round(buffers, module, {"a": (4.0, 3, 0.75), "b": (8.0, 2, 0.25)}) == [(0.0, 0), (0.0, 0)]
    assert buffers_of(module) == (5.0, 3)  # 2.75 batches round to 3
    assert play_round(buffers, module, {"c": (1.0, 7, 1.0)}) == [(5.0, 3)]
    assert buffers_of(module) == (1.0, 7)
    assert module.norm.num_batches_tracked.dtype == torch.int64


def test_local_gives_each_client_its_own_back():
    module = Network()
    buffers = FederatedBuffers(module, "local")
    play_round(buffers, module, {"a": (4.0, 3, 0.75), "b": (8.0, 2, 0.25)})
    assert buffers_of(module) == (0.0, 0)
    for client, expected in {"a": (4.0, 3), "b": (8.0, 2), "newcomer": (0.0, 0)}.items():
        buffers.load_for(client, module)
        assert buffers_of(module) == expected
    assert play_round(buffers, module, {"b": (9.0, 4, 1.0)}) == [(8.0, 2)]
    buffers.load_for("a", module)
    assert buffers_of(module) == (4.0, 3)


def test_reset_starts_every_turn_from_the_initial_ones():
    module = Network()
    set_buffers(module, 2.0, 1)
    buffers = FederatedBuffers(module, "reset")
    for _ in range(2):
        assert play_round(buffers, module, {"a": (4.0, 3, 0.75), "b": (8.0, 2, 0.25)}) == [(2.0, 1), (2.0, 1)]
        assert buffers_of(module) == (2.0, 1)


@pytest.mark.parametrize("policy", ["average", "local", "reset"])
def test_restored_buffers_go_on_as_if_nothing_had_happened(policy):
    module = Network()
    set_buffers(module, 0.5, 0)
    buffers = FederatedBuffers(module, policy)
    play_round(buffers, module, {"a": (4.0, 3, 0.75), "b": (8.0, 2, 0.25)})

    file = io.BytesIO()
    torch.save({"buffers": buffers.state_dict(), "module": module.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    other = Network()
    other.load_state_dict(saved["module"])
    restored = FederatedBuffers(other, policy)
    restored.load_state_dict(saved["buffers"])

    following = {"a": (1.0, 5, 0.5), "newcomer": (3.0, 7, 0.5)}
    assert play_round(restored, other, following) == play_round(buffers, module, following)
    assert buffers_of(other) == buffers_of(module)


@pytest.mark.parametrize("policy", ["average", "local", "reset"])
def test_what_is_not_in_a_checkpoint_is_left_alone(policy):
    module = Network()
    buffers = FederatedBuffers(module, policy)
    module.grid.fill_(1)
    play_round(buffers, module, {"a": (4.0, 3, 1.0)})
    assert torch.equal(module.grid, torch.ones(3))


def test_a_network_without_buffers_costs_nothing():
    module = nn.Linear(2, 2)
    for policy in ("average", "local", "reset"):
        buffers = FederatedBuffers(module, policy)
        buffers.begin_round({"a": 1.0})
        buffers.load_for("a", module)
        buffers.collect_from("a", module)
        buffers.finish_round(module)
        assert buffers.state_dict() == {"initial": [], "clients": {}}


def test_the_global_ones_come_back_after_a_client_was_scored():
    module = Network()
    buffers = FederatedBuffers(module, "local")
    play_round(buffers, module, {"a": (4.0, 3, 1.0)})
    buffers.load_for("a", module)
    assert buffers_of(module) == (4.0, 3)
    buffers.load_global(module)
    assert buffers_of(module) == (0.0, 0)


def test_an_average_that_a_client_missed_is_refused():
    module = Network()
    buffers = FederatedBuffers(module, "average")
    with pytest.raises(BenchError, match="Client a sent"):
        buffers.collect_from("a", module)
    buffers.begin_round({"a": 0.5, "b": 0.5})
    buffers.collect_from("a", module)
    with pytest.raises(BenchError, match="before these clients have sent: b"):
        buffers.finish_round(module)
