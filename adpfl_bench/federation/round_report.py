"""Round report: losses and delta norms of a round's turns."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from adpfl_bench.federation.round_schedule import RoundSchedule, Turn
from adpfl_bench.peers import peers


class RoundReport:
    """Losses of a round's turns, and how far its clients have moved.

    A number is (client, name, value); ``None`` stands for the whole federation. Names of personal turns start with
    ``personal_``.
    """

    def __init__(self) -> None:
        self._numbers: list[tuple[str | None, str, float]] = []
        self._turns: list[tuple[str | None, str, float]] = []
        self._losses: list[Tensor] = []

    def begin(self, schedule: RoundSchedule, round_index: int, clients: list[str], learning_rate: float) -> None:
        """Start a round, with who dropped out of it or straggles."""
        self._losses, self._turns = [], []
        self._numbers = [(None, "learning_rate", learning_rate)]
        self._numbers += [(client, "dropped_out", 1.0) for client in schedule.absent(round_index, clients)]
        self._numbers += [(client, "straggled", 1.0) for client in schedule.stragglers(round_index, clients)]

    def begin_turn(self) -> None:
        """Forget the losses of the turn before."""
        self._losses = []

    def step(self, loss: Tensor) -> None:
        """Note the loss of a local step."""
        self._losses.append(loss)

    @property
    def loss(self) -> float | None:
        """Loss of the last local step; ``None`` before a client's first."""
        return float(self._losses[-1]) if self._losses else None

    def end_turn(self, client: str, turn: Turn, norm: float) -> None:
        """Note a turn's mean loss, and the L2 norm of how far its weights have moved from the global ones."""
        loss = float(torch.stack(self._losses).nanmean())  # a batch that Poisson sampling left empty has none
        prefix = "" if turn == "shared" else "personal_"
        self._turns += [(client, f"{prefix}train_loss", loss), (client, f"{prefix}delta_norm", norm)]

    def exchange(self) -> None:
        """Take over what became of the turns in other processes of the run; turns stand in the order of clients."""
        if peers().count > 1:
            turns = [number for own in peers().gather(self._turns) for number in own]
            self._turns = sorted(turns, key=lambda number: str(number[0]))

    def numbers(self, shares: Mapping[str, float]) -> list[tuple[str | None, str, float]]:
        """Return all numbers of the round, with the mean loss over clients.

        Args:
            shares: Weights of the clients that have sent a delta; where nobody has, or not all of
                them are known here, all whose losses are known count alike.
        """
        name = "train_loss" if shares else "personal_train_loss"
        losses = {client: value for client, key, value in self._turns if key == name and client is not None}
        if not losses:  # nobody of this place has trained in the round
            return [*self._numbers, *self._turns]
        weights = shares if shares and {*shares} <= {*losses} else dict.fromkeys(losses, 1 / len(losses))
        overall = math.fsum(weights[client] * loss for client, loss in losses.items())
        return [*self._numbers, *self._turns, (None, "train_loss", overall)]
