"""Who takes part in a round, and for how many local steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from adpfl_bench.errors import ConfigError
from adpfl_bench.seeding import numpy_generator


@dataclass(frozen=True)
class RoundSchedule:
    """The plan of every round, a function of the seed and the round alone.

    Attributes:
        rounds: Number of federated rounds.
        seed: Seed of the run.
        participation: Fraction of the clients that take part in a round, in (0, 1]; at least one does.
        clients_per_round: Number of participants instead of a fraction.
        local_epochs: Passes over its training records that a participant makes in a round.
        local_steps: Optimizer steps a participant makes in a round, instead of whole passes.

    Raises:
        ConfigError: A value is out of range.
    """

    rounds: int
    seed: int = 0
    participation: float = 1.0
    clients_per_round: int | None = None
    local_epochs: int = 1
    local_steps: int | None = None

    def __post_init__(self) -> None:
        for name in ("rounds", "local_epochs", "clients_per_round", "local_steps"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"federated.{name} must be at least 1, but it is {value}.")
        if not 0 < self.participation <= 1:
            raise ConfigError(
                f"federated.participation is the fraction of clients per round and must lie in (0, 1], but it is"
                f" {self.participation}; to ask for a number of clients use federated.clients_per_round."
            )

    def participants(self, round_index: int, clients: Sequence[str]) -> tuple[str, ...]:
        """Draw the participants of a round, in sorted order.

        Args:
            round_index: Round, counted from 0.
            clients: Names of all clients; their order does not matter.

        Raises:
            ConfigError: More participants are asked for than there are clients.
        """
        names = sorted(clients)
        count = self.clients_per_round or max(1, round(self.participation * len(names)))
        if count > len(names):
            raise ConfigError(f"federated.clients_per_round is {count}, but there are only {len(names)} clients.")
        if count == len(names):
            return tuple(names)
        generator = numpy_generator(self.seed, "participants", round_index)
        return tuple(sorted(generator.choice(names, size=count, replace=False).tolist()))

    def steps(self, records: int, batch_size: int) -> int:
        """Count the optimizer steps that a client with ``records`` training records makes in a round."""
        return self.local_steps or self.local_epochs * math.ceil(records / batch_size)
