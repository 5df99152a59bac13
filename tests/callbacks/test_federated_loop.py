"""The federated loop against FedAvg and centralised training in plain PyTorch."""

import copy
import math

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import default_collate

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.data import datamodule as datamodule_file
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.tasks.schedules import CosineOverRounds


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=0.02)


MANY = {"alps": 12, "bay": 9, "cape": 3, "dale": 6, "elm": 6}


@pytest.mark.parametrize(
    ("sizes", "federated"),
    [
        (None, {}),
        (None, {"local_epochs": 2}),
        (None, {"local_steps": 4}),
        (MANY, {"participation": 0.5}),
        (MANY, {"clients_per_round": 2, "local_epochs": 2, "seed": 5}),
        (MANY, {"clients_per_round": 3, "local_steps": 2, "rounds": 4}),
    ],
)
def test_every_round_equals_plain_fedavg(
    toy_task, toy_data, fit, history, plain_federation, difference, sizes, federated
):
    federated = {"rounds": 3, **federated}
    task, data = toy_task(lr_scheduler=CosineOverRounds, optimizer=adamw), toy_data(sizes)
    start = copy.deepcopy(task)
    fit(task, data, FederatedLoop(**federated), history)

    rounds = federated["rounds"]
    reference = plain_federation(
        start, data, RoundSchedule(**federated), adamw, rate=lambda r: (1 + math.cos(math.pi * r / rounds)) / 2
    )
    assert len(history.rounds) == rounds
    for seen, expected in zip(history.rounds, reference, strict=True):
        assert difference(expected, seen) < 1e-6
    assert difference(dict(start.named_parameters()), reference[0]) > 1e-2
    assert difference(reference[-1], task.state_dict()) < 1e-6


def test_checkpoints_hold_the_aggregated_weights(toy_task, toy_data, fit, history, tmp_path):
    task = toy_task()
    keep_all = ModelCheckpoint(tmp_path / "checkpoints", "{epoch}", save_top_k=-1)
    fit(task, toy_data(), FederatedLoop(rounds=3), history, keep_all)
    for index, seen in enumerate(history.rounds):
        path = tmp_path / "checkpoints" / f"epoch={index}.ckpt"
        saved = torch.load(path, weights_only=True)["state_dict"]
        for name in saved:
            assert torch.equal(saved[name], seen[name])
    for name, value in task.state_dict().items():
        assert torch.equal(value, history.rounds[-1][name])


def test_one_client_is_centralised_training(toy_task, toy_data, fit, history, difference):
    """A centralised loop has one optimizer for all epochs, hence ``keep``."""
    task, data = toy_task(), toy_data({"only": 15})
    reference = copy.deepcopy(task)
    fit(task, data, FederatedLoop(rounds=4, client_optimizer_state="keep"), history)

    optimizer = adamw(reference.parameters())
    for index in range(4):
        for step in datamodule_file.plan_round(RoundSchedule(4), index, data.own_records, data.batch_size):
            batch = default_collate([data.records[key] for key in step.keys])
            optimizer.zero_grad()
            reference.example_losses(batch.image, batch.label).mean().backward()
            optimizer.step()
        assert difference(dict(reference.named_parameters()), history.rounds[index]) < 1e-6


@pytest.mark.parametrize("network", ["plain", "dropout", "batchnorm"])
def test_the_order_of_clients_does_not_matter(toy_task, toy_data, fit, difference, monkeypatch, network):
    """The last of the loop's visits come first; each client keeps its own name, data and seeds."""
    plan_round = datamodule_file.plan_round

    def reversed_clients(*arguments):
        steps = plan_round(*arguments)
        clients = list(dict.fromkeys(step.client for step in steps))
        return [step for client in reversed(clients) for step in steps if step.client == client]

    # A bias before a batch norm has a gradient of rounding errors alone, which Adam would blow up.
    in_order, reversed_order = (toy_task(network, lambda p: torch.optim.SGD(p, lr=0.5)) for _ in range(2))
    fit(in_order, toy_data(), FederatedLoop(rounds=3))
    monkeypatch.setattr(datamodule_file, "plan_round", reversed_clients)
    fit(reversed_order, toy_data(), FederatedLoop(rounds=3))
    assert difference(in_order.state_dict(), reversed_order.state_dict()) < 1e-6


def test_dropout_differs_between_rounds_and_clients_and_follows_the_seed(toy_task, toy_data, fit):
    class Masks(torch.nn.Dropout):
        def forward(self, x):
            seen.append(torch.nn.functional.dropout(torch.ones(64), 0.5))
            return super().forward(x)

    def masks(seed):
        seen.clear()
        task = toy_task("dropout")
        task.network[1] = Masks(0.5)
        fit(task, toy_data({"alps": 3, "bay": 3}), FederatedLoop(rounds=2, seed=seed), limit_val_batches=0)
        return torch.stack(seen)

    seen = []
    first = masks(seed=1)
    torch.manual_seed(99)
    assert torch.equal(first, masks(seed=1))
    assert len(first.unique(dim=0)) == 4
    assert not torch.equal(first, masks(seed=2))


def test_validation_after_each_round_and_metrics_of_the_round(toy_task, toy_data, fit):
    task, data, loop = toy_task(lr_scheduler=CosineOverRounds), toy_data(), FederatedLoop(rounds=2)
    trainer = fit(task, data, loop)
    metrics = {(metric.client, metric.name): metric.value for metric in loop.round_metrics(trainer)}
    sizes = data.train_sizes
    losses = [metrics[client, "train_loss"] for client in sizes]
    overall = sum(size * loss for size, loss in zip(sizes.values(), losses, strict=True)) / sum(sizes.values())
    assert metrics["all", "train_loss"] == pytest.approx(overall)
    assert metrics["all", "learning_rate"] == pytest.approx(0.01)
    assert all(metrics[client, "delta_norm"] > 0 for client in sizes)
    assert loop.rounds_completed == 2
    assert trainer.callback_metrics["val_dice"] > 0


@pytest.mark.parametrize("frozen", ["network.0.weight", "network.3.bias"])
def test_frozen_parameters_keep_their_values(toy_task, toy_data, fit, frozen):
    task = toy_task()
    start = copy.deepcopy(task.state_dict())
    task.get_parameter(frozen).requires_grad_(False)
    fit(task, toy_data(), FederatedLoop(rounds=2))
    changed = {name for name, value in task.state_dict().items() if not torch.equal(value, start[name])}
    assert changed == set(start) - {frozen}


def test_the_method_may_bring_the_clients_optimizer(toy_task, toy_data, fit, history, plain_federation, difference):
    def sgd(parameters):
        return torch.optim.SGD(parameters, lr=0.5)

    task, data = toy_task(lr_scheduler=CosineOverRounds, optimizer=adamw), toy_data()
    start, loop = copy.deepcopy(task), FederatedLoop(rounds=3, client_optimizer=sgd)
    fit(task, data, loop, history)
    rate = lambda index: (1 + math.cos(math.pi * index / 3)) / 2  # noqa: E731
    for ours, expected in zip(history.rounds, plain_federation(start, data, RoundSchedule(3), sgd, rate), strict=True):
        assert difference(expected, ours) < 1e-6
    assert loop.describe(task).client_optimizer.class_name == "SGD"
    assert task.optimizer is adamw  # a later fit without the method trains as the task says
    assert FederatedLoop(rounds=1).describe(task).client_optimizer == "the task's"
