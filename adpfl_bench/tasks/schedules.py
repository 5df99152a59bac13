"""Learning-rate schedules that count federated rounds."""

from __future__ import annotations

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from adpfl_bench.errors import ConfigError


class CosineOverRounds(LambdaLR):
    """Learning rate along half a cosine, from its start value in the first round to (nearly) zero.

    In round r of R, counted from 0, the factor is ``f + (1 - f) (1 + cos(pi r / R)) / 2`` (Loshchilov and Hutter 2017,
    arXiv 1608.03983, equation 5, without restarts). R is the run's own number of rounds, which the task fills in.

    Args:
        optimizer: The clients' optimizer.
        final_fraction: The fraction f of the learning rate that would be reached after the last round.
        rounds: R; ``None`` until the task knows it.

    Raises:
        ConfigError: A value is out of range.
    """

    def __init__(self, optimizer: Optimizer, final_fraction: float = 0.0, rounds: int | None = None) -> None:
        if not 0 <= final_fraction <= 1:
            raise ConfigError(f"The final_fraction of CosineOverRounds must be in [0, 1], but it is {final_fraction}.")
        if rounds is not None and rounds < 1:
            raise ConfigError(f"The rounds of CosineOverRounds must be at least 1, but they are {rounds}.")
        self.rounds = rounds
        self.final_fraction = final_fraction
        super().__init__(optimizer, self._factor)

    def _factor(self, round_index: int) -> float:
        if self.rounds is None:
            return 1.0
        cosine = (1 + math.cos(math.pi * min(round_index, self.rounds) / self.rounds)) / 2
        return self.final_fraction + (1 - self.final_fraction) * cosine
