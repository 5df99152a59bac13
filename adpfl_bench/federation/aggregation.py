"""Rules that turn the deltas of a round's participants into one aggregate.

===========================  ==================================================  =======  ================
rule                         aggregate                                           weights  memory
===========================  ==================================================  =======  ================
``WeightedMean()``           weighted mean                                       yes      two deltas
``FedNova()``                weighted mean of deltas per effective local step    yes      two deltas
``CoordinateMedian()``       median at each coordinate                           no       all deltas (CPU)
``TrimmedMean(trim=0.1)``    mean without the extremes at each coordinate        no       all deltas (CPU)
===========================  ==================================================  =======  ================

How they are called is told in :mod:`~adpfl_bench.federation.aggregator`; the weights are those of
:class:`~adpfl_bench.federation.aggregation_weights.AggregationWeights`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from adpfl_bench.errors import ConfigError
from adpfl_bench.federation.aggregator import Aggregator
from adpfl_bench.federation.exact_sum import BUFFER_BITS, WEIGHT_BITS, ExactSum


def effective_steps(steps: int, momentum: float = 0.0) -> float:
    """Convert ``steps`` local steps of SGD with momentum to steps of plain SGD: FedNova's ``||a_i||_1``.

    With momentum ``rho`` it is ``[tau - rho (1 - rho^tau) / (1 - rho)] / (1 - rho)`` (Wang et al. 2020,
    arXiv 2007.07481, section 4), for a momentum that starts at zero in each round, without dampening or Nesterov.

    >>> effective_steps(5), effective_steps(2, momentum=0.5)
    (5.0, 2.5)
    """
    return (steps - momentum * (1 - momentum**steps) / (1 - momentum)) / (1 - momentum)


class WeightedMean(Aggregator):
    """FedAvg's average ``sum_k p_k delta_k`` (McMahan et al. 2017, arXiv 1602.05629, Algorithm 1).

    A running :class:`~adpfl_bench.federation.exact_sum.ExactSum` on the deltas' device: its bits do not depend on the
    order of the clients, and its memory, twice that of a delta, not on their number.
    """

    _bits = WEIGHT_BITS

    def __init__(self) -> None:
        super().__init__()
        self._coefficients: dict[str, float] = {}
        self._sum = ExactSum(1, self._bits)

    def for_buffers(self) -> Aggregator:
        """Average buffers by the clients' weights, whatever the number of local steps."""
        return BufferMean()

    def _begin(self, weights: Mapping[str, float], local_steps: Mapping[str, int], momentum: float) -> None:
        self._coefficients = dict(weights)
        self._sum = ExactSum(len(weights), self._bits)

    @property
    def _exact_sum(self) -> ExactSum | None:
        # A subclass may do anything with a delta, so that it has to see all of them.
        return self._sum if type(self) in (WeightedMean, BufferMean, FedNova) else None

    def _add(self, client: str, delta: list[Tensor]) -> None:
        self._sum.add(delta, self._coefficients[client])

    def _combine(self) -> list[Tensor]:
        total, self._sum = self._sum, ExactSum(1, self._bits)
        return total.result()


class BufferMean(WeightedMean):
    """The same average, of running statistics: with more room, since variances may be large."""

    _bits = BUFFER_BITS


class FedNova(WeightedMean):
    """Normalised averaging: clients that make more local steps do not pull the average towards themselves.

    With weights ``p_i`` and ``a_i = ||a_i||_1`` effective local steps (:func:`effective_steps`), the aggregate is
    ``tau_eff sum_i p_i delta_i / a_i`` with ``tau_eff = sum_i p_i a_i`` (Wang et al. 2020, arXiv 2007.07481, section
    4). When all clients make the same number of steps it is :class:`WeightedMean`; like it, it is a running sum.

    For adaptive local optimizers ``a_i`` is the number of local steps (momentum 0). It is also no more than an
    approximation where momentum outlives a round, with Nesterov's step, and with a proximal term.
    """

    def _begin(self, weights: Mapping[str, float], local_steps: Mapping[str, int], momentum: float) -> None:
        if not 0 <= momentum < 1:
            raise ConfigError(f"FedNova expects a local momentum in [0, 1), but it is {momentum}.")
        idle = sorted(client for client in weights if local_steps[client] < 1)
        if idle:
            raise ConfigError(
                f"FedNova divides by the number of local steps, but these clients make none: {', '.join(idle)};"
                " leave them out of the round."
            )
        effective = {client: effective_steps(local_steps[client], momentum) for client in weights}
        total = math.fsum(weights[client] * effective[client] for client in weights)
        super()._begin({client: total * weights[client] / effective[client] for client in weights}, local_steps, 0.0)


