"""Local optimizers step by one kernel on a processor, to nearly the same weights."""

import copy

import pytest
import torch
from torch.optim import SGD, Adam, AdamW, RMSprop

from adpfl_bench.tasks.fused_steps import fuse_steps

OPTIMIZERS = {
    "adamw": lambda parameters: AdamW(parameters, lr=0.01),
    "adam": lambda parameters: Adam(parameters, lr=0.01, weight_decay=0.01, amsgrad=True),
    "sgd": lambda parameters: SGD(parameters, lr=0.1, momentum=0.9, nesterov=True),
}


def trained(network, optimizer, steps=5):
    generator = torch.Generator().manual_seed(0)
    for _ in range(steps):
        optimizer.zero_grad()
        network(torch.randn(16, 7, generator=generator)).square().mean().backward()
        optimizer.step()
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weights_are_nearly_those_of_single_steps(name):
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(7, 33), torch.nn.Tanh(), torch.nn.Linear(33, 3))
    other = copy.deepcopy(network)
    optimizer = OPTIMIZERS[name](network.parameters())
    fuse_steps(optimizer)
    assert all(group["fused"] for group in optimizer.param_groups)
    expected = trained(other, OPTIMIZERS[name](other.parameters()))
    torch.testing.assert_close(trained(network, optimizer), expected, atol=1e-5, rtol=0)


def test_what_is_set_stays_and_others_are_left_alone():
    weights = [torch.nn.Parameter(torch.zeros(3))]

    class OwnSGD(SGD):
        """Steps by itself, whatever its settings are."""

    for optimizer in (AdamW(weights, fused=False), SGD(weights, foreach=True), RMSprop(weights), OwnSGD(weights)):
        before = repr(optimizer.param_groups)
        fuse_steps(optimizer)
        assert repr(optimizer.param_groups) == before


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_began_without_goes_on_without(name):
    """A checkpoint from before: its run ends with the bits that it would have had."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(7, 33), torch.nn.Tanh(), torch.nn.Linear(33, 3))
    before = OPTIMIZERS[name](network.parameters())
    trained(network, before)
    other = copy.deepcopy(network)
    resumed = OPTIMIZERS[name](other.parameters())
    fuse_steps(resumed)
    resumed.load_state_dict(copy.deepcopy(before.state_dict()))
    assert torch.equal(trained(other, resumed), trained(network, before))


def test_elsewhere_pytorch_chooses():
    optimizer = AdamW([torch.nn.Parameter(torch.zeros(3, device="meta"))])
    fuse_steps(optimizer)
    assert optimizer.param_groups[0]["fused"] is None


def test_a_task_fuses_the_steps_of_its_clients(toy_task, toy_data, fit):
    """The optimizer of the Trainer is what clients step by."""
    from adpfl_bench.callbacks.federated_loop import FederatedLoop

    trainer = fit(toy_task(), toy_data(), FederatedLoop(rounds=1))
    assert all(group["fused"] for group in trainer.optimizers[0].param_groups)
