"""Tensors that clients keep between their turns, off the GPU."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from adpfl_bench.peers import of_clients


class ClientTensors:
    """A list of tensors for each client that has been seen, on the CPU."""

    def __init__(self) -> None:
        self._tensors: dict[str, list[Tensor]] = {}

    def __contains__(self, client: str) -> bool:
        """Whether the client has stored anything."""
        return client in self._tensors

    def save(self, client: str, tensors: Sequence[Tensor]) -> None:
        """Store copies of a client's tensors in place of its earlier ones."""
        self._tensors[client] = [tensor.detach().cpu().clone() for tensor in tensors]

    def load(self, client: str, like: Sequence[Tensor]) -> list[Tensor] | None:
        """Return a client's tensors on the device of ``like``; ``None`` where it has stored none."""
        if client not in self._tensors:
            return None
        return [own.to(other.device) for own, other in zip(self._tensors[client], like, strict=True)]

    def kept_by(self, clients: Collection[str]) -> dict[str, list[Tensor]]:
        """Return what some clients have stored."""
        return of_clients(self._tensors, clients)

    def keep(self, kept: Mapping[str, list[Tensor]]) -> None:
        """Take over what clients have stored in another process."""
        self._tensors.update(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return all clients' tensors."""
        return dict(self._tensors)

    def load_state_dict(self, state: dict[str, Any], like: Sequence[Tensor]) -> None:
        """Restore :meth:`state_dict`.

        Args:
            state: The state.
            like: Tensors of the shapes that those of every client have.

        Raises:
            ValueError: A client's are others.
        """
        for client, tensors in state.items():
            check_like(f"the tensors of {client}", tensors, like)
        self._tensors = {client: list(tensors) for client, tensors in state.items()}


def check_like(what: str, tensors: Sequence[Tensor], like: Sequence[Tensor]) -> None:
    """Refuse tensors that are not of the shapes and the kind of number of some others.

    Raises:
        ValueError: As above.
    """
    found, wanted = ([(t.shape, t.is_floating_point(), t.layout) for t in some] for some in (tensors, like))
    if found != wanted or any(tensor.is_complex() for tensor in tensors):
        raise ValueError(f"{what} are not those of this network")
