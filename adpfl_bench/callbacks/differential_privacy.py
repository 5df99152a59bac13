"""Clips and noises the gradient of every local step."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import federated_data, need_callback
from adpfl_bench.callbacks.trainer_checks import check_choice, check_private_trainer
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.privacy.accounting import ACCOUNTED_MECHANISMS, Accounted, client_epsilon, federation_epsilon
from adpfl_bench.privacy.clipping import clip_, global_norm
from adpfl_bench.privacy.ledger import PrivacyLedger, Release
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.thresholds import Threshold
from adpfl_bench.results.round_metrics import ALL_CLIENTS, RoundMetric
from adpfl_bench.seeding import torch_generator

PrivacyUnit = Literal["none", "batch"]

# Replacing one record of a batch by nothing can move the clipped gradient of the batch's mean loss anywhere in a ball
# of radius C, so two neighbouring releases lie up to 2C apart.
_BATCH_SENSITIVITY = 2.0


class DifferentialPrivacy(Callback):
    """Makes each local gradient private before the optimizer sees it.

    With ``unit: batch`` (the published rule) the gradient of a batch's mean loss is clipped to the client's threshold
    C and receives noise of scale ``noise_multiplier * C`` in every coordinate. What this protects is the content of
    one batch per local epoch. A record is in one batch of each local epoch, so with a threshold that needs no private
    data it is covered by zCDP with L2 sensitivity 2C, one release per local epoch; a patient with several records
    is not.

    Args:
        unit: ``batch``, or ``none`` for no privacy at all.
        threshold: Rule for the clipping threshold C.
        mechanism: Law of the noise.
        noise_multiplier: Noise scale z in units of C, at least 0.
        delta: The delta at which epsilon is accounted; must be below 1 / (training records of the smallest client).
        nominal_epsilon: The epsilon that the method's authors state; recorded as such and used for nothing.

    Raises:
        ConfigError: A value is out of range, or the Trainer would change what is released.
    """

    def __init__(
        self,
        unit: PrivacyUnit = "none",
        threshold: Threshold | None = None,
        mechanism: Mechanism | None = None,
        noise_multiplier: float = 0.0,
        delta: float = 1e-4,
        nominal_epsilon: float | None = None,
    ) -> None:
        check_choice("privacy.unit", unit, get_args(PrivacyUnit))
        if not (noise_multiplier >= 0 and math.isfinite(noise_multiplier)):
            raise ConfigError(
                f"privacy.noise_multiplier is a noise scale in units of the threshold and must be at least 0, but it is"
                f" {noise_multiplier}."
            )
        if not 0 < delta < 1:
            raise ConfigError(f"privacy.delta must lie between 0 and 1, but it is {delta}.")
        if unit != "none" and (threshold is None or mechanism is None):
            raise ConfigError(f"privacy.unit is {unit}, so privacy.threshold and privacy.mechanism must be given too.")
        self.unit: PrivacyUnit = unit
        self.threshold = threshold
        self.mechanism = mechanism
        self.noise_multiplier = noise_multiplier
        self.delta = delta
        self.nominal_epsilon = nominal_epsilon
        self.ledger = PrivacyLedger()
        self._loop: FederatedLoop | None = None
        self._sends_buffers = False
        self._noise_turn: tuple[int, str] | None = None
        self._round: int | None = None
        self._pass: tuple[int, str, int] | None = None
        self._released = False
        self._generator = torch.Generator()
        self._steps: dict[str, list[tuple[float, float]]] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the Trainer and delta before anything is trained."""
        self._loop = need_callback(trainer, FederatedLoop)
        has_buffers = any(True for _ in pl_module.buffers())
        self._sends_buffers = has_buffers and self._loop.buffer_policy == "average"
        if self.unit == "none" or stage != "fit":
            return
        check_private_trainer(trainer)
        smallest, records = min(federated_data(trainer).train_sizes.items(), key=lambda item: item[1])
        if self.delta >= 1 / records:
            raise ConfigError(
                f"privacy.delta is {self.delta}, but it must be below 1/{records}: client {smallest} has {records}"
                " training records, and a larger delta would allow one of them to be published outright."
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget where an earlier fit was interrupted: its round is trained, noised and counted anew."""
        self._noise_turn = self._round = self._pass = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Expect one gradient."""
        self._released = False

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Clip the gradient of this step and add noise to it."""
        if self.unit == "none":
            return
        assert self._loop is not None
        assert self.threshold is not None
        assert self.mechanism is not None
        if self._released:
            raise ConfigError(
                f"{type(optimizer).__name__} computes several gradients for one step, but the ledger counts one release"
                " for each batch: use an optimizer that needs one gradient, such as SGD or AdamW."
            )
        self._released = True
        gradients = _gradients(optimizer)
        norm = global_norm(gradients)
        client = self._loop.client
        if self._round != self._loop.round:
            self._round, self._steps = self._loop.round, {}
        if not math.isfinite(norm):
            raise BenchError(
                f"The gradient of client {client} in round {self._loop.round + 1} is not finite. Lower the learning"
                " rate or the noise; the last checkpoint holds the round before."
            )
        self._enter_ledger(client)
        threshold = self.threshold.observe(client, norm)
        clip_(gradients, norm, threshold)
        if self.noise_multiplier > 0:
            scale = self.noise_multiplier * threshold
            self.mechanism.add_noise_(gradients, scale, self._noise_generator(gradients[0].device))
        self._steps.setdefault(client, []).append((norm, threshold))

    def _enter_ledger(self, client: str) -> None:
        assert self._loop is not None
        this_pass = (self._loop.round, client, self._loop.local_epoch)
        if this_pass != self._pass:
            self._pass = this_pass
            release = Release(type(self.mechanism).__name__, self.noise_multiplier, _BATCH_SENSITIVITY)
            self.ledger.add(client, release)

    def _noise_generator(self, device: torch.device) -> torch.Generator:
        assert self._loop is not None
        turn = (self._loop.round, self._loop.client)
        if turn != self._noise_turn:
            self._noise_turn = turn
            self._generator = torch_generator(self._loop.schedule.seed, "noise", *turn, device=device)
        return self._generator

    @property
    def accounted(self) -> Accounted:
        """What a proof supports for everything released so far."""
        if self.unit == "none":
            return Accounted(None, self.delta, "the method is not private: no noise is added")
        assert self.threshold is not None
        if self.noise_multiplier == 0:
            return Accounted(None, self.delta, "the noise multiplier is 0: clipping alone is not private")
        if self._sends_buffers:
            return Accounted(None, self.delta, "running statistics of the network leave the client without noise")
        mechanism = type(self.mechanism).__name__
        if mechanism not in ACCOUNTED_MECHANISMS:
            return Accounted(None, self.delta, f"no bound is known here for the noise of {mechanism}")
        reason = self.threshold.unaccounted_reason
        if reason is not None:
            return Accounted(None, self.delta, reason)
        return Accounted(federation_epsilon(self.ledger, self.delta), self.delta)

    def describe(self) -> dict[str, Any]:
        """The privacy block of a run record."""
        private = self.unit != "none"
        accounted = self.accounted
        return {
            "unit": self.unit,
            "adjacency": "zero-out" if private else None,
            "mechanism": type(self.mechanism).__name__ if private else None,
            "threshold": type(self.threshold).__name__ if private else None,
            "noise_multiplier": self.noise_multiplier if private else None,
            "nominal_epsilon": self.nominal_epsilon if private else None,
            "accounted": {"epsilon": accounted.epsilon, "delta": accounted.delta, "reason": accounted.reason},
            "ledger": self.ledger.state_dict(),
        }

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Thresholds, noise scales, gradient-norm quantiles and accounted epsilon of the round, by client."""
        metrics: list[RoundMetric] = []
        for client, steps in self._steps.items():
            norms, thresholds = np.array(steps).T
            metrics += [
                RoundMetric(client, "clipping_threshold", float(thresholds[-1])),
                RoundMetric(client, "noise_scale", self.noise_multiplier * float(thresholds[-1])),
                RoundMetric(client, "clipped_fraction", float(np.mean(norms > thresholds))),
            ]
            metrics += [
                RoundMetric(client, f"gradient_norm_p{quantile}", float(np.percentile(norms, quantile)))
                for quantile in (10, 50, 90)
            ]
        if self.accounted.epsilon is not None:
            metrics += [
                RoundMetric(client, "epsilon", client_epsilon(self.ledger.events(client), self.delta))
                for client in self.ledger.clients()
            ]
            metrics.append(RoundMetric(ALL_CLIENTS, "epsilon", self.accounted.epsilon))
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Thresholds and ledger, as plain values."""
        threshold = self.threshold.state_dict() if self.threshold else {}
        return {"threshold": threshold, "ledger": self.ledger.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore thresholds and ledger."""
        if self.threshold:
            self.threshold.load_state_dict(state_dict["threshold"])
        self.ledger.load_state_dict(state_dict["ledger"])


def _gradients(optimizer: Optimizer) -> list[torch.Tensor]:
    """Gradients of all parameters that are trained; one without a gradient gets zeros, so that it is noised too."""
    gradients = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                gradients.append(parameter.grad)
    return gradients
