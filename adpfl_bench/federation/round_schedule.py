"""Round schedule: who takes part in a round, in which turns, and for how many local steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from adpfl_bench.errors import ConfigError, check_choice
from adpfl_bench.seeding import numpy_generator

Turn = Literal["shared", "personal"]
"""``shared``: a client trains from the global weights and sends its delta. ``personal``: it trains its own model, which
stays with it."""

Availability = Literal["uniform", "cyclic"]

POOLED_CLIENT = "all clients"
"""The one client that trains where the training examples of all are pooled."""


class Visit(NamedTuple):
    """One turn of one client in a round.

    Attributes:
        client: Name of the client.
        turn: What it trains.
        epochs: Passes over its units.
        step_limit: Number of optimizer steps, instead of whole passes.
        work: Share of these steps that it makes.
    """

    client: str
    turn: Turn
    epochs: int
    step_limit: int | None
    work: float = 1.0

    def steps(self, units: int, units_per_step: int) -> int:
        """Count the optimizer steps of the turn, at least one, for a client with ``units`` units."""
        whole = self.step_limit or self.epochs * math.ceil(units / units_per_step)
        return max(1, math.ceil(round(self.work * whole, 9)))  # 0.55 * 100 is a little more than 55


@dataclass(frozen=True)
class RoundSchedule:
    """The plan of every round, a function of the seed, the round and the clients' names alone.

    Rounds are counted from 0; the order of the names of all clients does not matter.

    Of the clients that are drawn for a round some may drop out, and some may straggle, which Li et al. (FedProx, MLSys
    2020, section 5.2) simulate as less local work. Cyclic participation is that of Cho et al. (ICML 2023).

    Attributes:
        rounds: Number of federated rounds.
        seed: Seed of the run.
        participation: Fraction of the clients that take part in a round, in (0, 1]; at least one does.
        clients_per_round: Number of participants instead of a fraction.
        local_epochs: Passes over its training examples that a participant makes in a turn.
        local_steps: Optimizer steps a participant makes in a turn, instead of whole passes.
        availability: ``uniform`` draws each round's clients at random. ``cyclic`` puts the clients into one order,
            drawn from the seed, of which consecutive blocks take part, round after round, and again from its start.
        dropout: Probability, in [0, 1), that a drawn client fails in a round and neither trains nor sends anything; or
            such probabilities by client, 0 for those not named.
        straggling: Probability, in [0, 1], that a participant is slow in a round; or such probabilities by client.
        straggler_work: Share of its local steps, in (0, 1], that a straggler has made in each of its turns when the
            round closes. It sends what it has.
        turns: Each participant's turns in a round, one after the other.
        fine_tuning_epochs: Above 0, one further round follows at the end, in which every client trains a personal model
            from the final weights with that many passes; nobody drops out or straggles there.

    Raises:
        ConfigError: A value is out of range.
    """

    rounds: int
    seed: int = 0
    participation: float = 1.0
    clients_per_round: int | None = None
    local_epochs: int = 1
    local_steps: int | None = None
    availability: Availability = "uniform"
    dropout: float | Mapping[str, float] = 0.0
    straggling: float | Mapping[str, float] = 0.0
    straggler_work: float = 0.5
    turns: tuple[Turn, ...] = ("shared",)
    fine_tuning_epochs: int = 0

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
        check_choice("federated.availability", self.availability, get_args(Availability))
        for probability in _values(self.dropout):
            if not 0 <= probability < 1:
                raise ConfigError(
                    f"federated.dropout is a probability and must lie in [0, 1), but it is {probability}; a client that"
                    " is never there belongs in federated.held_out_clients."
                )
        for probability in _values(self.straggling):
            if not 0 <= probability <= 1:
                raise ConfigError(
                    f"federated.straggling is a probability and must lie in [0, 1], but it is {probability}."
                )
        if not 0 < self.straggler_work <= 1:
            raise ConfigError(
                f"federated.straggler_work is a share of the local steps and must lie in (0, 1], but it is"
                f" {self.straggler_work}."
            )
        known = get_args(Turn)
        if not self.turns or len(set(self.turns)) < len(self.turns) or set(self.turns) - set(known):
            raise ConfigError(
                f"The turns of a participant must be {' and '.join(known)}, either or both and each once, but they are"
                f" {', '.join(self.turns) or 'none'}."
            )
        if self.fine_tuning_epochs < 0:
            raise ConfigError(
                f"federated.fine_tuning_epochs must not be negative, but it is {self.fine_tuning_epochs}; 0 fine-tunes"
                " nothing."
            )

    @property
    def total_rounds(self) -> int:
        """Number of rounds with that of fine-tuning, if there is one: the Trainer's ``max_epochs``."""
        return self.rounds + (self.fine_tuning_epochs > 0)

    def is_fine_tuning(self, round_index: int) -> bool:
        """Whether a round is that of fine-tuning at the end."""
        return self.fine_tuning_epochs > 0 and round_index >= self.rounds

    def drawn(self, round_index: int, clients: Sequence[str]) -> tuple[str, ...]:
        """Draw the clients that are asked to take part in a round, in sorted order.

        Raises:
            ConfigError: More participants are asked for than there are clients, or a client that there is not has a
                probability to drop out or straggle.
        """
        names = sorted(clients)
        for setting in ("dropout", "straggling"):
            stated = getattr(self, setting)
            if isinstance(stated, Mapping) and (unknown := sorted(set(stated) - set(names))):
                raise ConfigError(
                    f"federated.{setting} names {', '.join(unknown)}, but the clients that train are"
                    f" {', '.join(names)}."
                )
        count = self.clients_per_round or max(1, round(self.participation * len(names)))
        if count > len(names):
            raise ConfigError(f"federated.clients_per_round is {count}, but there are only {len(names)} clients.")
        if count == len(names) or self.is_fine_tuning(round_index):
            return tuple(names)
        if self.availability == "cyclic":
            order = numpy_generator(self.seed, "cyclic order").permutation(names).tolist()
            return tuple(sorted(order[(round_index * count + i) % len(names)] for i in range(count)))
        generator = numpy_generator(self.seed, "participants", round_index)
        return tuple(sorted(generator.choice(names, size=count, replace=False).tolist()))

    def participants(self, round_index: int, clients: Sequence[str]) -> tuple[str, ...]:
        """Those who really take part in a round, in sorted order: who is drawn and does not drop out.

        If all would drop out, one of them, drawn at random, stays; errors as of :meth:`drawn`.
        """
        drawn = self.drawn(round_index, clients)
        if self.is_fine_tuning(round_index):
            return drawn
        staying = tuple(name for name in drawn if not self._happens("dropout", round_index, name))
        return staying or (str(numpy_generator(self.seed, "last to stay", round_index).choice(drawn)),)

    def absent(self, round_index: int, clients: Sequence[str]) -> tuple[str, ...]:
        """Those who are drawn for a round but drop out."""
        present = self.participants(round_index, clients)
        return tuple(name for name in self.drawn(round_index, clients) if name not in present)

    def stragglers(self, round_index: int, clients: Sequence[str]) -> tuple[str, ...]:
        """Participants of a round that make only part of their local steps."""
        present = self.participants(round_index, clients)
        return tuple(name for name in present if self._straggles(round_index, name))

    def visits(self, round_index: int, clients: Sequence[str]) -> tuple[Visit, ...]:
        """All turns of a round: client after client, and of each client in their order; errors as of :meth:`drawn`."""
        present = self.participants(round_index, clients)
        if self.is_fine_tuning(round_index):
            return tuple(Visit(name, "personal", self.fine_tuning_epochs, None) for name in present)
        works = {name: self.straggler_work if self._straggles(round_index, name) else 1.0 for name in present}
        return tuple(
            Visit(name, turn, self.local_epochs, self.local_steps, works[name])
            for name in present
            for turn in self.turns
        )

    def _straggles(self, round_index: int, client: str) -> bool:
        return not self.is_fine_tuning(round_index) and self._happens("straggling", round_index, client)

    def _happens(self, setting: Literal["dropout", "straggling"], round_index: int, client: str) -> bool:
        stated = getattr(self, setting)
        probability = stated.get(client, 0.0) if isinstance(stated, Mapping) else stated
        return bool(probability > 0 and numpy_generator(self.seed, setting, round_index, client).random() < probability)


def _values(stated: float | Mapping[str, float]) -> list[float]:
    return list(stated.values()) if isinstance(stated, Mapping) else [stated]
