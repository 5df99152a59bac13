"""What mixes clients is refused, and what changes in a network without noise withdraws the guarantee."""

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    EMAWeightAveraging,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelCheckpoint,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.tuner import Tuner
from torch import nn

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import Ditto, LocalTraining
from adpfl_bench.privacy.proofs import register_proof
from tests.callbacks.guarantees import STATISTICS, private
from tests.callbacks.guarantees import reason as reason
from tests.callbacks.test_federated_loop_refusals import NothingTrained
from tests.toy_federation import ToyTask


@pytest.mark.parametrize("privacy", [None, "batch", "record", "client"])
@pytest.mark.parametrize(
    ("callback", "sentence"),
    [
        (lambda: EMAWeightAveraging(), "EMAWeightAveraging averages the network's weights from step to step, but in a"),
        (lambda: WeightAveraging(), "WeightAveraging averages the network's weights"),
        (lambda: StochasticWeightAveraging(swa_lrs=0.1), "StochasticWeightAveraging averages the network's weights"),
        (lambda: GradientAccumulationScheduler({1: 2}), "GradientAccumulationScheduler adds up gradients of several"),
        (lambda: LearningRateFinder(), "LearningRateFinder trains outside of the rounds"),
        (lambda: BatchSizeFinder(), "BatchSizeFinder trains outside of the rounds"),
    ],
)
def test_callbacks_that_mix_clients_are_refused(toy_task, toy_data, fit, privacy, callback, sentence):
    more = [private(privacy)] if privacy else []
    with pytest.raises(ConfigError, match=sentence):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=2), *more, callback(), NothingTrained())


def test_a_tuner_is_refused(toy_task, toy_data, make_trainer):
    trainer = make_trainer(FederatedLoop(rounds=1), NothingTrained())
    with pytest.raises(ConfigError, match="LearningRateFinder trains outside of the rounds"):
        Tuner(trainer).lr_find(toy_task(), datamodule=toy_data())


class Accumulate(Callback):
    """Does by hand what the scheduler of Lightning does."""

    def on_train_epoch_start(self, trainer, pl_module):
        trainer.accumulate_grad_batches = 1 + (trainer.current_epoch == 1)


def test_accumulation_that_begins_later(toy_task, toy_data, fit):
    loop = FederatedLoop(rounds=3)
    with pytest.raises(ConfigError, match="accumulate_grad_batches is 2, but gradients must not be"):
        fit(toy_task(), toy_data(), loop, Accumulate())
    assert loop.rounds_completed == 1


class Freeze(Callback):
    """Freezes a layer, or thaws it, in the second round; vouched for, so that nothing but the watch can tell."""

    def __init__(self, at_start, later):
        self.at_start, self.later = at_start, later

    def setup(self, trainer, pl_module, stage):
        pl_module.network[0].weight.requires_grad_(self.at_start)

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            pl_module.network[0].weight.requires_grad_(self.later)


register_proof(Freeze, "it lies")


@pytest.mark.parametrize("unit", [None, "batch", "record", "client"])
def test_layers_that_are_unfrozen_later_are_refused(toy_task, toy_data, fit, unit):
    """They would go from client to client as they are."""
    more, loop = [private(unit)] if unit else [], FederatedLoop(rounds=3)
    with pytest.raises(ConfigError, match=r"network\.0\.weight is trained now, but it was frozen when the run started"):
        fit(toy_task(), toy_data(), loop, *more, Freeze(at_start=False, later=True))
    assert loop.rounds_completed == 1


@pytest.mark.parametrize("unit", ["batch", "record", "client"])
def test_layers_that_are_frozen_later_withdraw_the_guarantee(reason, unit):
    with pytest.warns(UserWarning, match="No epsilon is accounted for this run any more: what is trained changed"):
        found = reason(Freeze(at_start=True, later=False), unit=unit, federated={"rounds": 2})
    assert found == "what is trained changed during the run (network.0.weight)"
    assert reason(Freeze(at_start=False, later=False), unit=unit, federated={"rounds": 2}) is None


