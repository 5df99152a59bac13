"""Aggregation weights: how much each participant of a round counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from adpfl_bench.errors import ConfigError, check_choice

WeightRule = Literal["cases", "uniform", "capped"]


@dataclass(frozen=True)
class AggregationWeights:
    """Weights of a round's participants, in the aggregators that weight at all.

    Attributes:
        rule: ``cases`` weights a client by its number of training examples ``n_k`` (McMahan et al. 2017,
            arXiv 1602.05629), ``uniform`` gives all the same weight, ``capped`` weights by ``min(n_k, cap)``.
        cap: The number of training examples beyond which a client counts no more; for ``capped`` alone.

    Raises:
        ConfigError: The rule is unknown, or it and the cap do not go together.

    >>> AggregationWeights("capped", cap=30).shares({"a": 10, "b": 500})
    {'a': 0.25, 'b': 0.75}
    """

    rule: WeightRule = "cases"
    cap: int | None = None

    def __post_init__(self) -> None:
        check_choice("The rule of the aggregation weights", self.rule, get_args(WeightRule))
        if self.rule == "capped" and self.cap is None:
            raise ConfigError(
                "Aggregation weights with the rule 'capped' need a cap (a number of training examples), but have none."
            )
        if self.rule != "capped" and self.cap is not None:
            raise ConfigError(
                f"A cap of {self.cap} was given for aggregation weights with the rule {self.rule!r}, which has none;"
                " use the rule 'capped' or leave the cap out."
            )
        if self.cap is not None and self.cap < 1:
            raise ConfigError(f"The cap of the aggregation weights must be at least 1 example, but it is {self.cap}.")

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """Return each participant's share of a round's total weight; the shares sum to one.

        Args:
            sizes: Number of training examples, for each participant of the round.

        Raises:
            ConfigError: There are participants, but none with a training example.
        """
        counts = {client: self._count(size) for client, size in sizes.items()}
        total = sum(counts.values())
        if counts and total == 0:
            raise ConfigError(
                f"Training examples were expected with at least one participant, but none of"
                f" {', '.join(sorted(counts))}"
                " has any; use the rule 'uniform' or leave these clients out."
            )
        return {client: count / total for client, count in counts.items()}

    def _count(self, size: int) -> int:
        if self.rule == "uniform":
            return 1
        return size if self.cap is None else min(size, self.cap)
