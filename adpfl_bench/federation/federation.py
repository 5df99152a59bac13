"""Federation between its rounds and turns: which weights are in the network, and what becomes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.buffers import FederatedBuffers
from adpfl_bench.federation.client_methods import LocalWork
from adpfl_bench.federation.client_optimizer import ClientOptimizerStates
from adpfl_bench.federation.client_update import Broadcast, ClientUpdate
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.own_models import LocalParameters, PersonalModels, split_parameters
from adpfl_bench.federation.round_schedule import Turn
from adpfl_bench.federation.server import Server, delta_norm
from adpfl_bench.peers import peers

ReleaseDelta = Callable[[str, list[Tensor]], None]
"""Makes the delta that a client is about to send private, in place; without client-level privacy it changes nothing."""


class _Keeper(Protocol):
    """Part of a federation that keeps something of each client."""

    def kept_by(self, clients: Collection[str]) -> dict[str, Any]: ...

    def keep(self, kept: Mapping[str, Any]) -> None: ...


class Federation:
    """A federation: one network that moves through its clients' turns.

    The network holds the weights of whoever has its turn, and the global ones after a round. On the weights' device are
    the global weights and the sum of deltas; what clients keep is on the CPU, and only of clients that have been seen.

    Args:
        module: The network, holding the initial (or restored global) weights.
        settings: What the federation is made of.

    Raises:
        ConfigError: ``local_parameters`` does not divide the parameters.
    """

    def __init__(self, module: nn.Module, settings: FederatedSettings) -> None:
        shared, local = split_parameters(module, settings.local_parameters)
        self._module = module
        self._method = settings.client_method
        self._shared: Sequence[Tensor] = list(shared.values())
        self._aggregation_weights = settings.aggregation_weights
        self._server = Server(self._shared, settings.server_optimizer, settings.aggregator)
        self._buffers = FederatedBuffers(module, settings.buffers, settings.aggregator)
        self._buffer_policy = settings.buffers
        self._local = LocalParameters(local)
        self._personal = PersonalModels(module)
        self._optimizers = ClientOptimizerStates(settings.client_optimizer_state)
        self._work: LocalWork | None = None
        self._fine_tuning = False
        self._clients = 1
        self._shares: Mapping[str, float] = {}
        self._frozen = [(name, p) for name, p in module.named_parameters() if not p.requires_grad]
        self._method.reset()

    def begin_round(
        self, sizes: Mapping[str, int], steps: Mapping[tuple[str, Turn], int], momentum: float, fine_tuning: bool
    ) -> None:
        """Prepare for the participants of a round.

        Args:
            sizes: Training examples of every client that trains in the federation.
            steps: Local steps of each participant's turns.
            momentum: Momentum of the local optimizer, for methods whose weights depend on it.
            fine_tuning: Whether clients only adapt the final model to themselves.
        """
        self._fine_tuning = fine_tuning
        self._clients = len(sizes)
        senders = {client: count for (client, turn), count in steps.items() if turn == "shared"}
        own = {client: sizes[client] for client in senders}
        self._shares = self._aggregation_weights.shares(own)
        if own:
            self._server.begin_round(self._shares, senders, momentum)
            self._buffers.begin_round(self._shares)

    @property
    def shares(self) -> Mapping[str, float]:
        """The weights of the round's senders, which sum to one; empty where nobody sends."""
        return self._shares

    def begin_turn(self, client: str, turn: Turn, optimizer: Optimizer) -> None:
        """Put the weights that a client starts from into the network, and its state into the local optimizer."""
        self._server.send()
        self._local.load_for(client)
        self._buffers.load_for(client, self._module)
        if turn == "personal" and not self._fine_tuning:
            self._personal.load_for(client)
            if self._buffer_policy == "reset":
                self._buffers.load_for(client, self._module)
        self._optimizers.load_for(_optimizer_key(client, turn), optimizer)
        self._work = LocalWork(client, turn, self._clients, self._shared, self._server.global_weights)
        if not self._fine_tuning:
            self._method.on_client_start(self._work)

    def check_trained(self) -> None:
        """Refuse, by a ConfigError, parameters that are trained now and were not at the start: nobody shares them."""
        for name, parameter in self._frozen:
            if parameter.requires_grad:
                raise ConfigError(
                    f"{name} is trained now, but it was frozen when the run started; a federation shares, and privacy"
                    " noises, what is trained from its start on. Take out what unfreezes it, and train on in a run of"
                    " its own (model.init_from)."
                )

    def change_gradients(self) -> None:
        """Let the method change the gradients of a local step, in place."""
        assert self._work is not None
        if not self._fine_tuning and self._method.changes_gradients:
            gradients = []
            for weight in self._shared:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
                gradients.append(weight.grad)
            self._method.on_gradient(self._work, gradients)

    def end_turn(self, optimizer: Optimizer, release: ReleaseDelta) -> float:
        """Take over what a client has trained; ``release`` makes what it sends private, in place.

        Returns:
            The L2 norm of how far the client has moved from the global weights; infinite or NaN when it diverged, after
            which the round cannot go on.

        Raises:
            OutOfRange: A sum has no room for what the client sends.
        """
        assert self._work is not None
        client, turn = self._work.client, self._work.turn
        delta = self._server.delta()
        if turn == "shared":
            release(client, delta)
            norm = self._hand_over(client, delta)
            if not math.isfinite(norm):
                return norm
            self._local.collect_from(client)
        else:
            norm = delta_norm(delta)
            self._personal.collect_from(client)
        if not self._fine_tuning:
            self._method.on_client_end(self._work)
        self._optimizers.collect_from(_optimizer_key(client, turn), optimizer)
        self._work = None
        return norm

    def _hand_over(self, client: str, delta: list[Tensor]) -> float:
        """Give the server what a client sends of its weights and buffers; returns the norm of its delta."""
        norm = self._server.receive(client, delta)
        if math.isfinite(norm):
            self._buffers.collect_from(client, self._module)
        return norm

    def broadcast(self) -> Broadcast:
        """Return what clients elsewhere start a round from; nobody changes it."""
        return Broadcast(self._server.global_weights, self._buffers.sent(), self._method.broadcast())

    def receive(self, client: str, update: ClientUpdate) -> float:
        """Take in what a client elsewhere has sent in the round at hand, and return the norm of its delta.

        Raises:
            BenchError: The client takes no part in the round, or has sent already.
            OutOfRange: A sum has no room for it.
        """
        norm = self._server.receive(client, update.delta)
        if math.isfinite(norm):
            self._buffers.receive(client, update.buffers)
            self._method.receive(client, update.method, self._clients)
        return norm

    def exchange(self, clients: Collection[str]) -> None:
        """Bring together what the clients of all processes of the run have sent, and what they keep.

        Args:
            clients: Those that were trained by this process in the round.

        Raises:
            BenchError: The processes had different global weights.
            PeerLost: Another process has ended.
        """
        if peers().count == 1:
            return
        if self._shares:
            self._server.exchange()
            self._buffers.exchange()
        keys = [_optimizer_key(client, turn) for client in clients for turn in get_args(Turn)]
        parts: Sequence[_Keeper] = (self._local, self._personal, self._buffers, self._optimizers)
        found = peers().gather((_fingerprint(self._server.global_weights), [part.kept_by(keys) for part in parts]))
        if len({fingerprint for fingerprint, _ in found}) > 1:
            raise BenchError(
                "The processes of this run hold different global weights, so that their clients trained from different"
                " models: start them on machines that compute alike. The last checkpoint holds the round before."
            )
        for _, kept in found:
            for part, own in zip(parts, kept, strict=True):
                part.keep(own)
        if not self._fine_tuning:
            self._method.exchange(clients, self._server.global_weights)

    def end_round(self) -> None:
        """Make new global weights of what was sent, if anything was, and put the global model into the network."""
        if self._shares:
            self._server.finish_round()
            self._buffers.finish_round(self._module)
        if not self._fine_tuning:
            self._method.on_round_end()
        self.load_model(None)

    def load_model(self, client: str | None) -> None:
        """Put a client's model into the network, or the global one.

        A client's model is its own where it has trained one, else the global one with the client's local parameters and
        running statistics.
        """
        self._server.send()
        if client is None:
            self._local.load_initial()
            self._buffers.load_global(self._module)
        else:
            self._local.load_for(client)
            self._buffers.load_for(client, self._module)
            self._personal.load_for(client)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that is not in the global weights, as plain values and CPU tensors."""
        return {
            "server": self._server.state_dict(),
            "buffers": self._buffers.state_dict(),
            "local_parameters": self._local.state_dict(),
            "personal_models": self._personal.state_dict(),
            "client_optimizers": self._optimizers.state_dict(),
            "method": self._method.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; the global weights come with the network's."""
        self._server.load_state_dict(state["server"])
        self._buffers.load_state_dict(state["buffers"])
        self._local.load_state_dict(state["local_parameters"])
        self._personal.load_state_dict(state["personal_models"])
        self._optimizers.load_state_dict(state["client_optimizers"])
        self._method.load_state_dict(state["method"])

    def check_state(self, state: dict[str, Any]) -> None:
        """See that the server can step with a state that is to be restored; it says so in torch's words otherwise."""
        self._server.check_state(state["server"])


@torch.no_grad()
def _fingerprint(weights: Sequence[Tensor]) -> tuple[int, ...]:
    """Sums of the bits of tensors, which differ where the tensors do but by a rare chance."""
    return tuple(int(weight.reshape(-1).view(torch.int16).sum(dtype=torch.int64)) for weight in weights)


def _optimizer_key(client: str, turn: Turn) -> str:
    return client if turn == "shared" else f"{client} ({turn})"
