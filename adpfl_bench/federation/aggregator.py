"""Aggregator: the interface of rules that make one aggregate of a round's deltas.

The calls of a round, by :class:`~adpfl_bench.federation.server.Server` or
:class:`~adpfl_bench.federation.buffers.FederatedBuffers`::

    aggregator.begin_round(weights, local_steps, momentum=0.0)   # dicts by client; the weights sum to one
    aggregator.receive(client, delta)                            # once for each client of `weights`, in any order
    aggregator.exchange(like)                                    # with the other processes of the run, if there are any
    aggregate = aggregator.finish_round()                        # tensors of the deltas' shapes, the caller's to change

Before any training, ``aggregator.check_participants(count)`` says whether rounds of so many participants can be
aggregated. ``aggregator.for_buffers()`` makes what averages buffers, ``aggregator.describe()`` is for a record.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.exact_sum import ExactSum
from adpfl_bench.peers import peers


class Aggregator(ABC):
    """Base of rules that make one aggregate out of the deltas of a round's participants.

    A subclass says what happens in :meth:`_begin`, :meth:`_add` and :meth:`_combine`; that every participant sends
    exactly once is checked here. Where several processes share a run, every one of them adds all deltas, in the order
    of the clients' names; rules that are exact sums add these up instead.
    """

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        self._held: dict[str, list[Tensor]] = {}

    def begin_round(self, weights: Mapping[str, float], local_steps: Mapping[str, int], momentum: float = 0.0) -> None:
        """Forget what was received before, and prepare for a round.

        Args:
            weights: Share of each participant of the round; they sum to one.
            local_steps: Number of local steps that each participant makes in the round.
            momentum: Momentum of the local SGD; 0 for plain SGD and for adaptive local optimizers.

        Raises:
            ConfigError: The round cannot be aggregated in this way.
            BenchError: The weights do not sum to one.
        """
        self.check_participants(len(weights))
        if not math.isclose(sum(weights.values()), 1, abs_tol=1e-6):
            raise BenchError(f"Aggregation weights must sum to 1, but they sum to {sum(weights.values())}.")
        self._waiting, self._held = set(weights), {}
        self._begin(weights, local_steps, momentum)

    def receive(self, client: str, delta: list[Tensor]) -> None:
        """Take in what ``client`` sends.

        Args:
            client: Name of a participant of the round.
            delta: Its tensors, of the same shapes for all clients. They are neither changed nor kept.

        Raises:
            BenchError: The client is no participant of the round, or has sent already.
        """
        if client not in self._waiting:
            raise BenchError(f"Client {client} sent a delta, but it takes no part in this round or has sent already.")
        self._waiting.remove(client)
        if peers().count > 1 and self._exact_sum is None:
            self._held[client] = [value.detach().to("cpu", copy=True) for value in delta]
        else:
            self._add(client, delta)

    def exchange(self, like: Sequence[Tensor]) -> None:
        """Take in what participants have sent to other processes; ``like`` has shapes and devices of a delta's tensors.

        Raises:
            PeerLost: Another process has ended.
        """
        if peers().count == 1:
            return
        if self._exact_sum is not None:
            self._exact_sum.exchange(like)
        found = peers().gather((self._waiting, self._held))
        self._waiting = set.intersection(*(waiting for waiting, _ in found))
        deltas = {client: delta for _, held in found for client, delta in held.items()}
        for client in sorted(deltas):
            self._add(client, [value.to(other.device) for value, other in zip(deltas[client], like, strict=True)])
        self._held = {}

    @property
    def _exact_sum(self) -> ExactSum | None:
        """The sum that is all there is to the rule, whose parts may be added up in any order; ``None`` of others."""
        return None

    def finish_round(self) -> list[Tensor]:
        """Return the round's aggregate, on the device and in the type of the deltas; it is the caller's to change.

        Raises:
            BenchError: A participant has not sent anything.
        """
        if self._waiting:
            raise BenchError(
                f"The round cannot end before these clients have sent: {', '.join(sorted(self._waiting))}."
            )
        return self._combine()

    def check_participants(self, count: int) -> None:
        """Refuse a number of participants that cannot be aggregated."""
        if count < 1:
            raise ConfigError("A round needs at least one participant to aggregate, but it has none.")

    @abstractmethod
    def for_buffers(self) -> Aggregator:
        """Make a new aggregator for the buffers (running statistics) that go with these weights."""

    def describe(self) -> dict[str, Any]:
        """Return class and settings as plain values, for a record."""
        return {"class": type(self).__name__}

    @abstractmethod
    def _begin(self, weights: Mapping[str, float], local_steps: Mapping[str, int], momentum: float) -> None: ...

    @abstractmethod
    def _add(self, client: str, delta: list[Tensor]) -> None: ...

    @abstractmethod
    def _combine(self) -> list[Tensor]: ...
