"""Buffers (running statistics) of a network in a federation.

The calls of a round::

    buffers = FederatedBuffers(module, policy, aggregator=None)   # the server's aggregator, or one of its kind
    buffers.begin_round(weights)                                  # dict by client; the weights sum to one
    buffers.load_for(client, module)                              # before a client's local steps ...
    buffers.collect_from(client, module)                          # ... and after them
    buffers.finish_round(module)
    buffers.load_global(module)                                   # where a client's were loaded to score its cases
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from adpfl_bench.federation.aggregation import WeightedMean
from adpfl_bench.federation.aggregator import Aggregator
from adpfl_bench.federation.client_tensors import check_like
from adpfl_bench.peers import of_clients

BufferPolicy = Literal["average", "local", "reset"]


def persistent_buffers(module: nn.Module) -> dict[str, Tensor]:
    """Return the buffers of a network that its checkpoint holds, by name: running statistics."""
    persistent = module.state_dict(keep_vars=True)
    return {name: buffer for name, buffer in module.named_buffers() if name in persistent}


class FederatedBuffers:
    """The persistent buffers of a network under one declared policy.

    * ``average``: a client starts from the server's buffers and sends its own; the server aggregates them as the
      aggregator's :meth:`~adpfl_bench.federation.aggregator.Aggregator.for_buffers` says: by weight for the weighted
      mean and FedNova, robustly for the median and the trimmed mean. Integer buffers (``num_batches_tracked``) are
      rounded.
    * ``local``: a client's buffers never leave it. They are kept between rounds, and its cases are scored with them;
      clients that have not trained yet use the initial buffers.
    * ``reset``: a client starts every round from the initial buffers and sends none; the global model keeps the
      initial ones.

    Networks with instance or group normalisation have no buffers, and all policies are the same.

    Args:
        module: The network, holding the initial (or restored global) buffers.
        policy: One of the above.
        aggregator: What aggregates the weights; the weighted mean unless given. It is asked for one of its kind, and
            not used itself.
    """

    def __init__(self, module: nn.Module, policy: BufferPolicy, aggregator: Aggregator | None = None) -> None:
        self.policy = policy
        self._aggregator = (aggregator or WeightedMean()).for_buffers()
        self._names = list(persistent_buffers(module))
        self._server = self._read(module)
        self._initial = [value.clone() for value in self._server]
        self._averages = policy == "average" and bool(self._names)
        self._clients: dict[str, list[Tensor]] = {}

    def _read(self, module: nn.Module) -> list[Tensor]:
        buffers = dict(module.named_buffers())
        return [buffers[name].detach().clone() for name in self._names]

    def _write(self, module: nn.Module, values: list[Tensor]) -> None:
        buffers = dict(module.named_buffers())
        with torch.no_grad():
            for name, value in zip(self._names, values, strict=True):
                buffers[name].copy_(value)

    def begin_round(self, weights: Mapping[str, float]) -> None:
        """Prepare for the buffers of a round's participants, whose weights sum to one.

        Raises:
            ConfigError: The aggregator cannot work with these participants.
        """
        if self._averages:
            self._aggregator.begin_round(weights, dict.fromkeys(weights, 1))

    def load_for(self, client: str, module: nn.Module) -> None:
        """Put the buffers that ``client`` trains (or is scored) with into ``module``."""
        if self.policy == "average":
            self._write(module, self._server)
        elif self.policy == "local":
            self._write(module, self._clients.get(client, self._initial))
        else:
            self._write(module, self._initial)

    def load_global(self, module: nn.Module) -> None:
        """Put the global model's buffers into ``module``."""
        self._write(module, self._server)

    def collect_from(self, client: str, module: nn.Module) -> None:
        """Take over a participant's buffers, as the network has them after its local steps.

        Raises:
            BenchError: The client takes no part in the round, or has sent already.
        """
        sent = self.sent_by(client, module)
        if self._averages:
            self._aggregator.receive(client, sent)

    def sent_by(self, client: str, module: nn.Module) -> list[Tensor]:
        """Keep what a participant keeps of its buffers, and return what it sends of them, in 64 bits."""
        if self.policy == "local" and self._names:
            self._clients[client] = [value.cpu() for value in self._read(module)]
        return [value.double() for value in self._read(module)] if self._averages else []

    def receive(self, client: str, values: list[Tensor]) -> None:
        """Take in what a participant elsewhere has sent of its buffers; errors as of :meth:`collect_from`."""
        if self._averages:
            self._aggregator.receive(client, values)

    def sent(self) -> list[Tensor]:
        """Return what the server sends to participants elsewhere: its buffers, where they are averaged."""
        return list(self._server) if self._averages else []

    def take(self, values: Sequence[Tensor]) -> None:
        """Take over what a server elsewhere has sent."""
        if self._averages:
            self._server = [value.to(own) for value, own in zip(values, self._server, strict=True)]

    def exchange(self) -> None:
        """Take in what participants have sent to other processes of the run.

        Raises:
            PeerLost: Another process has ended.
        """
        if self._averages:
            self._aggregator.exchange([value.double() for value in self._server])

    def kept_by(self, clients: Collection[str]) -> dict[str, list[Tensor]]:
        """Return the buffers that some clients keep, on the CPU."""
        return of_clients(self._clients, clients)

    def keep(self, kept: Mapping[str, list[Tensor]]) -> None:
        """Take over what clients keep that were trained by another process."""
        self._clients.update(kept)

    def finish_round(self, module: nn.Module) -> None:
        """Aggregate what was collected, if the policy says so, and put the global model's buffers into ``module``.

        Raises:
            BenchError: A participant's buffers were not collected.
        """
        if self._averages:
            self._server = [
                value.to(old.dtype) if old.is_floating_point() else value.round().to(old.dtype)
                for value, old in zip(self._aggregator.finish_round(), self._server, strict=True)
            ]
        self.load_global(module)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint: the initial buffers and those of the clients (on the CPU)."""
        return {"initial": [value.cpu() for value in self._initial], "clients": dict(self._clients)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; the server's own buffers come with the network's weights."""
        for client, values in {"the first model": state["initial"], **state["clients"]}.items():
            check_like(f"the buffers of {client}", values, self._initial)
        self._initial = [value.clone() for value in state["initial"]]
        self._clients = {client: list(values) for client, values in state["clients"].items()}
