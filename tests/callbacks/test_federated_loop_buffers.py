"""What each client trains and is scored with, under the three policies for buffers."""

import copy

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from adpfl_bench.callbacks.federated_loop import FederatedLoop


def buffers_of(module):
    return {name: value.clone() for name, value in module.named_buffers()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


class Left(Callback):
    """What each client leaves at the end of its turn; comes before the loop."""

    def __init__(self):
        self.rounds = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch.last:
            self.rounds.setdefault(batch.round, {})[batch.client] = buffers_of(pl_module)


class Used(Callback):
    """What each client starts to train with, and its own cases are scored with; comes after the loop."""

    def __init__(self):
        self.started, self.scored, self.seen = {}, {}, set()

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.started.setdefault((batch.round, batch.client), buffers_of(pl_module))

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, *_):
        if batch.model in ("global", batch.client):
            self.scored[batch.split, batch.client] = buffers_of(pl_module)

    on_test_batch_end = on_predict_batch_end = on_validation_batch_end


@pytest.fixture
def play(toy_task, toy_data, fit):
    def run(policy, rounds=2, **arguments):
        task, data, left, used = toy_task("batchnorm"), toy_data(), Left(), Used()
        initial = buffers_of(task)
        trainer = fit(task, data, left, FederatedLoop(rounds=rounds, buffers=policy, **arguments), used)
        return trainer, task, data, initial, left, used

    return run


def test_average(play):
    _, task, data, initial, left, used = play("average")
    total = sum(data.train_sizes.values())
    for index in range(2):
        mean = {
            name: sum(left.rounds[index][client][name] * size for client, size in data.train_sizes.items()) / total
            for name in initial
        }
        mean["network.1.num_batches_tracked"] = mean["network.1.num_batches_tracked"].round().long()
        following = [used.started[1, client] for client in data.train_sizes] if index == 0 else [buffers_of(task)]
        for started in following:
            for name, value in mean.items():
                torch.testing.assert_close(started[name], value, atol=1e-6, rtol=0)
    for client in data.train_sizes:
        assert same(used.started[0, client], initial)
        assert same(used.scored["validation", client], buffers_of(task))


def test_local(play):
    trainer, task, data, initial, left, used = play("local")
    for client in data.train_sizes:
        assert same(used.started[0, client], initial)
        assert same(used.started[1, client], left.rounds[0][client])
        assert same(used.scored["validation", client], left.rounds[1][client])
        assert not same(left.rounds[0][client], left.rounds[1][client])
    assert same(buffers_of(task), initial)

    used.scored.clear()
    for evaluate in (trainer.validate, trainer.test, trainer.predict):
        evaluate(task, datamodule=data)
        assert same(buffers_of(task), initial)
    for client in data.train_sizes:
        for split in ("validation", "test"):
            assert same(used.scored[split, client], left.rounds[1][client])


def test_local_buffers_are_scored_from_a_checkpoint_alone(play, toy_task, make_trainer, tmp_path):
    trainer, _, data, initial, left, _ = play("local")
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    task, used = toy_task("batchnorm"), Used()
    other = make_trainer(FederatedLoop(rounds=2, buffers="local"), used)
    other.test(task, datamodule=data, ckpt_path=tmp_path / "end.ckpt")
    for client in data.train_sizes:
        assert same(used.scored["test", client], left.rounds[1][client])
    assert same(buffers_of(task), initial)


def test_local_buffers_of_an_earlier_checkpoint_replace_those_of_now(toy_task, toy_data, fit, tmp_path):
    task, data, left, used = toy_task("batchnorm"), toy_data(), Left(), Used()
    keep = ModelCheckpoint(tmp_path / "checkpoints", "{epoch}", save_top_k=-1)
    trainer = fit(task, data, left, FederatedLoop(rounds=2, buffers="local"), used, keep)
    trainer.test(task, datamodule=data, ckpt_path=tmp_path / "checkpoints" / "epoch=0.ckpt")
    for client in data.train_sizes:
        assert same(used.scored["test", client], left.rounds[0][client])


def test_clients_that_have_not_trained_are_scored_with_the_initial_buffers(play):
    _, _, data, initial, left, used = play("local", rounds=1, clients_per_round=1)
    (trained,) = left.rounds[0]
    for client in data.train_sizes:
        assert same(used.scored["validation", client], left.rounds[0][trained] if client == trained else initial)


def test_reset(play):
    _, task, data, initial, left, used = play("reset")
    for client in data.train_sizes:
        for index in range(2):
            assert same(used.started[index, client], initial)
            assert not same(left.rounds[index][client], initial)
        assert same(used.scored["validation", client], initial)
    assert same(buffers_of(task), initial)


def test_policies_differ_in_the_weights_only_through_scores(play):
    """Batch normalisation trains with the batch's own statistics, so the weights are the same under all."""
    weights = [
        {name: copy.deepcopy(p.detach()) for name, p in play(policy)[1].named_parameters()}
        for policy in ("average", "local", "reset")
    ]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name])
        assert torch.equal(value, weights[2][name])
