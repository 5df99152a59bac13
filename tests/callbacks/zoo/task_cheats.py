"""Cheats of tasks, optimizers, client methods and callbacks."""

from dataclasses import replace

import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import nn

from adpfl_bench.federation.aggregation import WeightedMean
from adpfl_bench.federation.client_methods import ClientMethod
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from tests.callbacks.audits import WideTask
from tests.callbacks.zoo.cheat import Cheat, task_of


class _Task(Cheat):
    found_by = ("sensitivity",)
    says = r"a unit moves the sum by|thresholds away"

    def arguments(self):
        return {**super().arguments(), "task": task_of(self.task)}


class PoolsOverTheBatch(_Task):
    """Images are centred by the mean of their batch, so that one unit is in all gradients."""

    class task(WideTask):
        def training_step(self, batch, batch_idx):
            self.centre = batch.image.mean() if len(batch.image) else torch.tensor(0.0)
            return super().training_step(batch, batch_idx)

        def example_losses(self, image, label):
            return super().example_losses(image - 5 * getattr(self, "centre", 0.0), label)


class ScalesByTheBatch(_Task):
    """All losses are weighed by whether the number of examples is even, which no clipping takes back."""

    class task(WideTask):
        share = 1.0

        def training_step(self, batch, batch_idx):
            self.share = 1.0 if len(batch.image) % 2 else 1e-4
            return super().training_step(batch, batch_idx)

        def example_losses(self, image, label):
            return super().example_losses(image, label) * self.share


class RunningMean(_Task):
    """A mean over all images so far, which is in no buffer."""

    class task(WideTask):
        seen = 0.0

        def training_step(self, batch, batch_idx):
            if len(batch.image):
                self.seen = 0.5 * self.seen + 0.5 * float(batch.image.mean())
            return super().training_step(batch, batch_idx)

        def example_losses(self, image, label):
            return super().example_losses(image - 5 * self.seen, label)


class RunningMeanOfBatches(RunningMean):
    """The same where the batch's mean is clipped, so that no unit moves it by more than is said; but two of them."""

    says = "thresholds away from what its units bring"
    settings = {"unit": "batch"}  # noqa: RUF012


class APenaltyForTheBatch(_Task):
    """A regulariser of the batch's outputs, whose gradient passes no clipping."""

    class task(WideTask):
        def training_step(self, batch, batch_idx):
            penalty = self.network(batch.image).square().sum() if len(batch.image) else 0.0
            return super().training_step(batch, batch_idx) + 0.1 * penalty


class NormalisesTheBatch(Cheat):
    """Refused before anything is trained."""

    says = "whose statistics mix the examples of a batch"

    def arguments(self):
        class Normal(WideTask):
            def configure_network(self, network, arguments):
                return nn.Sequential(nn.BatchNorm2d(1), nn.Conv2d(1, 1, 3, padding=1))

        return {**super().arguments(), "task": task_of(Normal)}


class _Optimizer(Cheat):
    found_by = ("weights",)
    says = "after a step of round 1, .* is not what the releases explain"

    def arguments(self):
        return {**super().arguments(), "task": task_of(optimizer=self.optimizer)}


class StepsByTheRawLoss(_Optimizer):
    """Polyak's step size, from the loss that no noise covers."""

    class optimizer(torch.optim.SGD):
        def __init__(self, parameters):
            super().__init__(parameters, lr=0.01)

        def step(self, closure=None):
            with torch.enable_grad():
                loss = closure()
            with torch.no_grad():
                for parameter in self.param_groups[0]["params"]:
                    parameter -= 0.01 / (1 + float(loss.nan_to_num())) * parameter.grad
            return loss


