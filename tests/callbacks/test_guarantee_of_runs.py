"""Runs that the proof does not know go on and claim nothing; what is only claimed is said."""

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LambdaCallback,
    ModelCheckpoint,
    Timer,
)
from lightning.pytorch.cli import ReduceLROnPlateau
from lightning.pytorch.loggers import CSVLogger, Logger

from adpfl_bench.callbacks.differential_privacy import DifferentialPrivacy
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.run_recorder import RunRecorder
from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.client_methods import FedProx
from adpfl_bench.leaderboard.run_summary import privacy_text
from adpfl_bench.privacy.mechanisms import GaussianMechanism
from adpfl_bench.privacy.proofs import register_proof
from adpfl_bench.privacy.unit_gradients import UnitGradients
from tests.callbacks.guarantees import Nosy, private
from tests.callbacks.guarantees import reason as reason
from tests.callbacks.test_federated_loop_refusals import NothingTrained
from tests.toy_federation import ToyTask


class Steps(ToyTask):
    def on_after_backward(self):
        pass


class Silent(Logger):
    """A logger of one's own."""

    name, version = "silent", 0

    def log_metrics(self, metrics, step=None):
        pass

    def log_hyperparams(self, params, *more, **named):
        pass


def _own_loader(data):
    data.train_dataloader = data.train_dataloader
    return data


def _hooked(task):
    next(task.parameters()).register_post_accumulate_grad_hook(lambda parameter: None)
    return task


def _patched(callback):
    callback.on_train_end = lambda trainer, pl_module: None
    return callback


def _replaced(task):
    task.training_step = task.training_step
    return task


def _lambda_schedule(optimizer):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)


def _nested_schedule(optimizer):
    return torch.optim.lr_scheduler.SequentialLR(
        optimizer, [torch.optim.lr_scheduler.ConstantLR(optimizer), _lambda_schedule(optimizer)], milestones=[1]
    )


class Greedy(torch.optim.SGD):
    """Steps by the loss as it is, which no noise covers."""

    def step(self, closure=None):
        loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data -= 1e-3 * float(loss)


CASES = {
    "own callback": (lambda task, data: {"callbacks": [Nosy()]}, "the proof does not know the callback Nosy"),
    "replaced hook": (
        lambda task, data: {"callbacks": [_patched(RunRecorder())]},
        "on_train_end of RunRecorder was replaced by another one",
    ),
    "heir of a known callback": (
        lambda task, data: {"callbacks": [type("Mine", (ModelCheckpoint,), {})()]},
        "the proof does not know the callback Mine",
    ),
    "lambdas": (lambda task, data: {"callbacks": [LambdaCallback()]}, "the callback LambdaCallback"),
    "optimizer": (
        lambda task, data: {"task": task(optimizer=lambda p: Greedy(p, lr=0.1))},
        "the proof does not know the local optimizer Greedy",
    ),
    "client optimizer": (
        lambda task, data: {"federated": {"client_optimizer": lambda p: Greedy(p, lr=0.1)}},
        "the proof does not know the local optimizer Greedy",
    ),
    "schedule": (lambda task, data: {"task": task(lr_scheduler=_lambda_schedule)}, "learning-rate schedule LambdaLR"),
    "nested": (lambda task, data: {"task": task(lr_scheduler=_nested_schedule)}, "learning-rate schedule LambdaLR"),
    "precision": (lambda task, data: {"precision": "bf16-true"}, "the proof does not know the precision bf16-true"),
    "hook of the task": (lambda task, data: {"task": Steps("plain")}, "Steps has on_after_backward of its own"),
    "replaced step": (lambda task, data: {"task": _replaced(task())}, "ToyTask has training_step of its own"),
    "gradient hook": (lambda task, data: {"task": _hooked(task())}, "has a hook that sees its gradient"),
    "loader": (lambda task, data: {"data": _own_loader(data())}, "ToyDataModule has train_dataloader of its own"),
    "logger": (
        lambda task, data: {"logger": Silent()},
        "the proof does not know the logger Silent",
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("unit", ["batch", "record", "client"])
def test_what_the_proof_does_not_know_runs_and_claims_nothing(toy_task, toy_data, fit, reason, tmp_path, name, unit):
    make, expected = CASES[name]
    arguments = make(toy_task, toy_data)
    callbacks = arguments.pop("callbacks", [])
    assert expected in reason(*callbacks, unit=unit, **arguments)


@pytest.mark.parametrize("unit", ["batch", "record", "patient", "client"])
def test_a_plain_run_is_known(reason, unit, tmp_path):
    callbacks = [RunRecorder(), ModelCheckpoint(tmp_path / "a", monitor="val_dice"), Timer({"hours": 1})]
    assert reason(*callbacks, unit=unit, logger=CSVLogger(tmp_path), enable_progress_bar=True) is None


@pytest.mark.parametrize("settings", [{"every_n_train_steps": 2}, {"save_on_exception": True}])
def test_checkpoints_within_rounds_hold_a_clients_weights(reason, tmp_path, settings):
    said = "ModelCheckpoint saves within a round, when the network holds one client's weights"
    assert reason(ModelCheckpoint(tmp_path, **settings), unit="client") == said
    assert reason(ModelCheckpoint(tmp_path, **settings), unit="record") is None


def test_a_part_that_comes_later_withdraws_the_guarantee(reason):
    class Adds(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.callbacks.append(Nosy())

    register_proof(Adds, "it lies")
    with pytest.warns(UserWarning, match="any more: the proof does not know the callback Nosy"):
        assert reason(Adds(), federated={"rounds": 2}) == "the proof does not know the callback Nosy"


def test_a_target_needs_a_guarantee(toy_task, toy_data, fit):
    privacy = private(noise_multiplier=None, target_epsilon=3.0)
    with pytest.raises(ConfigError, match="no epsilon can be accounted: the proof does not know the callback Nosy"):
        fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy, Nosy(), NothingTrained())


def test_without_privacy_nothing_is_asked(toy_task, toy_data, fit):
    loop = FederatedLoop(rounds=1, client_method=type("Own", (FedProx,), {})())
    fit(Steps("batchnorm"), toy_data(), loop, DifferentialPrivacy(), Nosy(), precision="bf16-true")
    assert loop.rounds_completed == 1


def plateau(monitor):
    return lambda optimizer: ReduceLROnPlateau(optimizer, monitor, mode="max", patience=0)


def test_learning_rates_by_a_validation_score_are_admitted(toy_task, toy_data, fit):
    privacy = private()
    fit(toy_task(lr_scheduler=plateau("val_dice")), toy_data(), FederatedLoop(rounds=2), privacy)
    assert privacy.accounted.not_covered == ("learning rates by val_dice",)
    assert privacy.accounted.epsilon > 0


class Logs(ToyTask):
    """Reports its training loss, which is computed from private images."""

    def example_losses(self, image, label):
        losses = super().example_losses(image, label)
        if self._trainer is not None and self.trainer.training:
            self.trainer.callback_metrics["train_loss"] = torch.tensor(1.0)
        return losses


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"task": lambda: Logs("plain", lr_scheduler=plateau("train_loss"))}, "learning rates"),
        ({"callbacks": lambda: [EarlyStopping("train_loss", strict=False)]}, "stopping early"),
        ({"callbacks": lambda: [ModelCheckpoint(monitor="train_loss")]}, "choosing a round"),
    ],
)
def test_choices_by_a_training_loss_have_no_guarantee(toy_task, toy_data, make_trainer, arguments, what):
    """As far as the start: the decision is made there, and what Lightning says of such names is its own matter."""
    privacy, loop = private(), FederatedLoop(rounds=1)
    trainer = make_trainer(loop, privacy, *arguments.get("callbacks", list)())
    task, data = arguments.get("task", toy_task)(), toy_data()
    trainer.datamodule = data
    data.setup("fit")
    loop.setup(trainer, task, "fit")
    assert privacy.accounted.reason == f"{what} by train_loss follows a number that no noise covers"


