"""What happens to the local optimizer's state when another client takes its turn."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch.optim import Optimizer

OptimizerStatePolicy = Literal["reset", "keep"]


class ClientOptimizerStates:
    """Resets one shared optimizer for each client, or swaps each client's own state in and out.

    Only moments and the like are touched; learning rates belong to the schedule, which counts rounds.

    Args:
        policy: ``reset`` starts every client's round without state (the stateless clients of FedAvg); ``keep`` gives
            each client its own state back, held on the CPU between its turns.
    """

    def __init__(self, policy: OptimizerStatePolicy = "reset") -> None:
        self.policy = policy
        self._states: dict[str, list[dict[str, Any]]] = {}

    @staticmethod
    def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
        return [parameter for group in optimizer.param_groups for parameter in group["params"]]

    def load_for(self, client: str, optimizer: Optimizer) -> None:
        """Give ``optimizer`` the state that ``client`` starts its local steps with."""
        optimizer.state.clear()
        for parameter, state in zip(self._parameters(optimizer), self._states.get(client, []), strict=False):
            if state:
                optimizer.state[parameter] = {key: _moved_like(value, parameter) for key, value in state.items()}

    def collect_from(self, client: str, optimizer: Optimizer) -> None:
        """Store ``client``'s state after its local steps, if the policy says so."""
        if self.policy == "keep":
            self._states[client] = [
                {key: _to_cpu(value) for key, value in optimizer.state.get(parameter, {}).items()}
                for parameter in self._parameters(optimizer)
            ]

    def state_dict(self) -> dict[str, Any]:
        """State for a checkpoint, on the CPU."""
        return dict(self._states)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._states = dict(state)


def _to_cpu(value: Any) -> Any:
    return value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value


def _moved_like(value: Any, parameter: torch.Tensor) -> Any:
    if not isinstance(value, torch.Tensor):
        return value
    # Step counters are scalars that torch keeps on the CPU; moments have the parameter's shape and live beside it.
    return value.to(parameter.device, copy=True) if value.shape == parameter.shape else value.clone()
