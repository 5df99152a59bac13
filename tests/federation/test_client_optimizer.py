"""One shared optimizer against a separate one for each client."""

import copy
import io

import pytest
import torch
from torch import nn

from adpfl_bench.federation.client_optimizer import ClientOptimizerStates

OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.1),
    "fused": lambda parameters: torch.optim.AdamW(parameters, lr=0.1, fused=True),
    "amsgrad": lambda parameters: torch.optim.Adam(parameters, lr=0.1, amsgrad=True),
}
TURNS = ("a", "b", "a", "c", "b", "a")


def gradient(turn, step, shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(100 * turn + step))


def take_turn(module, optimizer, turn, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate
    for step in range(2):
        for parameter in module.parameters():
            parameter.grad = gradient(turn, step, parameter.shape)
        module.weight.grad = None if turn == 0 else module.weight.grad  # a parameter may join later
        optimizer.step()


def weights(module):
    return copy.deepcopy(module.state_dict())


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("policy", ["keep", "reset"])
@pytest.mark.parametrize("saved_after", [None, 3])
def test_equals_separate_optimizers(kind, policy, saved_after):
    """The weights go from client to client here, so only the optimizer's state can differ."""
    make = OPTIMIZERS[kind]
    shared = nn.Linear(3, 2)
    separate = copy.deepcopy(shared)
    optimizer, states, own = make(shared.parameters()), ClientOptimizerStates(policy), {}
    for turn, client in enumerate(TURNS):
        if turn == saved_after:
            states = restored(states, policy)
            optimizer = make(shared.parameters())
        rate = 0.1 / (turn + 1)
        states.load_for(client, optimizer)
        take_turn(shared, optimizer, turn, rate)
        states.collect_from(client, optimizer)

        if policy == "reset" or client not in own:
            own[client] = make(separate.parameters())
        take_turn(separate, own[client], turn, rate)
        for name, value in weights(separate).items():
            assert torch.equal(value, shared.state_dict()[name])


def restored(states, policy):
    file = io.BytesIO()
    torch.save(states.state_dict(), file)
    file.seek(0)
    other = ClientOptimizerStates(policy)
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


def test_a_schedule_stays_in_charge_of_the_learning_rate():
    module = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    states = ClientOptimizerStates("keep")
    rates = []
    for _ in range(3):
        states.load_for("a", optimizer)
        for parameter in module.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        states.collect_from("a", optimizer)
        rates.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    assert rates == [1.0, 0.5, 0.25]


def test_what_is_kept_does_not_change_while_others_train():
    module = nn.Linear(3, 2)
    optimizer, states = torch.optim.AdamW(module.parameters(), lr=0.1), ClientOptimizerStates("keep")
    states.load_for("a", optimizer)
    take_turn(module, optimizer, 1, 0.1)
    states.collect_from("a", optimizer)
    before = copy.deepcopy(states.state_dict()["a"])
    states.load_for("a", optimizer)
    take_turn(module, optimizer, 2, 0.1)
    after = states.state_dict()["a"]
    for index, state in before.items():
        for key, value in state.items():
            assert torch.equal(value, after[index][key])


def test_reset_keeps_nothing():
    module = nn.Linear(3, 2)
    optimizer, states = torch.optim.AdamW(module.parameters(), lr=0.1), ClientOptimizerStates("reset")
    take_turn(module, optimizer, 1, 0.1)
    states.collect_from("a", optimizer)
    assert states.state_dict() == {}


def test_what_is_kept_of_a_client_stays_as_it_was():
    parameter = nn.Parameter(torch.ones(3))
    optimizer, states = torch.optim.SGD([parameter], lr=0.1, momentum=0.9), ClientOptimizerStates("keep")
    parameter.grad = torch.ones(3)
    optimizer.step()
    states.collect_from("a", optimizer)
    optimizer.step()  # of another client, with the state that is still there
    assert states.state_dict()["a"][0]["momentum_buffer"].tolist() == [1.0, 1.0, 1.0]
