"""Local step: one optimizer step of a client, in the one order in which things happen to its gradient."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.optim import Optimizer

from adpfl_bench.federation.federated_settings import ClientOptimizer
from adpfl_bench.federation.federation import Federation
from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.network_watch import NetworkWatch
from adpfl_bench.privacy.privacy_engine import PrivacyEngine
from adpfl_bench.privacy.unit_gradients import ExampleLosses


class StepObserver(Protocol):
    """Observer of local steps from within, for audits; it changes nothing."""

    def begin(self, batch: TrainingBatch) -> None:
        """Look at the weights before a step, and at the ledger when it has been told of it."""

    def see_release(self, batch: TrainingBatch, seen: StepObservation) -> None:
        """Look at both sides of a release."""

    def see_gradient(self, batch: TrainingBatch) -> None:
        """Look at the gradients as they are before the client's method changes them."""

    def end(self, batch: TrainingBatch) -> None:
        """Look at the weights after a step."""

    def see_delta(self, client: str, raw: list[Tensor], seen: StepObservation) -> None:
        """Look at both sides of a client's release, and at what it was before it was clipped."""


class LocalStep:
    """The local step of all clients; FederatedLoop owns it, or a run without a federation, and what is trained asks it.

    1. The ledger is told of the step's release before it is computed (:meth:`begin`).
    2. The loss and its gradient. Where the units of privacy are examples or patients, each unit's gradient is clipped
       by itself, and their sum is what the backward pass brings (:meth:`loss`).
    3. Where the unit is the batch its gradient is clipped; then noise is added. What follows sees only what was
       released (:meth:`change_gradients`).
    4. Gradients of public data are mixed into what was released, and the client's method changes it
       (:meth:`change_gradients`).
    5. The local optimizer steps on that.
    6. A step that released nothing, although the ledger counts it, is an error (:meth:`end`).

    A watch looks at the network before and after each turn, for what changes without noise.

    Attributes:
        federation: Holds the client's method, once training has started; ``None`` for a run without a federation.

    Args:
        losses: The task's loss of each example, [B], from images and labels.
        engine: Makes gradients private, or leaves them as they are.
        client_optimizer: Makes the clients' local optimizer, in place of the task's.
        observer: Looks on.
        watch: Withdraws the guarantee if the network changes where no noise is.
    """

    def __init__(
        self,
        losses: ExampleLosses,
        engine: PrivacyEngine,
        client_optimizer: ClientOptimizer | None = None,
        observer: StepObserver | None = None,
        watch: NetworkWatch | None = None,
    ) -> None:
        self.federation: Federation | None = None
        self.client_optimizer = client_optimizer
        self._losses = losses
        self._engine = engine
        self._observer = observer
        self._watch = watch
        self._in_turn = False
        self._batch: TrainingBatch | None = None

    def begin(self, batch: TrainingBatch) -> None:
        """Begin a step.

        Raises:
            ConfigError: Other parameters are trained than when the run started.
            RecordError: The ledger cannot be written, so nothing may be released.
        """
        if self.federation is not None:
            self.federation.check_trained()
        if self._watch is not None and not self._in_turn:
            self._watch.begin_turn()
        self._in_turn = True
        self._batch = batch
        self._engine.begin(batch)
        if self._observer is not None:
            self._observer.begin(batch)

    def loss(self, batch: TrainingBatch) -> Tensor:
        """Compute the mean loss of the batch's examples; its backward pass may bring a clipped sum.

        Raises:
            BenchError: A unit's gradient is not finite.
        """
        if self._engine.clips_units:
            return self._engine.clipped_loss(batch)
        return mean_loss(self._losses(batch.image, batch.label), batch.weights)

    def change_gradients(self, optimizer: Optimizer) -> None:
        """Make the gradients private and let the client's method change them, in place.

        Raises:
            BenchError: A gradient is not finite, or there is none of this step.
            ConfigError: The optimizer asks for more than one gradient of the step.
        """
        assert self._batch is not None
        if self._watch is not None:
            self._watch.look(optimizer)
        observer = self._observer
        self._engine.release(self._batch, optimizer, observer.see_release if observer is not None else None)
        if observer is not None:
            observer.see_gradient(self._batch)
        self._engine.mix_public(self._batch)
        if self.federation is not None:
            self.federation.change_gradients()

    def release_delta(self, client: str, delta: list[Tensor]) -> None:
        """Make what a client sends private, in place, where the unit of privacy is the client."""
        observer = self._observer
        if observer is None:
            self._engine.release_delta(client, delta)
            return
        raw, seen = [tensor.clone() for tensor in delta], list[StepObservation]()
        self._engine.release_delta(client, delta, seen.append)
        for release in seen:  # which holds what is sent, whatever was done to it since
            observer.see_delta(client, raw, release)

    def end(self) -> None:
        """Make sure that the step released what the ledger says, also where its batch was empty.

        Raises:
            BenchError: It did not.
        """
        assert self._batch is not None
        self._engine.end(self._batch)
        if self._observer is not None:
            self._observer.end(self._batch)
        if self._batch.last:
            self._in_turn = False
            if self._watch is not None:
                self._watch.end_turn()
        self._batch = None  # its images would stay in memory while the next ones are loaded


def mean_loss(losses: Tensor, weights: Tensor | None) -> Tensor:
    """Average losses, [B], of which each may have a weight, [B]."""
    return losses.mean() if weights is None else (losses * weights).mean()
