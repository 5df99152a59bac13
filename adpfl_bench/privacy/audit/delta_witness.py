"""Witness of what clients send where the unit of privacy is the client, and of what canary clients send beside them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from adpfl_bench.federation.training_batch import TrainingBatch
from adpfl_bench.privacy.audit.canary_clients import CanaryClients
from adpfl_bench.privacy.audit.ledger_watch import LedgerWatch
from adpfl_bench.privacy.audit.noise import law_of
from adpfl_bench.privacy.audit.observation import StepObservation
from adpfl_bench.privacy.audit.witness import ReleaseWitness, Stated
from adpfl_bench.privacy.books import PrivacyBooks
from adpfl_bench.privacy.clipping import clip_, global_norm, group_norms
from adpfl_bench.privacy.ledger import Release
from adpfl_bench.privacy.mechanisms import Mechanism
from adpfl_bench.privacy.private_sum import PrivateSum
from adpfl_bench.privacy.thresholds import Threshold


class DeltaEngine(Protocol):
    """What makes clients' deltas private, as far as it is looked at here."""

    books: PrivacyBooks
    threshold: Threshold | None
    mechanism: Mechanism | None
    sums: PrivateSum | None
    released: dict[str, Any]

    def begin(self, batch: TrainingBatch) -> None:
        """Expect a step."""

    def release_delta(
        self, client: str, delta: list[Tensor], see: Callable[[StepObservation], None] | None = None
    ) -> None:
        """Clip and noise what a client sends, in place."""


class DeltaWitness:
    """Witness of the deltas of all clients, and of those of canary clients.

    Canary clients release through a copy of the run's engine that is made before it releases anything: through its code
    and settings, with noise streams and thresholds of their own, and without a trace in the run's ledger.

    Args:
        engine: The run's.
        witness: Collects what the checks are decided by.
        watch: Watches the run's ledger.
        clients: The canary clients.
        weights: The shared weights, for their shapes.

    Attributes:
        clients: The canary clients.
        moves: How far each client moved its release, in units of the threshold.
        errors: How far what was noised was from the clipped delta, in the same units.
        books: Where the canary clients' releases were entered.
    """

    def __init__(
        self,
        engine: DeltaEngine,
        witness: ReleaseWitness,
        watch: LedgerWatch,
        clients: CanaryClients,
        weights: Sequence[Tensor],
    ) -> None:
        self.moves: list[float] = []
        self.errors: list[float] = []
        self.books = PrivacyBooks()
        self._engine = engine
        self._witness = witness
        self._watch = watch
        self._shadow_watch = LedgerWatch(lambda: self.books.ledger, "client")
        self.clients = clients
        self._weights = weights
        self._shadow: DeltaEngine | None = None

    def begin(self, batch: TrainingBatch) -> None:
        """Begin a step."""
        if self._shadow is None:
            self._shadow = copy.deepcopy(self._engine)
            self._shadow.books = self.books
        self._shadow.begin(batch)

    def see(self, raw: list[Tensor], seen: StepObservation) -> Tensor:
        """Look at a client's delta before it was clipped, and at its release, which is returned, [P]."""
        return self._see(raw, seen, self._watch)[0]

    def _see(self, raw: list[Tensor], seen: StepObservation, watch: LedgerWatch) -> tuple[Tensor, Stated, Release]:
        event = watch.release(seen.client, self._witness.released[seen.client] + 1)
        event = event or self._engine_event()
        clip_(raw, global_norm(raw, event.norm), seen.threshold)
        exact, released, own = (torch.cat([t.flatten() for t in side]) for side in (raw, seen.released, seen.exact))
        stated = self._witness.see(seen, exact, released, 1, event)
        if seen.threshold > 0:
            lengths = group_norms([torch.stack([own, own - exact])], event.norm) / seen.threshold
            self.moves.append(float(lengths[0]))
            self.errors.append(float(lengths[1]))
        return released.clone(), stated, event

    def _engine_event(self) -> Release:
        assert self._engine.mechanism is not None
        assert self._engine.sums is not None
        return self._engine.mechanism.event(self._engine.sums.noise_multiplier)

    def end_round(self) -> None:
        """Let every canary client send, as clients do at the end of their turns."""
        assert self._shadow is not None
        assert self._shadow.threshold is not None
        assert self._shadow.mechanism is not None
        clients, norm = self.clients, self._shadow.mechanism.norm
        for canary, name in enumerate(clients.names):
            seen: list[StepObservation] = []
            delta = clients.delta(canary, self._weights, norm, self._shadow.threshold.current(name))
            raw, rule = [tensor.clone() for tensor in delta], copy.deepcopy(self._witness.twin.rule)
            self._shadow.release_delta(name, delta, seen.append)
            for release in seen:
                released, stated, event = self._see(raw, release, self._shadow_watch)
                direction = clients.direction(canary, self._weights, norm)
                scales = (stated.scale, stated.width)
                clients.see(canary, release, released, direction, scales, law_of(event.mechanism), rule)
        self._shadow.released.clear()
