"""Arrays of messages: what travels of a federation, and the checks that it passes before anything is done with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from adpfl_bench.deploy.messages import Arrays, MessageError
from adpfl_bench.federation.client_update import Broadcast, ClientUpdate

_ROOM = 2**20
"""Bytes of a message beside its arrays."""


def packed(**groups: Sequence[Tensor]) -> dict[str, np.ndarray]:
    """Name the tensors of some groups, in their order, as a message has them: ``weights.0`` and so on."""
    return {
        f"{group}.{index}": tensor.detach().cpu().numpy()
        for group, tensors in groups.items()
        for index, tensor in enumerate(tensors)
    }


def most_bytes(*groups: Sequence[Tensor]) -> int:
    """Return how many bytes a message may have that brings tensors such as these."""
    return _ROOM + 2 * sum(tensor.numel() * max(8, tensor.element_size()) + 1024 for own in groups for tensor in own)


def unpacked(arrays: Arrays, whose: str, like: Mapping[str, Sequence[Tensor]]) -> dict[str, list[Tensor]]:
    """Return the groups of a message's arrays as tensors, on the devices of some others.

    Args:
        arrays: The arrays.
        whose: Who has sent them, for the sentence.
        like: By group the tensors that were expected.

    Raises:
        MessageError: There are others, or one has another shape or type, or a number that is not finite.
    """
    expected = {f"{group}.{index}": tensor for group, own in like.items() for index, tensor in enumerate(own)}
    if odd := sorted(set(expected) ^ set(arrays)):
        what = "lacks" if odd[0] in expected else "has"
        raise MessageError(
            f"What {whose} has sent {what} the array {odd[0]}, so that it is not of this network and method; use the"
            " same configuration and version everywhere."
        )
    found: dict[str, list[Tensor]] = {group: [] for group in like}
    for name, tensor in expected.items():
        array, wanted = arrays[name], tuple(tensor.shape)
        if array.shape != wanted:
            raise MessageError(
                f"What {whose} has sent does not fit: its {name} has the shape {array.shape}, but the network's is"
                f" {wanted}; use the same configuration and version everywhere."
            )
        given = torch.from_numpy(array.copy())
        if given.dtype != tensor.dtype:
            raise MessageError(
                f"What {whose} has sent does not fit: its {name} is of the type {given.dtype}, but {tensor.dtype} was"
                " expected; use the same trainer.precision everywhere."
            )
        if given.is_floating_point() and not bool(torch.isfinite(given).all()):
            raise MessageError(
                f"What {whose} has sent is not finite: its {name} has a NaN or an infinite number, so that nothing is"
                " made of it. Lower the learning rate or the noise."
            )
        found[name.partition(".")[0]].append(given.to(tensor.device))
    return found


def broadcast_arrays(sent: Broadcast) -> dict[str, np.ndarray]:
    """Return what a server sends as a message has it."""
    return packed(weights=sent.weights, buffers=sent.buffers, method=sent.method)


def read_broadcast(arrays: Arrays, like: Broadcast) -> Broadcast:
    """Read what a server has sent; a client method's part may be absent while it is nothing yet.

    Raises:
        MessageError: It is not what this network and method expect.
    """
    method = like.weights if any(name.startswith("method.") for name in arrays) else ()
    groups = {"weights": like.weights, "buffers": like.buffers, "method": method}
    found = unpacked(arrays, "the server", groups)
    return Broadcast(found["weights"], found["buffers"], found["method"])


def update_arrays(update: ClientUpdate) -> dict[str, np.ndarray]:
    """Return what a client sends as a message has it."""
    return packed(delta=update.delta, buffers=update.buffers, method=update.method)


def read_update(arrays: Arrays, hospital: str, like: Broadcast, sends_method: bool) -> ClientUpdate:
    """Read what a hospital has sent.

    Args:
        arrays: The message's arrays.
        hospital: Whose they are.
        like: What was sent to it.
        sends_method: Whether its client method sends tensors of the weights' shapes, too.

    Raises:
        MessageError: It is not what this network and method expect.
    """
    buffers = [value.double() for value in like.buffers]
    groups = {"delta": like.weights, "buffers": buffers, "method": like.weights if sends_method else ()}
    found = unpacked(arrays, f"hospital {hospital}", groups)
    return ClientUpdate(found["delta"], found["buffers"], found["method"])


def state_arrays(module: nn.Module) -> dict[str, np.ndarray]:
    """Return all parameters and persistent buffers of a network, by their names, as a message has them."""
    return {f"state.{name}": value.detach().cpu().numpy() for name, value in module.state_dict().items()}


def load_state(module: nn.Module, arrays: Arrays) -> None:
    """Put the parameters and persistent buffers of a message into a network.

    Raises:
        MessageError: They are not of this network.
    """
    own = module.state_dict()
    renamed = {f"state.{index}": arrays[f"state.{name}"] for index, name in enumerate(own) if f"state.{name}" in arrays}
    if len(arrays) != len(own) or len(renamed) != len(own):
        raise MessageError(
            "The first weights that the server has sent are of another network than this configuration makes; use the"
            " same configuration and version everywhere."
        )
    values = unpacked(renamed, "the server", {"state": list(own.values())})["state"]
    module.load_state_dict(dict(zip(own, values, strict=True)))
