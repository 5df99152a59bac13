"""A run that is resumed from any round ends with the bits of a run that was never interrupted."""

import copy

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.privacy.mechanisms import LaplaceMechanism
from adpfl_bench.privacy.thresholds import PercentileThreshold
from adpfl_bench.tasks.schedules import CosineOverRounds

ROUNDS = 4
SIZES = {"alps": 12, "bay": 9, "cape": 3, "dale": 21, "elm": 6}


def callbacks(**federated):
    privacy = DifferentialPrivacy("batch", PercentileThreshold(60.0, 5), LaplaceMechanism(), noise_multiplier=0.05)
    return FederatedLoop(**{**HARD, **federated}), privacy


HARD = {
    "rounds": ROUNDS,
    "clients_per_round": 2,
    "seed": 3,
    "server_optimizer": lambda parameters: torch.optim.SGD(parameters, lr=0.8, momentum=0.9),
    "client_optimizer_state": "keep",
}


def plain(value):
    """Tensors as lists, so that nested states can be compared with ==."""
    if isinstance(value, torch.Tensor):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def outcome(trainer, task, loop, privacy):
    private = privacy.state_dict()
    del private["guarantee"]  # it remembers the callbacks of both parts of the run, which differ here
    return plain(
        {
            "weights": task.state_dict(),
            "loop": loop.state_dict(),
            "privacy": private,
            "optimizer": trainer.lr_scheduler_configs[0].scheduler.state_dict()["_last_lr"],
            "metrics": [*loop.round_metrics(trainer), *privacy.round_metrics(trainer)],
            "rows": task.scores,
        }
    )


class RoundsTrained(Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.is_last_batch:
            self.seen.append(batch.round)


@pytest.fixture
def play(toy_task, toy_data, fit, tmp_path):
    def run(*more, network="dropout", ckpt_path=None, federated=None):
        task = toy_task(network, lr_scheduler=CosineOverRounds)
        loop, privacy = callbacks(**(federated or {}))
        trainer = fit(task, toy_data(SIZES), loop, privacy, *more, ckpt_path=ckpt_path)
        return outcome(trainer, task, loop, privacy)

    return run


class StopAfter(Callback):
    def __init__(self, rounds):
        self.rounds = rounds

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch + 1 == self.rounds


@pytest.mark.parametrize("when", ["after validation", "at the end of the round"])
@pytest.mark.parametrize(
    ("network", "federated"),
    [
        ("dropout", {}),
        ("batchnorm", {"buffers": "local"}),
        ("batchnorm", {"buffers": "average", "local_steps": 3}),
        ("plain", {"server_optimizer": lambda p: torch.optim.Adam(p, lr=0.05), "local_epochs": 2}),
    ],
)
def test_resuming_from_every_round(play, tmp_path, network, federated, when):
    folder = tmp_path / "checkpoints"

    def keep():
        return ModelCheckpoint(
            folder, "{epoch}", save_top_k=-1, save_on_train_epoch_end=when == "at the end of the round"
        )

    expected = play(keep(), network=network, federated=federated)
    for index in range(ROUNDS - 1):
        trained = RoundsTrained()
        resumed = play(trained, network=network, federated=federated, ckpt_path=folder / f"epoch={index}.ckpt")
        assert trained.seen == list(range(index + 1, ROUNDS))
        assert resumed == expected
    assert expected["privacy"]["threshold"]
    (ledger,) = expected["privacy"]["sessions"].values()
    assert len(ledger) > 2


def test_stopping_and_resuming_twice(play, tmp_path):
    expected = play()
    folder, path = tmp_path / "checkpoints", None
    for rounds in (1, 3):
        stopped = play(StopAfter(rounds), ModelCheckpoint(folder, "{epoch}", save_top_k=-1), ckpt_path=path)
        assert stopped["loop"]["rounds_completed"] == rounds
        path = folder / f"epoch={rounds - 1}.ckpt"
    assert play(ckpt_path=path) == expected


def test_rounds_differ_in_length(toy_data):
    """Otherwise the tests above would not show that a resumed round has its own length."""
    data, (loop, _) = toy_data(SIZES), callbacks()
    data.setup("fit")
    lengths = {
        sum(visit.steps(SIZES[visit.client], 4) for visit in loop.schedule.visits(index, list(SIZES)))
        for index in range(ROUNDS)
    }
    assert len(lengths) > 2


class Crash(Callback):
    def __init__(self, round_index, step):
        self.at = (round_index, step)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if (batch.round, batch_idx) == self.at:
            raise OSError("the machine went away")


@pytest.mark.parametrize("step", [0, 1, 4])
def test_the_same_callbacks_go_on_after_a_crash_inside_a_round(toy_task, toy_data, fit, make_trainer, tmp_path, step):
    """As in a notebook, where the objects of the interrupted fit are still there."""
    federated = {"clients_per_round": None, "client_optimizer_state": "reset"}
    task, (loop, privacy) = toy_task("dropout", lr_scheduler=CosineOverRounds), callbacks(**federated)
    expected = outcome(fit(task, toy_data(SIZES), loop, privacy), task, loop, privacy)

    loop, privacy = callbacks(**federated)
    keep = ModelCheckpoint(tmp_path / "checkpoints", "{epoch}", save_top_k=-1)
    with pytest.raises(OSError, match="went away"):
        fit(toy_task("dropout", lr_scheduler=CosineOverRounds), toy_data(SIZES), loop, privacy, keep, Crash(2, step))
    task = toy_task("dropout", lr_scheduler=CosineOverRounds)
    path = tmp_path / "checkpoints" / "epoch=1.ckpt"
    trainer = fit(task, toy_data(SIZES), loop, privacy, ckpt_path=path)
    assert outcome(trainer, task, loop, privacy) == expected


def test_the_same_callbacks_can_train_another_run(toy_task, toy_data, fit):
    (loop, _), first, second = callbacks(buffers="local"), toy_task("batchnorm"), toy_task("batchnorm")
    fit(first, toy_data(SIZES), loop)
    state = plain(loop.state_dict())
    fit(second, toy_data(SIZES), loop)
    assert plain(loop.state_dict()) == state
    assert plain(first.state_dict()) == plain(second.state_dict())


def test_an_evaluation_from_a_checkpoint_does_not_leak_into_a_later_fit(toy_task, toy_data, fit, tmp_path):
    (loop, _), data = callbacks(), toy_data(SIZES)
    first = toy_task()
    trainer = fit(first, data, loop)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    expected = plain(first.state_dict())
    trainer.test(first, datamodule=data, ckpt_path=tmp_path / "end.ckpt")
    second = toy_task()
    fit(second, toy_data(SIZES), loop)
    assert plain(second.state_dict()) == expected


def test_a_checkpoint_of_a_checkpoint_is_whole(toy_task, toy_data, fit, make_trainer, tmp_path):
    """Saving right after loading for an evaluation must not lose the federation's state."""
    (loop, _), data = callbacks(buffers="local"), toy_data(SIZES)
    fit(toy_task("batchnorm"), data, loop).save_checkpoint(tmp_path / "first.ckpt")
    state = plain(loop.state_dict())
    (other, _), task = callbacks(buffers="local"), toy_task("batchnorm")
    trainer = make_trainer(other)
    trainer.test(task, datamodule=copy.copy(data), ckpt_path=tmp_path / "first.ckpt")
    assert plain(other.state_dict()) == state