def test_stopping_by_the_clock_is_admitted(toy_task, toy_data, fit):
    privacy = private()
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy, Timer({"hours": 1}))
    assert privacy.accounted.not_covered == ("stopping early by the clock",)


class Double(GaussianMechanism):
    """Noise of twice the scale."""

    def sample(self, size, scale, source):
        return super().sample(size, 2 * scale, source)


register_proof(Double, "noise of twice the scale", like="GaussianMechanism", factor=2.0)


def test_what_is_claimed_is_said_wherever_epsilon_stands(toy_task, toy_data, fit, capsys, tmp_path):
    privacy, plain = private(mechanism=Double(), noise_multiplier=1.0), private(noise_multiplier=2.0)
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), privacy, RunRecorder())
    claim = "Double (noise of twice the scale)"
    assert f"claimed by the author of {claim}" in capsys.readouterr().out
    block = privacy.describe()
    assert block.accounted.claimed == (claim,)
    assert block.accounted.not_covered == (f"what is claimed by the author of {claim}",)
    assert f"not covered: what is claimed by the author of {claim}" in privacy_text(block)
    fit(toy_task(), toy_data(), FederatedLoop(rounds=1), plain, default_root_dir=tmp_path / "plain")
    assert block.accounted.epsilon == plain.accounted.epsilon
    assert plain.describe().accounted.claimed == ()


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_a_units_gradient_is_the_same_whoever_is_in_the_batch(toy_task, norm):
    """In bfloat16 the sum moved by more than the threshold."""
    task = toy_task()
    units = UnitGradients(task, task.example_losses, 2**30)
    generator = torch.Generator().manual_seed(3)
    image = torch.randn(16, 1, 8, 8, generator=generator)
    label = (torch.randn(16, 1, 8, 8, generator=generator) > 0).float()
    threshold = 0.1
    with torch.autocast("cpu", torch.bfloat16):
        whole = units.gradients(image, label, torch.arange(16))
        assert whole.dtype == torch.float32
        total = units.clipped_sum(image, label, torch.arange(16), threshold, norm)
        for index in range(16):
            alone = units.gradients(image[index : index + 1], label[index : index + 1], torch.arange(1))
            assert float((alone[0] - whole[index]).norm() / whole[index].norm()) < 1e-6
            others = [i for i in range(16) if i != index]
            without = units.clipped_sum(image[others], label[others], torch.arange(15), threshold, norm)
            moved = torch.cat([(a - b).flatten() for a, b in zip(total.gradients, without.gradients, strict=True)])
            assert float(moved.double().norm(p={"l2": 2, "l1": 1}[norm])) <= threshold * (1 + 1e-5)