class RemembersRawGradients(_Optimizer):
    """An optimizer that takes a hook's gradients, from before they were made private."""

    class optimizer(torch.optim.SGD):
        def __init__(self, parameters):
            super().__init__(parameters, lr=0.02)
            self.raw = {}
            for parameter in self.param_groups[0]["params"]:
                parameter.register_post_accumulate_grad_hook(lambda p: self.raw.update({id(p): p.grad.clone()}))

        def step(self, closure=None):
            loss = super().step(closure)
            with torch.no_grad():
                for parameter in self.param_groups[0]["params"]:
                    parameter -= 1e-3 * self.raw.get(id(parameter), torch.zeros(()))
            return loss


class TwoGradientsForAStep(Cheat):
    says = "LBFGS computes several gradients for one step"

    def arguments(self):
        return {**super().arguments(), "task": task_of(optimizer=torch.optim.LBFGS)}


class ClipsOnceMore(Cheat):
    says = "the Trainer would clip again after the noise"
    run = {"trainer": {"gradient_clip_val": 1.0}}  # noqa: RUF012


class AccumulatesGradients(Cheat):
    says = "gradients must not be accumulated across clients"
    run = {"trainer": {"accumulate_grad_batches": 2}}  # noqa: RUF012


class _Watcher(Callback):
    """Keeps gradients as they are before anything is private, those of the last step that has any."""

    raw = ()

    def on_after_backward(self, trainer, pl_module):
        raw = [p.grad.clone() for p in pl_module.parameters() if p.grad is not None]
        if any(map(torch.any, raw)) or not self.raw:
            self.raw = raw


class _Callback(Cheat):
    found_by = ("weights",)
    says = "is not what the releases explain"

    def arguments(self):
        return {**super().arguments(), "more": [self.callback()]}


class WritesToWeights(_Callback):
    class callback(_Watcher):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            with torch.no_grad():
                for parameter, raw in zip(pl_module.parameters(), self.raw, strict=True):
                    parameter -= 1e-3 * raw


class WritesToTheOptimizer(_Callback):
    """Into a momentum, from which it comes to the weights."""

    class callback(_Watcher):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            states = trainer.optimizers[0].state
            for parameter, raw in zip(pl_module.parameters(), self.raw, strict=True):
                states[parameter]["momentum_buffer"] += 0.1 * raw

    def arguments(self):
        momentum = task_of(optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.02, momentum=0.9))
        return {**super().arguments(), "task": momentum}


