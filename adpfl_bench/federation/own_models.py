"""Own models of clients: parameters that are not shared, and whole models."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.buffers import persistent_buffers
from adpfl_bench.federation.client_tensors import ClientTensors


def split_parameters(module: nn.Module, local: str | None) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """Divide the trained parameters into those that are shared and those that stay with a client.

    Args:
        module: The network.
        local: Regular expression that is searched for in the parameters' names; ``None`` shares all.

    Returns:
        Shared and local parameters by name, in the network's order.

    Raises:
        ConfigError: The expression is wrong, or finds none or all of the parameters.
    """
    trained = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if local is None:
        return trained, {}
    try:
        own = {name: parameter for name, parameter in trained.items() if re.search(local, name)}
    except re.error as error:
        raise ConfigError(f"federated.local_parameters is {local}, which is no regular expression: {error}.") from None
    if not own or len(own) == len(trained):
        raise ConfigError(
            f"federated.local_parameters is {local}, which is found in {len(own)} of the {len(trained)} trained"
            f" parameters' names; some and not all must stay with the clients. Names are {', '.join(trained)[:99]} ..."
        )
    return {name: parameter for name, parameter in trained.items() if name not in own}, own


class LocalParameters:
    """Parameters that stay with their client, as the normalisation layers of FedBN (Li et al. 2021, arXiv 2102.07623).

    A client that has not trained yet has the initial ones.

    Args:
        parameters: The parameters of the network that are local; they hold the initial values.
    """

    def __init__(self, parameters: dict[str, nn.Parameter]) -> None:
        self._parameters = list(parameters.values())
        self._initial = [parameter.detach().clone() for parameter in self._parameters]
        self._clients = ClientTensors()

    def load_for(self, client: str) -> None:
        """Put a client's own values into the network."""
        _write(self._parameters, self._clients.load(client, self._initial) or self._initial)

    def load_initial(self) -> None:
        """Put the initial values into the network."""
        _write(self._parameters, self._initial)

    def collect_from(self, client: str) -> None:
        """Keep a client's values after its local steps."""
        if self._parameters:
            self._clients.save(client, self._parameters)

    def kept_by(self, clients: Collection[str]) -> dict[str, list[Tensor]]:
        """Return the values of some clients."""
        return self._clients.kept_by(clients)

    def keep(self, kept: Mapping[str, list[Tensor]]) -> None:
        """Take over the values of clients that were trained by another process."""
        self._clients.keep(kept)

    def state_dict(self) -> dict[str, Any]:
        """Initial and clients' values."""
        return {"initial": [value.cpu() for value in self._initial], "clients": self._clients.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for value, saved in zip(self._initial, state["initial"], strict=True):
            value.copy_(saved)
        self._clients.load_state_dict(state["clients"], self._initial)


class PersonalModels:
    """Whole models of clients' own: every trained parameter, and the running statistics."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._clients = ClientTensors()

    @property
    def _tensors(self) -> list[Tensor]:
        """Looked up each time, since a network that moves to another device has new buffers there."""
        trained = [parameter for parameter in self._module.parameters() if parameter.requires_grad]
        return [*trained, *persistent_buffers(self._module).values()]

    def __contains__(self, client: str) -> bool:
        """Whether the client has a model of its own by now."""
        return client in self._clients

    def load_for(self, client: str) -> None:
        """Put a client's own model into the network; nothing changes where it has none yet."""
        tensors = self._tensors
        own = self._clients.load(client, tensors)
        if own is not None:
            _write(tensors, own)

    def collect_from(self, client: str) -> None:
        """Keep a client's model after its personal turn."""
        self._clients.save(client, self._tensors)

    def kept_by(self, clients: Collection[str]) -> dict[str, list[Tensor]]:
        """Return the models of some clients."""
        return self._clients.kept_by(clients)

    def keep(self, kept: Mapping[str, list[Tensor]]) -> None:
        """Take over the models of clients that were trained by another process."""
        self._clients.keep(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return all clients' models."""
        return self._clients.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._clients.load_state_dict(state, self._tensors)


@torch.no_grad()
def _write(targets: list[Any], values: list[Tensor]) -> None:
    for target, value in zip(targets, values, strict=True):
        target.copy_(value)
