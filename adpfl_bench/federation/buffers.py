"""What happens to a network's buffers (running statistics) in a federation."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

BufferPolicy = Literal["average", "local", "reset"]


class FederatedBuffers:
    """Applies one declared policy to the persistent buffers of a network.

    * ``average``: a client starts from the server's buffers and sends its own; the server averages them by weight.
    * ``local``: a client's buffers never leave it. They are kept between rounds, and its cases are scored with them;
      clients that have not trained yet use the initial buffers.
    * ``reset``: a client starts every round from the initial buffers and sends none; the global model keeps the
      initial ones.

    Networks with instance or group normalisation have no buffers, and all policies are the same.

    Args:
        module: The network, holding the initial (or restored global) buffers.
        policy: One of the above.
    """

    def __init__(self, module: nn.Module, policy: BufferPolicy) -> None:
        self.policy = policy
        persistent = module.state_dict(keep_vars=True)
        self._names = [name for name, _ in module.named_buffers() if name in persistent]
        self._server = self._read(module)
        self._initial = [value.clone() for value in self._server]
        self._sums: list[Tensor] = []
        self._clients: dict[str, list[Tensor]] = {}

    def _read(self, module: nn.Module) -> list[Tensor]:
        buffers = dict(module.named_buffers())
        return [buffers[name].detach().clone() for name in self._names]

    def _write(self, module: nn.Module, values: list[Tensor]) -> None:
        buffers = dict(module.named_buffers())
        with torch.no_grad():
            for name, value in zip(self._names, values, strict=True):
                buffers[name].copy_(value)

    def load_for(self, client: str, module: nn.Module) -> None:
        """Put the buffers that ``client`` trains (or is scored) with into ``module``."""
        if self.policy == "average":
            self._write(module, self._server)
        elif self.policy == "local":
            self._write(module, self._clients.get(client, self._initial))
        else:
            self._write(module, self._initial)

    def collect_from(self, client: str, module: nn.Module, weight: float) -> None:
        """Take over ``client``'s buffers after its local steps.

        Args:
            client: Name of the client.
            module: The network as the client leaves it.
            weight: The client's share of the round's total weight.
        """
        if not self._names:
            return
        if self.policy == "average":
            values = [value.double() * weight for value in self._read(module)]
            self._sums = [a + b for a, b in zip(self._sums, values, strict=True)] if self._sums else values
        elif self.policy == "local":
            self._clients[client] = [value.cpu() for value in self._read(module)]

    def finish_round(self, module: nn.Module) -> None:
        """Average what was collected, if the policy says so, and put the global model's buffers into ``module``."""
        if self.policy == "average" and self._sums:
            self._server = [
                total.to(old.dtype) if old.is_floating_point() else total.round().to(old.dtype)
                for total, old in zip(self._sums, self._server, strict=True)
            ]
            self._sums = []
        self._write(module, self._server)

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint: the initial buffers and those of the clients (on the CPU)."""
        return {"initial": [value.cpu() for value in self._initial], "clients": dict(self._clients)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; the server's own buffers come with the network's weights."""
        self._initial = [value.clone() for value in state["initial"]]
        self._clients = {client: list(values) for client, values in state["clients"].items()}
