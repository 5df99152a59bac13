"""The server: global weights, what it makes of client deltas, and the server optimizer.

The calls of a round::

    server = Server(parameters, optimizer=sgd, aggregator=None)       # parameters: the shared ones, held by the network
    server.begin_round(weights, local_steps, momentum=0.0)            # dicts by client; the weights sum to one
    server.send()                                                     # before a client's local steps ...
    norm = server.receive(client, server.delta())                     # ... and after them
    server.finish_round()
    server.global_weights                                             # same order as `parameters`; not to be changed
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.aggregation import WeightedMean
from adpfl_bench.federation.aggregator import Aggregator
from adpfl_bench.federation.optimizer_state import check_optimizer_state

ServerOptimizer = Callable[[Iterable[Tensor]], Optimizer]


def sgd(parameters: Iterable[Tensor]) -> Optimizer:
    """FedAvg's server optimizer: ``SGD(lr=1)`` adds the average delta to the global weights."""
    return torch.optim.SGD(parameters, lr=1.0)


def describe_optimizer(optimizer: ServerOptimizer) -> dict[str, Any]:
    """Name an optimizer's class and settings, as plain values for a record; a pair of betas is a list."""
    made = optimizer([nn.Parameter(torch.zeros(1))])
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in made.defaults.items()}
    kept = {key: value for key, value in plain.items() if isinstance(value, bool | int | float | str | list)}
    return {"class": type(made).__name__, **kept}


def delta_norm(delta: list[Tensor]) -> float:
    """Return the L2 norm of a delta; infinite or NaN when its client diverged."""
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(delta))))


class Server:
    """The server: aggregates client deltas and applies the aggregate as a pseudo-gradient.

    The pseudo-gradient of a round is the negative aggregate, ``-sum_k p_k (w_k - w)`` with the weighted mean; a torch
    optimizer takes one step on it (Reddi et al. 2021, arXiv 2003.00295, Algorithm 1). ``SGD(lr=1)`` is FedAvg (McMahan
    et al. 2017, arXiv 1602.05629); others are in :mod:`~adpfl_bench.federation.server_optimizers`.

    Memory is four copies of the shared weights (global, one temporary, the sum of deltas in 64-bit integers), and two
    more while a delta is added, whatever the number of clients, where the aggregator keeps a running sum.

    Args:
        parameters: What the clients share, as the network holds it: trained in place, and overwritten by :meth:`send`
            and :meth:`finish_round`. They hold the global weights now.
        optimizer: Makes the server optimizer from its parameters.
        aggregator: Makes one delta out of the clients'; the weighted mean unless given.

    Raises:
        ConfigError: There are no parameters.
    """

    def __init__(
        self, parameters: Sequence[Tensor], optimizer: ServerOptimizer = sgd, aggregator: Aggregator | None = None
    ) -> None:
        if not parameters:
            raise ConfigError(
                "The server expects parameters that the clients share, but there are none; share at least one that is"
                " trained."
            )
        self._local: list[Tensor] = list(parameters)
        self._global: list[Tensor] = [nn.Parameter(parameter.detach().clone()) for parameter in self._local]
        self.aggregator = aggregator or WeightedMean()
        self._make = optimizer
        self.optimizer = optimizer(self._global)

    @property
    def global_weights(self) -> Sequence[Tensor]:
        """The global weights, in the order of the parameters; the server's own, not to be changed."""
        return self._global

    def begin_round(self, weights: Mapping[str, float], local_steps: Mapping[str, int], momentum: float = 0.0) -> None:
        """Prepare for what the participants of a round will send; see :meth:`Aggregator.begin_round`.

        Raises:
            ConfigError: The aggregator cannot work with these participants.
        """
        self.aggregator.begin_round(weights, local_steps, momentum)

    @torch.no_grad()
    def send(self) -> None:
        """Copy the global weights into the network, in place."""
        torch._foreach_copy_(self._local, self._global)

    @torch.no_grad()
    def delta(self) -> list[Tensor]:
        """Return the network's change from the global weights: what a client sends."""
        return list(torch._foreach_sub(self._local, self._global))

    @torch.no_grad()
    def receive(self, client: str, delta: list[Tensor]) -> float:
        """Take in a participant's delta, and return its L2 norm; infinite or NaN when the client diverged.

        That of one who diverged is not aggregated.

        Raises:
            BenchError: The client takes no part in the round, or has sent already.
            OutOfRange: The sum of deltas has no room for it.
        """
        norm = delta_norm(delta)
        if math.isfinite(norm):
            self.aggregator.receive(client, delta)
        return norm

    def exchange(self) -> None:
        """Take in what participants have sent to other processes of the run.

        Raises:
            PeerLost: Another process has ended.
        """
        self.aggregator.exchange(self._global)

    def finish_round(self) -> None:
        """Step the server optimizer on the pseudo-gradient and write the new global weights into the network.

        Raises:
            BenchError: A participant has not sent anything.
        """
        gradients = self.aggregator.finish_round()
        torch._foreach_neg_(gradients)
        for parameter, gradient in zip(self._global, gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        for parameter in self._global:
            parameter.grad = None
        self.send()

    def check_state(self, state: dict[str, Any]) -> None:
        """See that the server optimizer can step with a state that is to be restored.

        Raises:
            ValueError: It is not that of these weights.
        """
        check_optimizer_state(self._make, self._global, state)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the server optimizer; the global weights are the network's own at the end of a round."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.optimizer.load_state_dict(state)
