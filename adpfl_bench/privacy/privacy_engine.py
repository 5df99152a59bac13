"""Privacy engine: what leaves a client is clipped and noised, and every release is counted before it is made."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.clipped_loss import ClippedLoss, not_finite, trained_gradients, trained_parameters
from adpfl_bench.privacy.ledger import PrivacyUnit
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.noise_sequence import NoiseSequence, NoiseSequences
from adpfl_bench.privacy.private_sum import PrivateSum
from adpfl_bench.privacy.public_mirror import PublicMirror
from adpfl_bench.privacy.public_scales import PublicScales
from adpfl_bench.privacy.public_subspace import PublicSubspace
from adpfl_bench.privacy.randomness import NoiseStreams
from adpfl_bench.privacy.release_plan import ReleasePlan
from adpfl_bench.privacy.thresholds import Threshold
from adpfl_bench.privacy.unit_gradients import ExampleLosses


class StepRelease(NamedTuple):
    """One release of a client, for the round's metrics.

    Attributes:
        norms: Norm of each unit's gradient before clipping.
        threshold: The threshold C.
        scale: Scale of the noise.
    """

    norms: Sequence[float]
    threshold: float
    scale: float


class PrivacyEngine:
    """The privacy boundary between a client's gradients and everybody else.

    Attributes:
        books: What has been released.
        plan: What the run releases; ``None`` before its noise is settled.
        sums: Makes the releases; ``None`` likewise.
        released: The releases of the round at hand, by client.
        scales: What gradients of units are multiplied by before they are clipped, as public data say.
        subspace: What they are split by, and what is released of them joined by, likewise.
        mirror: Mixes gradients of public data into what was released, if it does.
        sequences: Where each client is in its order of batches, where that is fixed.

    Args:
        unit: The privacy unit.
        threshold: Rule for the clipping threshold.
        mechanism: Law of the noise.
        normalize: Whether each release is divided by its threshold.
        secure: Whether noise comes from the operating system.

    Raises:
        ConfigError: Secret noise is to be that of a trusted sum, which no client has by itself.
    """

    def __init__(
        self,
        unit: PrivacyUnit = "none",
        threshold: Threshold | None = None,
        mechanism: Mechanism | None = None,
        normalize: bool = False,
        secure: bool = False,
    ) -> None:
        if secure and mechanism is not None and mechanism.trust == "sum":
            raise ConfigError(
                f"{type(mechanism).__name__} simulates a trusted sum, and no client has all of its noise, so it cannot"
                " make a model that leaves the house: use GaussianMechanism where privacy.secure is true."
            )
        self.unit: PrivacyUnit = unit
        self.threshold = threshold
        self.mechanism = mechanism
        self.normalize = normalize
        self.secure = secure
        self.books = PrivacyBooks()
        self.plan: ReleasePlan | None = None
        self.sums: PrivateSum | None = None
        self.released: dict[str, list[StepRelease]] = {}
        self._clipping: ClippedLoss | None = None
        self._noise = NoiseStreams(secure)
        self.sequences = NoiseSequences(secure)
        self.scales = PublicScales()
        self.subspace = PublicSubspace()
        self.mirror: PublicMirror | None = None
        self._key = ""
        self._round: int | None = None
        self._pass: tuple[int, str, int] | None = None
        self._made = False
        self._sequence: NoiseSequence | None = None

    def settle(self, plan: ReleasePlan, noise_multiplier: float) -> None:
        """Take over what the run releases, and with how much noise.

        Raises:
            ConfigError: The threshold leaves nothing of the budget.
        """
        assert self.threshold is not None
        assert self.mechanism is not None
        self.plan = plan
        self.sums = PrivateSum(self.threshold, self.mechanism, noise_multiplier)
        self.sequences.forget()

    def clip_units_of(self, module: nn.Module, losses: ExampleLosses, memory_budget: float, views: int = 1) -> None:
        """Clip the gradient of each unit of a module from now on; ``memory_budget`` is in MiB."""
        assert self.threshold is not None
        assert self.mechanism is not None
        how, budget = (self.threshold, self.mechanism.norm), memory_budget * 2**20
        self._clipping = ClippedLoss(module, losses, *how, budget, views, self.scales, self.subspace)

    def start(self, key: str) -> None:
        """Forget where an earlier fit was interrupted: its round is trained, noised and counted anew.

        ``key`` is the key of the noise; under secret noise it only tells the releases of this process from others.
        """
        self._key, self._round, self._pass, self.released = key, None, None, {}
        self._noise = NoiseStreams(self.secure)
        self.sequences.start(key)
        self.books.begin(key)

    @property
    def public_key(self) -> dict[str, Any]:
        """What public data that change what is released add to the key of the noise."""
        mirror = {"mirror": self.mirror.plan.settings} if self.mirror is not None else {}
        return self.scales.key | self.subspace.key | mirror

    @property
    def clips_units(self) -> bool:
        """Whether each unit's gradient is clipped by itself."""
        return self.unit in ("record", "patient")

    @property
    def _by_step(self) -> bool:
        return self.unit == "batch" or self.clips_units

    def begin(self, batch: TrainingBatch) -> None:
        """Expect one release, and enter it before it is computed.

        Raises:
            RecordError: The ledger cannot be written, so nothing may be released.
            BenchError: The step is not the next one in the client's order of batches.
        """
        self._made = False
        if batch.round != self._round:
            self._round, self.released = batch.round, {}
        self._sequence = self.sequences.at(batch)
        if self._by_step:
            self._enter(batch.client, batch.local_epoch, batch.sampling_rate, batch.pass_steps, self._sequence)

    def _enter(
        self, client: str, local_epoch: int, rate: float, steps: int, sequence: NoiseSequence | None = None
    ) -> None:
        assert self.plan is not None
        assert self.sums is not None
        assert self._round is not None
        this_pass = (self._round, client, local_epoch)
        begins = this_pass != self._pass if sequence is None else sequence.begins_pass
        if begins:
            self._pass = this_pass
            self.books.enter(client, *self.plan.pass_event(self.sums.noise_multiplier, rate, steps))

    def clipped_loss(self, batch: TrainingBatch) -> Tensor:
        """Compute the mean loss of the batch's examples; its backward pass brings the clipped sum over units.

        Raises:
            BenchError: A unit's gradient is not finite.
        """
        assert self._clipping is not None
        return self._clipping(batch)

    def release(
        self,
        batch: TrainingBatch,
        optimizer: Optimizer,
        see: Callable[[TrainingBatch, StepObservation], None] | None = None,
    ) -> None:
        """Make the gradients of a step private, in place.

        Args:
            batch: The step's batch.
            optimizer: Holds the parameters.
            see: Is shown both sides of the release before it is divided by public numbers.

        Raises:
            BenchError: A gradient is not finite, or there is none of this step.
            ConfigError: The optimizer asks for more than one gradient of the step.
        """
        if not self._by_step:
            return
        if self._made:
            raise ConfigError(
                f"{type(optimizer).__name__} computes several gradients for one step, but the ledger counts one release"
                " for each batch: use an optimizer that needs one gradient, such as SGD or AdamW."
            )
        self._made = True
        gradients = trained_gradients(optimizer)
        if self._clipping is None:
            norms, threshold = self._clip(batch.client, gradients)
            divisor = 1.0  # it is the gradient of a mean
        else:
            norms, threshold = self._clipping.take()
            divisor = float(batch.divisor)
        exact = [gradient.clone() for gradient in gradients] if see is not None else []
        units = batch.planned_units
        scale, statistic = self._noised(batch.client, gradients, norms, threshold, units)
        if see is not None:
            see(batch, StepObservation(batch.client, exact, gradients, norms, threshold, scale, statistic, units))
        self.subspace.join_(trained_parameters(optimizer), gradients)
        if self.normalize and threshold > 0:
            divisor *= threshold
        if divisor != 1:
            torch._foreach_div_(gradients, divisor)

    def mix_public(self, batch: TrainingBatch) -> None:
        """Mix what a step has released with gradients of public data, in place, if there is a mirror.

        Raises:
            BenchError: A public gradient is not finite.
        """
        if self.mirror is not None and self._by_step:
            self.mirror.mix_(batch, self.released[batch.client][-1].threshold)

    def _clip(self, client: str, gradients: list[Tensor]) -> tuple[Sequence[float], float]:
        """Clip one gradient as a whole; returns its norm, and the threshold."""
        assert self.sums is not None
        norm, threshold = self.sums.clip_(client, gradients)
        if not math.isfinite(norm):
            assert self._round is not None
            raise BenchError(not_finite(client, self._round))
        return [norm], threshold

    def forget_step(self) -> None:
        """Forget the clipped sum of a step that an audit has made once more, and that is never released."""
        if self._clipping is not None:
            self._clipping.take()

    def release_delta(
        self, client: str, delta: list[Tensor], see: Callable[[StepObservation], None] | None = None
    ) -> None:
        """Clip and noise what a client sends, in place, where the unit is the client; ``see`` as of :meth:`release`.

        Raises:
            BenchError: The delta is not finite.
            RecordError: The ledger cannot be written, so nothing may be released.
        """
        if self.unit != "client":
            return
        self._enter(client, 0, 1.0, 1)
        norms, threshold = self._clip(client, delta)
        exact = [tensor.clone() for tensor in delta] if see is not None else []
        scale, statistic = self._noised(client, delta, norms, threshold, 1)
        if see is not None:
            see(StepObservation(client, exact, delta, norms, threshold, scale, statistic, 1))

    def _noised(
        self, client: str, total: list[Tensor], norms: Sequence[float], threshold: float, units: float
    ) -> tuple[float, NDArray[np.float64]]:
        """Add noise to a sum; returns the scale of the noise, and what was released for the threshold."""
        assert self.sums is not None
        assert self._round is not None
        source = self._noise.source(self._key, self._round, client, total[0].device)
        scale, statistic = self.sums.release_(client, total, norms, threshold, units, source, self._sequence)
        if self._sequence is not None:
            self._sequence.steps += 1
        self.released.setdefault(client, []).append(StepRelease(norms, threshold, scale))
        return scale, statistic

    def end(self, batch: TrainingBatch) -> None:
        """Make sure that the step released what the ledger says, also where its batch was empty.

        Raises:
            BenchError: It did not.
        """
        if self._by_step and not self._made:
            raise BenchError(
                f"A local step of client {batch.client} in round {batch.round + 1} released nothing, although the"
                " ledger counts it; whether a step is skipped would tell who is in its batch. Let every step run."
            )