class Smuggle(Callback):
    """Writes what it saw of a batch into a frozen weight, past the optimizer."""

    def setup(self, trainer, pl_module, stage):
        pl_module.network[0].weight.requires_grad_(False)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pl_module.network[0].weight.data[0] = batch.image.mean()


register_proof(Smuggle, "it lies too")


@pytest.mark.parametrize("unit", ["batch", "record", "client"])
def test_frozen_weights_that_change(reason, unit):
    with pytest.warns(UserWarning, match="the frozen parameter"):
        found = reason(Smuggle(), unit=unit)
    assert found == "the frozen parameter network.0.weight changed in training, and no noise covers it"


@pytest.mark.parametrize("unit", ["batch", "client"])
@pytest.mark.parametrize(
    "federated",
    [
        *({"buffers": policy} for policy in ("average", "local", "reset")),
        {"client_method": Ditto()},
        {"client_method": LocalTraining()},
        {"fine_tuning_epochs": 1},
        {"client_method": Ditto(), "buffers": "reset"},
        {"local_parameters": r"network\.1"},
    ],
)
def test_running_statistics_have_no_guarantee(toy_task, reason, unit, federated):
    if unit == "client" and isinstance(federated.get("client_method"), LocalTraining):
        with pytest.raises(ConfigError, match="nothing is sent"):
            reason(task=toy_task("batchnorm"), unit=unit, federated=federated)
        return
    assert reason(task=toy_task("batchnorm"), unit=unit, federated=federated) == STATISTICS


class Memory(nn.Module):
    """A layer of one's own that keeps what it saw, and is no normalisation."""

    def __init__(self, persistent):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()), persistent)

    def forward(self, x):
        if self.training:
            self.seen.copy_(x.detach().abs().max())
        return x


class RemembersTask(ToyTask):
    persistent = True

    def configure_network(self, network, arguments):
        network = super().configure_network(network, arguments)
        network[1] = Memory(self.persistent) if self.persistent is not None else Constant()
        return network


class Constant(nn.Module):
    """A layer with a buffer that stays."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.full((), 2.0))

    def forward(self, x):
        return self.scale * x


@pytest.mark.parametrize("policy", ["average", "local", "reset"])
@pytest.mark.parametrize("unit", ["batch", "client"])
@pytest.mark.parametrize("persistent", [True, False, None])
def test_buffers_that_change_withdraw_the_guarantee(monkeypatch, reason, unit, policy, persistent):
    monkeypatch.setattr(RemembersTask, "persistent", persistent)
    found = reason(task=RemembersTask("plain"), unit=unit, federated={"buffers": policy})
    changed = "the buffer network.1.seen of the network changed in training, and no noise covers it"
    assert found == (None if persistent is None else changed)


def test_a_withdrawn_guarantee_stays_withdrawn(toy_task, toy_data, fit, tmp_path, monkeypatch):
    checkpoint = ModelCheckpoint(tmp_path, save_last=True, save_on_train_epoch_end=True)

    def train(rounds, *more, **arguments):
        privacy = private("batch")
        task = RemembersTask("plain")
        fit(task, toy_data(), FederatedLoop(rounds=3), privacy, *more, **arguments)
        return privacy

    class Break(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                raise RuntimeError("broken off")

    register_proof(Break, "it only ends the run")
    with pytest.raises(RuntimeError, match="broken off"):
        train(3, checkpoint, Break())
    monkeypatch.setattr(Memory, "forward", lambda self, x: x)
    resumed = train(3, ckpt_path=tmp_path / "last.ckpt")
    assert resumed.accounted.reason.startswith("the buffer network.1.seen of the network changed")
    assert resumed.describe().accounted.epsilon is None
    anew = train(3)
    assert anew.accounted.reason is None
