"""Federation as one of its clients sees it, whose server is elsewhere."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from adpfl_bench.errors import BenchError
from adpfl_bench.federation.client_update import Broadcast, ClientUpdate
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.federation import Federation
from adpfl_bench.federation.server import delta_norm


class ClientFederation(Federation):
    """Federation of which only one client is here.

    The global weights are those that the server has sent (:meth:`take`), and stay what they are at the end of a round:
    what becomes of the client's update (:meth:`update`) the next broadcast tells. All else is as in
    :class:`~adpfl_bench.federation.federation.Federation`: turns, local parameters, own models, optimizer states and
    the client's own part of its method.

    Args:
        module: The network.
        settings: What the federation is made of, as its server has it.
    """

    def __init__(self, module: nn.Module, settings: FederatedSettings) -> None:
        super().__init__(module, settings)
        self._delta: list[Tensor] | None = None
        self._sent_buffers: list[Tensor] = []

    @torch.no_grad()
    def take(self, sent: Broadcast) -> None:
        """Take over what the server has sent, and put the global model into the network."""
        torch._foreach_copy_(list(self._server.global_weights), list(sent.weights))
        self._buffers.take(sent.buffers)
        self._method.take_broadcast(sent.method)
        self.load_model(None)

    def _hand_over(self, client: str, delta: list[Tensor]) -> float:
        self._delta, self._sent_buffers = delta, self._buffers.sent_by(client, self._module)
        return delta_norm(delta)

    def update(self, client: str) -> ClientUpdate:
        """Return what the client sends, after its shared turn.

        Raises:
            BenchError: It has made none.
        """
        if self._delta is None:
            raise BenchError(f"Client {client} has nothing to send: it has made no shared turn in this round.")
        delta, self._delta = self._delta, None
        return ClientUpdate(delta, self._sent_buffers, self._method.sent_by(client))

    def end_round(self) -> None:
        """End the round here; the server ends it there."""
        if not self._fine_tuning:
            self._method.on_round_end()
        self.load_model(None)
