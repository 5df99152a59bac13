"""The server: global weights, the running sum of client deltas, and the server optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

ServerOptimizer = Callable[[Iterable[Tensor]], Optimizer]


def sgd(parameters: Iterable[Tensor]) -> Optimizer:
    """FedAvg's server optimizer: ``SGD(lr=1)`` adds the average delta to the global weights."""
    return torch.optim.SGD(parameters, lr=1.0)


def describe_optimizer(optimizer: ServerOptimizer) -> dict[str, Any]:
    """Name an optimizer's class and settings, as plain values for a record."""
    made = optimizer([nn.Parameter(torch.zeros(1))])
    plain = {key: value for key, value in made.defaults.items() if isinstance(value, bool | int | float | str)}
    return {"class": type(made).__name__, **plain}


class Server:
    """Averages client deltas and applies the average as a pseudo-gradient.

    With weights ``p_k`` that sum to one, the pseudo-gradient of a round is ``-sum_k p_k (w_k - w)``; a torch optimizer
    takes one step on it (Reddi et al. 2021, arXiv 2003.00295, Algorithm 1). ``SGD(lr=1)`` is FedAvg (McMahan et al.
    2017, arXiv 1602.05629).

    Memory is three copies of the trainable weights (global, sum of deltas, one temporary), whatever the number of
    clients.

    Args:
        module: The network, holding the global weights.
        optimizer: Makes the server optimizer from its parameters.
    """

    def __init__(self, module: nn.Module, optimizer: ServerOptimizer = sgd) -> None:
        self._local: list[Tensor] = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._global: list[Tensor] = [nn.Parameter(parameter.detach().clone()) for parameter in self._local]
        self._delta_sum = [torch.zeros_like(parameter) for parameter in self._global]
        self.optimizer = optimizer(self._global)

    @torch.no_grad()
    def send(self) -> None:
        """Copy the global weights into the network, in place."""
        torch._foreach_copy_(self._local, self._global)

    @torch.no_grad()
    def delta(self) -> list[Tensor]:
        """How far the network has moved from the global weights: what a client sends."""
        return list(torch._foreach_sub(self._local, self._global))

    @torch.no_grad()
    def receive(self, delta: list[Tensor], weight: float) -> float:
        """Add a client's delta to the running sum.

        Args:
            delta: What the client sends.
            weight: The client's share of the round's total weight.

        Returns:
            The L2 norm of the delta; infinite or NaN when the client diverged.
        """
        torch._foreach_add_(self._delta_sum, delta, alpha=weight)
        return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(delta))))

    def finish_round(self) -> None:
        """Step the server optimizer on the pseudo-gradient and write the new global weights into the network."""
        torch._foreach_neg_(self._delta_sum)
        for parameter, gradient in zip(self._global, self._delta_sum, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        for parameter in self._global:
            parameter.grad = None
        torch._foreach_zero_(self._delta_sum)
        self.send()

    def state_dict(self) -> dict[str, Any]:
        """State of the server optimizer; the global weights are the network's own at the end of a round."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self.optimizer.load_state_dict(state)