class _OrderStatistic(Aggregator):
    """Base of rules over each coordinate's values in ascending order; all clients count the same."""

    def __init__(self) -> None:
        super().__init__()
        self._deltas: list[list[Tensor]] = []
        self._devices: list[torch.device] = []

    def check_participants(self, count: int) -> None:
        """Refuse fewer than three participants, of which none can be told to be an outlier."""
        if count < 3:
            raise ConfigError(
                f"{type(self).__name__} needs at least 3 participants in a round, but there are {count}; let more take"
                " part or use WeightedMean."
            )

    def _begin(self, weights: Mapping[str, float], local_steps: Mapping[str, int], momentum: float) -> None:
        self._deltas = []

    def _add(self, client: str, delta: list[Tensor]) -> None:
        self._devices = [value.device for value in delta]
        self._deltas.append([value.detach().to("cpu", copy=True) for value in delta])

    def _combine(self) -> list[Tensor]:
        deltas, self._deltas = self._deltas, []
        cut = self._cut(len(deltas))
        return [
            torch.stack(values).sort(dim=0).values[cut : len(deltas) - cut].mean(dim=0).to(device)
            for values, device in zip(zip(*deltas, strict=True), self._devices, strict=True)
        ]

    @abstractmethod
    def _cut(self, count: int) -> int:
        """How many of ``count`` values are left out at either end; what is left is averaged."""


class CoordinateMedian(_OrderStatistic):
    """Coordinate-wise median of the deltas (Yin et al. 2018, arXiv 1803.01498, Algorithm 1, option I).

    Weights are ignored: robustness rests on counting clients, not examples. For an even number of participants it is
    the mean of the middle two. Memory is O(participants): all deltas of a round are kept on the CPU until it ends.

    Raises:
        ConfigError: At the start of a round with fewer than three participants.
    """

    def for_buffers(self) -> Aggregator:
        """Take the median of buffers too, coordinate by coordinate."""
        return CoordinateMedian()

    def _cut(self, count: int) -> int:
        return (count - 1) // 2


class TrimmedMean(_OrderStatistic):
    """Coordinate-wise trimmed mean of the deltas (Yin et al. 2018, arXiv 1803.01498, Algorithm 1, option II).

    Of a round's ``n`` participants the ``floor(trim n)`` largest and as many smallest values are left out at each
    coordinate, and the others averaged. Weights are ignored: robustness rests on counting clients, not examples. Memory
    is O(participants): all deltas of a round are kept on the CPU until it ends.

    Args:
        trim: Share of the participants left out at either end, in [0, 0.5); the paper wants at least the share of
            clients that cannot be trusted.

    Raises:
        ConfigError: ``trim`` is out of range; at the start of a round, it would leave nobody out, or there are fewer
            than three participants.
    """

    def __init__(self, trim: float = 0.1) -> None:
        if not 0 <= trim < 0.5:
            raise ConfigError(
                f"TrimmedMean's trim is a share at either end and must lie in [0, 0.5), but it is {trim}."
            )
        super().__init__()
        self.trim = trim

    def check_participants(self, count: int) -> None:
        """Refuse a trim that leaves nobody out, too."""
        super().check_participants(count)
        if self._cut(count) < 1:
            raise ConfigError(
                f"TrimmedMean with trim {self.trim} leaves nobody out of {count} participants; give a trim of at least"
                f" {math.ceil(1000 / count) / 1000}, let more clients take part, or use WeightedMean."
            )

    def for_buffers(self) -> Aggregator:
        """Trim buffers in the same way."""
        return TrimmedMean(self.trim)

    def describe(self) -> dict[str, Any]:
        """Return class and settings as plain values, for a record."""
        return {**super().describe(), "trim": self.trim}

    def _cut(self, count: int) -> int:
        cut = math.floor(self.trim * count + 1e-9)  # 0.29 of 100 is 29, not the 28 of 28.999999999999996
        return min(cut, (count - 1) // 2)
