"""Round that a server elsewhere asks a client for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from adpfl_bench.data.rounds.training_plan import ClientCounts
from adpfl_bench.federation.client_federation import ClientFederation
from adpfl_bench.federation.client_update import Broadcast, ClientUpdate
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.federation import Federation
from adpfl_bench.records.deployed_block import DeployedBlock

ANSWER = "answer"
"""Under this key a checkpoint of a FederatedLoop has the answer to the last round that was asked for."""


@dataclass
class AskedRound:
    """Round that a server elsewhere asks the client of this place for.

    A FederatedLoop that has one goes on from its checkpoint to this round, in which the client trains, and stops after
    it. Rounds in between are passed over: the client was not drawn for them, or the server went on without it. Without
    a round the models that the server has sent are only scored.

    The answer is in the same checkpoint as the client's state after the round, so that there is never one without the
    other: whoever is killed before it is written has released nothing to anybody, and makes the round again.

    Attributes:
        client: The client.
        elsewhere: All other clients of the federation, with what they state in public.
        make_answer: Makes the answer that leaves of what the client sends.
        round: The round, counted from 0; ``None`` where nothing is trained.
        sent: What the server has sent; ``None`` where the network is to be left as it is.
        answer: The answer, once the round is over; before it that to an earlier round, or nothing.
    """

    client: str
    elsewhere: Mapping[str, ClientCounts]
    make_answer: Callable[[ClientUpdate], bytes]
    round: int | None = None
    sent: Broadcast | None = None
    answer: bytes = b""

    def end_round(self, round_index: int, federation: Federation | None) -> bool:
        """Make the answer, if this was the round; returns whether it was."""
        if round_index == self.round and isinstance(federation, ClientFederation):
            self.answer = self.make_answer(federation.update(self.client))
        return round_index == self.round


def deployed_part(asked: AskedRound | None, stated_key: str | None) -> dict[str, Any]:
    """Return what the record of a hospital's own run states of the others; nothing of a simulated run.

    Args:
        asked: What its server asks for, if it has one elsewhere.
        stated_key: Key of repeatable noise, in a test.
    """
    if asked is None:
        return {}
    hospitals = tuple(sorted({asked.client, *asked.elsewhere}))
    return {"deployed": DeployedBlock(side="hospital", hospitals=hospitals, test=stated_key is not None)}


def kept(asked: AskedRound | None) -> dict[str, Any]:
    """Return what a checkpoint keeps of the round that was asked for."""
    if asked is None or not asked.answer:
        return {}
    return {ANSWER: torch.frombuffer(bytearray(asked.answer), dtype=torch.uint8)}


def assembled(
    module: nn.Module, settings: FederatedSettings, asked: AskedRound | None, state: Mapping[str, Any]
) -> Federation:
    """Make the federation of a module: a whole one, or that of a client whose server is elsewhere.

    Args:
        module: The network.
        settings: What it is made of.
        asked: What a server elsewhere asks for, if there is one.
        state: State of a checkpoint, or nothing.
    """
    federation = Federation(module, settings) if asked is None else ClientFederation(module, settings)
    if state:
        federation.load_state_dict(dict(state))
    if asked is not None and asked.sent is not None and isinstance(federation, ClientFederation):
        federation.take(asked.sent)
    return federation
