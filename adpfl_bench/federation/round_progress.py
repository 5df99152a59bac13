"""Progress of a round: whose turn it is, who is still to come, and what became of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from torch.optim import Optimizer

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.federation.exact_sum import OutOfRange
from adpfl_bench.federation.federated_settings import FederatedSettings
from adpfl_bench.federation.federation import Federation, ReleaseDelta
from adpfl_bench.federation.round_report import RoundReport
from adpfl_bench.federation.round_schedule import Turn
from adpfl_bench.peers import peers
from adpfl_bench.seeding import Draws, seed_torch


class ClientDiverged(BenchError):
    """A client's weights are no longer finite, or too far from the global ones."""


class RoundProgress:
    """Progress of a federation through its rounds, turn by turn; an incomplete round is refused.

    At the start of each client's turn torch's global generators are seeded, so that dropout follows from the same draws
    as everything else. Under secret draws nobody knows whose masks are whose: the other units' masks tell nothing of
    who is in a batch.

    Attributes:
        report: Losses and norms of the round at hand, or of the last one.
        round: The round at hand, or the last one, counted from 0.
        client: Whose turn it is; ``None`` between turns.
        open: Whether a round has begun and not ended.

    Args:
        federation: Which weights are in the network, and what becomes of them.
        settings: What the federation is made of.
        draws: Where the chance of training comes from.
    """

    def __init__(self, federation: Federation, settings: FederatedSettings, draws: Draws) -> None:
        self.report = RoundReport()
        self.round = 0
        self.client: str | None = None
        self.open = False
        self._federation = federation
        self._settings = settings
        self._draws = draws
        self._waiting: set[tuple[str, Turn]] = set()
        self._own: tuple[str, ...] = ()
        self._turn: Turn = "shared"

    def begin(
        self,
        round_index: int,
        sizes: Mapping[str, int],
        steps: Mapping[tuple[str, Turn], int],
        own: Collection[str],
        optimizer: Optimizer,
    ) -> None:
        """Begin a round, when the first process has written the checkpoint of the one before.

        Whoever went ahead would release what a run that goes on from an earlier checkpoint does not expect yet.

        Args:
            round_index: The round, counted from 0.
            sizes: Training examples of every client that trains.
            steps: Local steps of each participant's turns.
            own: The participants that this process trains.
            optimizer: The local optimizer.

        Raises:
            PeerLost: Another process has ended.
        """
        peers().gather(None)
        schedule, groups = self._settings.schedule, optimizer.param_groups
        fine_tuning = schedule.is_fine_tuning(round_index)
        if fine_tuning:
            for group in groups:
                group["lr"] = group.get("initial_lr", group["lr"]) * self._settings.fine_tuning_rate
        self._federation.begin_round(sizes, steps, float(groups[0].get("momentum", 0.0)), fine_tuning)
        self._own = tuple(own)
        self._waiting = {(client, turn) for client, turn in steps if client in own}
        # The schedule steps before the round is reported, so the rate that it was trained with is noted here.
        self.report.begin(schedule, round_index, list(sizes), float(groups[0]["lr"]))
        self.round, self.open = round_index, True

    def begin_turn(self, client: str, turn: Turn, optimizer: Optimizer) -> None:
        """Begin a client's turn."""
        self._waiting.discard((client, turn))
        self.client, self._turn = client, turn
        self.report.begin_turn()
        self._federation.begin_turn(client, turn, optimizer)
        personal = ("personal",) if turn == "personal" else ()
        seed_torch(self._draws.seed("client", self.round, client, *personal))

    def end_turn(self, optimizer: Optimizer, release: ReleaseDelta) -> None:
        """End the client's turn; ``release`` makes what it sends private, in place.

        Raises:
            ClientDiverged: The client's weights are no longer finite, or too far from the global ones.
        """
        assert self.client is not None
        what = "its weights are no longer finite"
        try:
            norm = self._federation.end_turn(optimizer, release)
        except OutOfRange as error:
            norm, what = math.inf, str(error)
        if not math.isfinite(norm):
            raise ClientDiverged(
                f"Client {self.client} diverged in round {self.round + 1}: {what}. Lower the learning rate or the"
                " noise; the last checkpoint holds the round before."
            )
        self.report.end_turn(self.client, self._turn, norm)
        self.client = None

    def end(self) -> None:
        """End the round, together with the other processes of the run.

        Raises:
            ConfigError: A client has not finished.
            PeerLost: Another process has ended.
        """
        if self._waiting or self.client is not None:
            self.refuse_rest()
        self._federation.exchange(self._own)
        self.report.exchange()
        self._federation.end_round()
        self.open = False

    def refuse_rest(self) -> None:
        """Refuse, by a ConfigError, a round that ended too early."""
        waiting = {client for client, _ in self._waiting} | ({self.client} if self.client is not None else set())
        raise ConfigError(
            f"Round {self.round + 1} was cut short before these clients had finished: {', '.join(sorted(waiting))}. Let"
            " every epoch run through (no step-wise Timer, no limit on batches); the last checkpoint holds the round"
            " before."
        )
