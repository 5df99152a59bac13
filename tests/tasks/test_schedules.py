"""The cosine over rounds in closed form."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.tasks.schedules import CosineOverRounds


def optimizer(rate=0.3):
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)


def rates(scheduler, count):
    found = []
    for _ in range(count):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


@given(rounds=st.integers(1, 50), final=st.floats(0, 1))
def test_closed_form(rounds, final):
    expected = [0.3 * (final + (1 - final) * 0.5 * (1 + math.cos(math.pi * r / rounds))) for r in range(rounds)]
    found = rates(CosineOverRounds(optimizer(), final, rounds), rounds + 3)
    assert found[:rounds] == pytest.approx(expected)
    assert found[rounds:] == pytest.approx([0.3 * final] * 3)  # after the last round it stays


def test_goes_on_from_its_state():
    scheduler = CosineOverRounds(optimizer(), 0.1, 10)
    rates(scheduler, 4)
    restored = CosineOverRounds(optimizer(), 0.1)
    restored.load_state_dict(scheduler.state_dict())
    restored.optimizer.load_state_dict(scheduler.optimizer.state_dict())
    assert rates(restored, 6) == rates(scheduler, 6)


def test_constant_until_the_task_fills_in_the_rounds():
    assert rates(CosineOverRounds(optimizer()), 3) == [0.3, 0.3, 0.3]


def test_the_task_fills_in_the_rounds(toy_task, toy_data, fit):
    task = toy_task(lr_scheduler=CosineOverRounds)
    trainer = fit(task, toy_data(), FederatedLoop(rounds=5))
    scheduler = trainer.lr_scheduler_configs[0].scheduler
    assert scheduler.rounds == 5
    assert scheduler.get_last_lr() == pytest.approx([0.0])
