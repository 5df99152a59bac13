"""Clips and noises what leaves each client."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from adpfl_bench.callbacks import privacy_checks as checks
from adpfl_bench.callbacks.federated_loop import FederatedLoop
from adpfl_bench.callbacks.lookup import federated_data, need_callback
from adpfl_bench.callbacks.privacy_record import StepRelease, describe_privacy, epsilon_metrics, release_metrics
from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.round_schedule import RoundSchedule
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.accounting import Accounted
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.ledger import PrivacyLedger, PrivacyUnit, Sampling
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.private_step import PrivateStep, not_finite, trained_gradients
from adpfl_bench.privacy.private_sum import PrivateSum
from adpfl_bench.privacy.randomness import NoiseStreams
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.privacy.thresholds import Threshold
from adpfl_bench.records.privacy_block import AuditedBlock, PrivacyBlock
from adpfl_bench.records.round_metrics import RoundMetric
from adpfl_bench.tasks.federated_task import FederatedTask


class DifferentialPrivacy(Callback):
    """Makes what each client sends private before anybody else sees it.

    * ``unit: batch`` (the published rule): the gradient of a batch's mean loss is clipped to the client's threshold C
      and receives noise of scale ``z C`` in every coordinate. It protects one record, at sensitivity 2C, one release
      per local epoch; a patient with several records is not protected.
    * ``unit: record`` or ``patient``: every unit's gradient (the sum over its records) is clipped to C; their sum
      receives noise of scale ``z C`` and is divided by a public number of units. The loss must not mix records.
    * ``unit: client``: what a client sends at the end of its turn, the change of its weights, is clipped and noised.
      Each client noises its own, since the server is not trusted.

    A threshold that learns from a noised statistic shares the budget with the gradient; z is what they have together.

    Args:
        unit: ``none``, ``batch``, ``record``, ``patient`` or ``client``.
        threshold: Rule for the clipping threshold C.
        mechanism: Law of the noise.
        noise_multiplier: Noise scale z in units of C, at least 0; or ``null`` with ``target_epsilon``.
        target_epsilon: The accounted epsilon that the run may reach with its last round; z is solved for before
            anything is trained.
        delta: The delta at which epsilon is accounted; must be below 1 / (units of the smallest client).
        units_per_step: Units of a local step, in place of ``data.batch_size``: large steps suit noise, and one
            larger than every client makes each pass a single step. Memory for gradients does not grow with it.
        sampling: ``shuffle`` visits every unit once per local epoch, and claims no amplification; ``poisson`` draws
            each unit independently for every step. For records and patients.
        normalize: Divide each release by C, so that the learning rate need not follow the threshold.
        secure: Draw noise from the operating system and harden the release against attacks on floating-point numbers.
            Such a run cannot be repeated, and a run that is resumed spends the broken-off round's budget twice.
        memory_budget: MiB that the gradients and activations of a chunk of records may take.
        nominal_epsilon: The epsilon that the method's authors state; recorded as such and used for nothing.

    Attributes:
        plan: What the run releases; ``None`` before its noise is settled.
        observers: Called with both sides of every release, for audits; they must change neither.
        audited: What an audit found, for the record.

    Raises:
        ConfigError: A value is out of range, the Trainer or the network would change what is released, or no noise
            reaches the target.
    """

    def __init__(
        self,
        unit: PrivacyUnit = "none",
        threshold: Threshold | None = None,
        mechanism: Mechanism | None = None,
        noise_multiplier: float | None = 0.0,
        target_epsilon: float | None = None,
        delta: float = 1e-4,
        units_per_step: int | None = None,
        sampling: Sampling = "shuffle",
        normalize: bool = False,
        secure: bool = False,
        memory_budget: float = 1024.0,
        nominal_epsilon: float | None = None,
    ) -> None:
        checks.check_settings(unit, sampling, delta, units_per_step, memory_budget)
        if unit != "none":
            checks.check_method(unit, threshold, mechanism, noise_multiplier, target_epsilon, sampling)
        self.unit: PrivacyUnit = unit
        self._by_unit = unit in ("record", "patient")
        self.threshold = threshold
        self.mechanism = mechanism
        self.noise_multiplier = noise_multiplier
        self.target_epsilon = target_epsilon
        self.delta = delta
        self.units_per_step = units_per_step
        self.sampling: Sampling = sampling
        self.normalize = normalize
        self.secure = secure
        self.memory_budget = memory_budget
        self.nominal_epsilon = nominal_epsilon
        self.books = PrivacyBooks()
        self.plan: ReleasePlan | None = None
        self.private_sum: PrivateSum | None = None
        self.private_step: PrivateStep | None = None
        self._not_covered: tuple[str, ...] = ()
        self._sends_buffers = False
        self._round = -1
        self._pass: tuple[int, str, int] | None = None
        self._batch: TrainingBatch | None = None
        self._released = False
        self._noise = NoiseStreams(secure)
        self._steps: dict[str, list[StepRelease]] = {}
        self.observers: list[Callable[[StepObservation], None]] = []
        self.audited: AuditedBlock | None = None

    @property
    def ledger(self) -> PrivacyLedger:
        """What has been released since the run's start, as far as the checkpoint that it continues from knows."""
        return self.books.ledger

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check Trainer, network and delta, and settle the noise, before anything is trained."""
        self._loop = need_callback(trainer, FederatedLoop)
        self._sends_buffers = checks.sends_buffers(self._loop, pl_module)
        if stage != "fit":
            return
        datamodule = federated_data(trainer)
        datamodule.use_units(
            patients=self.unit == "patient",
            poisson=self._by_unit and self.sampling == "poisson",
            units_per_step=self.units_per_step,
        )
        if self.unit == "none":
            return
        assert self.threshold is not None
        assert self.mechanism is not None
        self.books.open(Path(trainer.default_root_dir), fresh_noise=self.secure)
        checks.check_private_trainer(trainer)
        checks.check_private_federation(self.unit, self._loop)
        checks.check_delta(self.delta, self.unit, datamodule.unit_sizes)
        self.settle_noise(self._loop.schedule, datamodule.unit_sizes, datamodule.units_per_step)
        self._not_covered = checks.not_covered(self.unit, trainer, pl_module)
        if self._by_unit:
            task = checks.check_private_task(pl_module)
            budget = self.memory_budget * 2**20
            self.private_step = PrivateStep(task, task.example_losses, self.threshold, self.mechanism.norm, budget)
            task.private_step = self.private_step
        elif self.unit == "client" and self._release_delta not in self._loop.delta_hooks:
            self._loop.delta_hooks.append(self._release_delta)

    def settle_noise(self, schedule: RoundSchedule, units: Mapping[str, int], units_per_step: int) -> ReleasePlan:
        """Solve for the noise if a target is given, and return what the run will release.

        Args:
            schedule: The federation's schedule.
            units: Number of units by client.
            units_per_step: Units per step.

        Raises:
            ConfigError: No noise reaches the target, there is no guarantee to calibrate, or the threshold leaves
                nothing of the budget.
        """
        assert self.threshold is not None
        assert self.mechanism is not None
        self.plan = ReleasePlan(self.unit, self.sampling, units_per_step, self.mechanism)
        if self.target_epsilon is not None:
            if reason := checks.no_guarantee(self.unit, self.threshold, self.mechanism, 1.0, self._sends_buffers):
                raise ConfigError(
                    f"privacy.target_epsilon is {self.target_epsilon}, but no epsilon can be accounted: {reason}. State"
                    " privacy.noise_multiplier instead."
                )
            self.noise_multiplier = self.plan.calibrate(self.target_epsilon, self.delta, schedule, units)
        assert self.noise_multiplier is not None
        self.private_sum = PrivateSum(self.threshold, self.mechanism, self.noise_multiplier)
        return self.plan

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave module and loop as they were."""
        if isinstance(pl_module, FederatedTask) and pl_module.private_step is self.private_step:
            pl_module.private_step = None
        if stage == "fit" and self._release_delta in self._loop.delta_hooks:
            self._loop.delta_hooks.remove(self._release_delta)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget where an earlier fit was interrupted: its round is trained, noised and counted anew."""
        self._round, self._pass = -1, None
        self._noise = NoiseStreams(self.secure)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: TrainingBatch, batch_idx: int
    ) -> None:
        """Expect one release, and enter it before it is computed."""
        self._batch, self._released = batch, False
        if batch.round != self._round:
            self._round, self._steps = batch.round, {}
        if self.unit == "batch" or self._by_unit:
            self._enter_ledger(batch.client, batch.local_epoch, batch.sampling_rate, batch.pass_steps)

    def _enter_ledger(self, client: str, local_epoch: int, sampling_rate: float, steps: int) -> None:
        assert self.plan is not None
        assert self.noise_multiplier is not None
        this_pass = (self._round, client, local_epoch)
        if this_pass != self._pass:
            self._pass = this_pass
            self.books.enter(client, *self.plan.pass_event(self.noise_multiplier, sampling_rate, steps))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Make the gradient of this step private."""
        if self.unit in ("none", "client"):
            return
        if self._released:
            raise ConfigError(
                f"{type(optimizer).__name__} computes several gradients for one step, but the ledger counts one release"
                " for each batch: use an optimizer that needs one gradient, such as SGD or AdamW."
            )
        self._released = True
        assert self._batch is not None
        gradients = trained_gradients(optimizer)
        client = self._batch.client
        if self.private_step is None:
            norms, threshold = self._clip(client, gradients)
            divisor = 1.0  # it is the gradient of a mean
        else:
            clipped = self.private_step.take()
            norms, threshold = clipped.norms, clipped.threshold
            divisor = float(self._batch.divisor)
        self._release(client, gradients, norms, threshold, self._batch.planned_units)
        if self.normalize and threshold > 0:
            divisor *= threshold
        if divisor != 1:
            torch._foreach_div_(gradients, divisor)

    def _clip(self, client: str, gradients: list[Tensor]) -> tuple[Sequence[float], float]:
        """Clip one gradient as a whole; returns its norm, and the threshold."""
        assert self.private_sum is not None
        norm, threshold = self.private_sum.clip_(client, gradients)
        if not math.isfinite(norm):
            raise BenchError(not_finite(client, self._round))
        return [norm], threshold

    def _release_delta(self, client: str, delta: list[Tensor]) -> None:
        """Clip and noise what a client sends."""
        self._enter_ledger(client, 0, 1.0, 1)
        norms, threshold = self._clip(client, delta)
        self._release(client, delta, norms, threshold, 1)

    def _release(
        self, client: str, total: list[Tensor], norms: Sequence[float], threshold: float, units: float
    ) -> None:
        assert self.private_sum is not None
        source = self._noise.source(self._loop.schedule.seed, self._round, client, total[0].device)
        exact = [tensor.clone() for tensor in total] if self.observers else []
        released = self.private_sum.release_(client, total, norms, threshold, units, source)
        self._steps.setdefault(client, []).append(StepRelease(norms, threshold, released.scale))
        if self.observers:
            seen = StepObservation(client, exact, total, norms, threshold, released.scale, released.statistic, units)
            for observe in self.observers:
                observe(seen)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: TrainingBatch, batch_idx: int
    ) -> None:
        """Make sure that the step released what the ledger says, also where its batch was empty."""
        if (self.unit == "batch" or self._by_unit) and not self._released:
            raise BenchError(
                f"A local step of client {batch.client} in round {batch.round + 1} released nothing, although the"
                " ledger counts it; whether a step is skipped would tell who is in its batch. Let every step run."
            )
        self._batch = None  # its images would stay in memory while the next ones are loaded

    @property
    def accounted(self) -> Accounted:
        """What a proof supports for everything released so far."""
        z = self.noise_multiplier or 0.0
        if reason := checks.no_guarantee(self.unit, self.threshold, self.mechanism, z, self._sends_buffers):
            return Accounted(None, self.delta, reason)
        return self.books.accounted(self.delta, self._not_covered)

    def describe(self) -> PrivacyBlock:
        """The privacy block of a run record."""
        return describe_privacy(self)

    def round_metrics(self, trainer: Trainer) -> list[RoundMetric]:
        """Thresholds, noise scales, gradient-norm quantiles and accounted epsilon of the round, by client."""
        return [*release_metrics(self._steps), *epsilon_metrics(self)]

    def state_dict(self) -> dict[str, Any]:
        """Thresholds and ledger, as plain values."""
        threshold = self.threshold.state_dict() if self.threshold else {}
        return {"threshold": threshold, "ledger": self.ledger.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore thresholds and ledger."""
        if self.threshold:
            self.threshold.load_state_dict(state_dict["threshold"])
        self.books.restore(state_dict["ledger"])
