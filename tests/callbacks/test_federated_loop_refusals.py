"""What a federated run refuses, and says, before it would be silently wrong."""

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule
from lightning.pytorch.callbacks import Timer
from torch.utils.data import DataLoader

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.errors import BenchError, ConfigError


class NothingTrained(Callback):
    """Fails the test if anything was trained before the refusal."""

    def on_train_batch_start(self, *_):
        pytest.fail("a batch was trained")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"accumulate_grad_batches": 2}, "accumulate_grad_batches is 2.*raise data.batch_size"),
        ({"max_epochs": 5}, "max_epochs is 5 and federated.rounds is 2"),
        ({"max_epochs": -1}, "max_epochs is -1 and federated.rounds is 2"),
        ({"max_steps": 3}, "max_steps is 3.*leave it at -1"),
        ({"fast_dev_run": True}, "federated.rounds is 2|fast_dev_run would cut the round short"),
        ({"limit_train_batches": 0.5}, r"limit_train_batches is 0\.5.*leave it at 1\.0; use federated.local_steps"),
        ({"limit_train_batches": 3}, "limit_train_batches is 3"),
        ({"limit_train_batches": 1}, r"limit_train_batches is 1, .*leave it at 1\.0"),
        ({"overfit_batches": 2}, "is 2.*would cut a round short"),
        ({"overfit_batches": 0.5}, r"is 0\.5.*would cut a round short"),
        ({"val_check_interval": 0.5}, r"val_check_interval is 0\.5, .*look into its middle"),
        ({"val_check_interval": 1}, r"val_check_interval is 1, .*look into its middle"),
        ({"val_check_interval": "00:00:01:00"}, "val_check_interval is a time"),
    ],
)
def test_trainer_settings(toy_task, toy_data, fit, arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=2), NothingTrained(), **arguments)


def test_several_processes(toy_task, toy_data, make_trainer):
    """Asked directly, so that none are started."""
    loop = FederatedLoop(rounds=2)
    trainer = make_trainer(loop, devices=2, strategy="ddp_spawn")
    trainer.datamodule = toy_data()
    with pytest.raises(ConfigError, match="runs 2 processes, which would train one client together"):
        loop.setup(trainer, toy_task(), "fit")


def test_fast_dev_run_has_a_sentence_of_its_own(toy_task, toy_data, fit):
    with pytest.raises(ConfigError, match=r"fast_dev_run would cut the round short.*configs/smoke\.yaml"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), NothingTrained(), fast_dev_run=True)


def test_whole_rounds_may_be_spelled_out(toy_task, toy_data, fit):
    whole = {"limit_train_batches": 1.0, "overfit_batches": 0, "val_check_interval": 1.0, "max_steps": -1}
    loop = FederatedLoop(rounds=1)
    fit(toy_task(), toy_data(), loop, **whole)
    assert loop.rounds_completed == 1


def test_manual_optimization(toy_task, toy_data, fit):
    task = toy_task()
    task.automatic_optimization = False
    with pytest.raises(ConfigError, match="automatic optimization"):
        fit(task, toy_data(), FederatedLoop(rounds=1), NothingTrained())


def test_no_optimizer(toy_task, toy_data, fit):
    task = toy_task()
    task.configure_optimizers = lambda: None
    with pytest.raises(ConfigError, match="exactly one optimizer, but the model configures 0"):
        fit(task, toy_data(), FederatedLoop(rounds=1), NothingTrained())


def test_several_optimizers(toy_task, toy_data, fit):
    """Lightning comes to this first, in words of its own."""
    task = toy_task()
    task.configure_optimizers = lambda: [torch.optim.SGD(task.parameters(), lr=0.1) for _ in range(2)]
    with pytest.raises(RuntimeError, match="multiple optimizers"):
        fit(task, toy_data(), FederatedLoop(rounds=1), NothingTrained())