class SetsTheRateByTheLoss(_Callback):
    class callback(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            trainer.optimizers[0].param_groups[0]["lr"] = 0.01 * float(outputs["loss"].nan_to_num())


class UnfreezesALayer(_Callback):
    """No noise of the plan's would reach it."""

    found_by = ()
    says = "network.0.weight is trained now, but it was frozen when the run started"

    class callback(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 3:
                pl_module.network[0].requires_grad_(True)

    def arguments(self):
        return {**super().arguments(), "task": WideTask("wide", optimizer=_trained, frozen=r"network\.0")}


class MovesAFrozenLayer(_Callback):
    says = "network.0.weight is not what the releases explain"

    class callback(_Watcher):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            with torch.no_grad():
                pl_module.network[0].weight += 1e-2 * self.raw[0].mean()

    def arguments(self):
        return {**super().arguments(), "task": WideTask("wide", optimizer=_trained, frozen=r"network\.0")}


def _trained(parameters):
    return torch.optim.SGD([p for p in parameters if p.requires_grad], lr=0.02)


class WritesInTheEnd(_Callback):
    says = "at the end of the run, network.0.weight is not what the releases explain"

    class callback(_Watcher):
        def on_train_end(self, trainer, pl_module):
            with torch.no_grad():
                for parameter, raw in zip(pl_module.parameters(), self.raw, strict=True):
                    parameter -= 0.1 * raw


class AveragesWeights(_Callback):
    """What clients train with the unit client is no release, but it would become the model."""

    found_by = ()
    says = "EMAWeightAveraging averages the network's weights from step to step"
    settings = {"unit": "client"}  # noqa: RUF012

    @staticmethod
    def callback():
        return EMAWeightAveraging(decay=0.5)


class AveragesRawWeights(_Callback):
    """The same, by a class that nobody knows."""

    says = "at the end of the run, network.0.weight is not what the releases explain"
    settings = {"unit": "client"}  # noqa: RUF012

    class callback(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 1:  # within a client's turn
                self.average = [p.detach().clone() for p in pl_module.parameters()]

        def on_train_end(self, trainer, pl_module):
            with torch.no_grad():
                for parameter, own in zip(pl_module.parameters(), self.average, strict=True):
                    parameter.lerp_(own, 0.5)


class AMethodThatRemembers(Cheat):
    """A client method that adds what a callback has seen."""

    found_by = ("weights",)
    says = "after a step of round 1"

    def arguments(self):
        watcher = _Watcher()

        class Remembers(ClientMethod):
            def on_gradient(self, work, gradients):
                for gradient, raw in zip(gradients, type(self).watcher.raw, strict=True):
                    gradient += 0.1 * raw

            def __deepcopy__(self, memo):
                return ClientMethod()

        Remembers.watcher = watcher
        return {**super().arguments(), "more": [watcher], "federated": {"client_method": Remembers()}}


class AnAggregatorWithItsOwnDelta(Cheat):
    """A server that adds what it should not know."""

    found_by = ("weights",)
    says = "before a step of round 2"

    def arguments(self):
        watcher = _Watcher()

        class Adds(WeightedMean):
            def finish_round(self):
                return [delta + 0.1 * raw for delta, raw in zip(super().finish_round(), self.raw(), strict=True)]

            def raw(self):
                return watcher.raw

            def __deepcopy__(self, memo):
                return WeightedMean()

        return {**super().arguments(), "more": [watcher], "federated": {"aggregator": Adds()}}


class DividesByTheDraw(Cheat):
    """By the number of units that were drawn, which is private."""

    found_by = ("use of releases", "weights")
    says = "the optimizer is given something else than the release"
    settings = {"sampling": "poisson"}  # noqa: RUF012

    class engine(PrivacyEngine):
        def release(self, batch, optimizer, see=None):
            drawn = replace(batch, divisor=max(1, len(set(batch.units.tolist()))))
            super().release(drawn, optimizer, lambda _, seen: see(batch, seen))


class AddsTheGradient(Cheat):
    """A little of the exact sum, after the noise."""

    found_by = ("use of releases", "weights")
    says = "the optimizer is given something else than the release"

    class engine(PrivacyEngine):
        def release(self, batch, optimizer, see=None):
            parameters = optimizer.param_groups[0]["params"]
            exact = [parameter.grad.clone() for parameter in parameters]
            super().release(batch, optimizer, see)
            for parameter, gradient in zip(parameters, exact, strict=True):
                parameter.grad += 0.1 * gradient


class SendsMoreThanItReleased(Cheat):
    """A delta that is noised, and then has some of what it was added again: it is what is sent that counts."""

    found_by = ("noise independence",)
    says = "the noise is correlated with the sum that it hides"
    settings = {"unit": "client"}  # noqa: RUF012

    class engine(PrivacyEngine):
        def release_delta(self, client, delta, see=None):
            raw = [tensor.clone() for tensor in delta]
            super().release_delta(client, delta, see)
            for tensor, own in zip(delta, raw, strict=True):
                tensor += 0.5 * own


class ClipsToTwiceTheThreshold(Cheat):
    """Deltas that are clipped to more than is said."""

    found_by = ("sensitivity",)
    says = "a unit moves the sum by 2 thresholds"
    settings = {"unit": "client"}  # noqa: RUF012

    class engine(PrivacyEngine):
        def _clip(self, client, gradients):
            raw = [gradient.clone() for gradient in gradients]
            norms, threshold = super()._clip(client, gradients)
            for gradient, own in zip(gradients, raw, strict=True):
                gradient.copy_(own * min(1.0, 2 * threshold / max(norms[0], 1e-12)))
            return norms, threshold
