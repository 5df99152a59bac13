"""What a server and a client send to each other where they are in different places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Broadcast:
    """What a server sends to the participants of a round.

    Attributes:
        weights: The global weights that are shared, in the network's order.
        buffers: The global buffers, where these are averaged; else none.
        method: What the client method's clients know of each other, as
            :meth:`~adpfl_bench.federation.client_methods.ClientMethod.broadcast` has it.
    """

    weights: Sequence[Tensor]
    buffers: Sequence[Tensor]
    method: Sequence[Tensor]


@dataclass(frozen=True)
class ClientUpdate:
    """What a client sends after its shared turn.

    Attributes:
        delta: How far its weights have moved from the global ones; private where the run is.
        buffers: Its buffers in 64 bits, where these are averaged; else none.
        method: What its client method sends beside them.
    """

    delta: list[Tensor]
    buffers: list[Tensor]
    method: list[Tensor]