def test_datamodule_without_clients(toy_task, make_trainer):
    class Plain(LightningDataModule):
        def train_dataloader(self):
            return DataLoader([0])

    trainer = make_trainer(FederatedLoop(rounds=1))
    with pytest.raises(ConfigError, match=r"FederatedDataModule .* was expected, but the Trainer was given Plain"):
        trainer.fit(toy_task(), datamodule=Plain())
    with pytest.raises(ConfigError, match="was expected, but the Trainer was given NoneType"):
        make_trainer(FederatedLoop(rounds=1)).fit(toy_task(), train_dataloaders=DataLoader([0]))


def test_datamodule_without_loop(toy_task, toy_data, fit):
    with pytest.raises(ConfigError, match="trains under a FederatedLoop; add one"):
        fit(toy_task(), toy_data())


def test_more_participants_than_clients(toy_task, toy_data, fit):
    with pytest.raises(ConfigError, match="clients_per_round is 4, but there are only 3 clients"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1, clients_per_round=4), NothingTrained())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"participation": 1.2}, r"federated\.participation .* must lie in \(0, 1\], but it is 1\.2"),
        ({"buffers": "averaged"}, r"federated\.buffers is averaged; possible are average, local, reset"),
        ({"client_optimizer_state": "clear"}, r"client_optimizer_state is clear; possible are reset, keep"),
    ],
)
def test_arguments(arguments, sentence):
    with pytest.raises(ConfigError, match=sentence):
        FederatedLoop(**arguments)


class StopInside(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        trainer.should_stop = batch.round == 1 and batch_idx == self.step


@pytest.mark.parametrize(("step", "missing"), [(0, "alps, bay, cape"), (2, "bay, cape"), (4, "bay, cape"), (5, "cape")])
def test_a_round_that_is_cut_short(toy_task, toy_data, fit, step, missing):
    with pytest.raises(ConfigError, match=f"Round 2 was cut short before these clients had finished: {missing}\\."):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=3), StopInside(step))


def test_stopping_between_rounds_is_fine(toy_task, toy_data, fit):
    loop = FederatedLoop(rounds=3)
    fit(toy_task(), toy_data(), loop, StopInside(6))
    assert loop.rounds_completed == 2


def test_a_timer_that_counts_steps(toy_task, toy_data, fit):
    timer = Timer(duration={"microseconds": 1}, interval="step")
    with pytest.raises(ConfigError, match="Round 1 was cut short"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=3), timer)


def test_a_model_that_skips_the_rest_of_an_epoch(toy_task, toy_data, fit):
    task = toy_task()
    task.on_train_batch_start = lambda batch, batch_idx: -1 if batch_idx == 2 else None
    with pytest.raises(ConfigError, match="Round 1 was cut short before these clients had finished: alps, bay, cape"):
        fit(task, toy_data(), FederatedLoop(rounds=2))


class Diverge(Callback):
    """Spoils client bay in round 2, before the loop collects it."""

    def __init__(self, value):
        self.value = value

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if (batch.round, batch.client) == (1, "bay"):
            pl_module.network[0].weight.data[0] = self.value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_diverge(toy_task, toy_data, fit, value):
    with pytest.raises(BenchError, match=r"Client bay diverged in round 2.*Lower the learning rate"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=3), Diverge(value))


def test_weights_that_are_too_far_to_be_added(toy_task, toy_data, fit):
    expected = (
        r"Client bay diverged in round 2: what it sends is too large: with its weight [\d.]+e\+11, where there is"
    )
    with pytest.raises(BenchError, match=expected):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=3), Diverge(1e12))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_diverges(toy_task, toy_data, fit, value):
    task, loop = toy_task(), FederatedLoop(rounds=3)
    losses = task.example_losses
    task.example_losses = lambda *arguments: (
        losses(*arguments) * (value if (loop.round, loop.client) == (1, "bay") else 1.0)
    )
    with pytest.raises(BenchError, match="Client bay diverged in round 2"):
        fit(task, toy_data(), loop)
