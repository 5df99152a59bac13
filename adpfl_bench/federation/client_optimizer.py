"""State of the local optimizer when another client takes its turn."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any, Literal

import torch
from torch.optim import Optimizer

from adpfl_bench.peers import of_clients

OptimizerStatePolicy = Literal["reset", "keep"]


class ClientOptimizerStates:
    """Clients' states of one shared optimizer: reset for each client, or swapped in and out.

    Only moments and the like are touched; learning rates belong to the schedule, which counts rounds.

    Args:
        policy: ``reset`` starts every client's round without state (the stateless clients of FedAvg); ``keep`` gives
            each client its own state back, held on the CPU between its turns.
    """

    def __init__(self, policy: OptimizerStatePolicy = "reset") -> None:
        self.policy = policy
        self._states: dict[str, dict[int, dict[str, Any]]] = {}

    def load_for(self, client: str, optimizer: Optimizer) -> None:
        """Give ``optimizer`` the state that ``client`` starts its local steps with."""
        optimizer.state.clear()
        if client in self._states:
            groups = optimizer.state_dict()["param_groups"]
            # The optimizer knows where each value belongs: a fused one has its step counters beside the parameters.
            optimizer.load_state_dict({"state": copy.deepcopy(self._states[client]), "param_groups": groups})

    def collect_from(self, client: str, optimizer: Optimizer) -> None:
        """Store ``client``'s state after its local steps, if the policy says so."""
        if self.policy == "keep":
            self._states[client] = {
                index: {key: _to_cpu(value) for key, value in state.items()}
                for index, state in optimizer.state_dict()["state"].items()
            }

    def kept_by(self, clients: Collection[str]) -> dict[str, dict[int, dict[str, Any]]]:
        """Return the states of some clients."""
        return of_clients(self._states, clients)

    def keep(self, kept: Mapping[str, dict[int, dict[str, Any]]]) -> None:
        """Take over the states of clients that were trained by another process."""
        self._states.update(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint, on the CPU."""
        return dict(self._states)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._states = dict(state)


def _to_cpu(value: Any) -> Any:
    return value.detach().cpu().clone() if isinstance(value, torch.Tensor) else value
