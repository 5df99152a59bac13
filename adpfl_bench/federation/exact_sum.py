"""Exact sums: weighted tensors added as 64-bit integers, so that nobody's place in the order shows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from adpfl_bench.errors import BenchError
from adpfl_bench.peers import peers

WEIGHT_BITS = 40
"""Binary places of sums of weights: a step of 9.1e-13, beside float32's own 6e-8 of a weight of 1."""

BUFFER_BITS = 32
"""Binary places of sums of running statistics, whose variances may be large: a step of 2.3e-10."""

_SUM_BITS = 62  # of the 63 beside the sign: rounding of the largest terms may not wrap
_WITHOUT_FLOAT64 = {"mps"}


class OutOfRange(BenchError):
    """A value that a sum in fixed point has no room for, or that is not finite."""


class ExactSum:
    """Weighted sum of tensors that has the same bits for every order of its terms, and every way to share them out.

    A term ``coefficient * value`` is computed in float64, rounded once to a multiple of ``2**-bits``, and added as an
    integer (``torch.int64``) on the tensors' own device; integers add associatively. The result differs from the real
    sum by at most ``2**-(bits + 1)`` for each term, and by float64's rounding. Memory is that of the integers, twice a
    float32 delta, and as much again while a term is added, whatever the number of terms.

    Args:
        terms: The largest number of terms. A term must be below ``2**(62 - bits) / terms``, so that no sum wraps.
        bits: Binary places.
    """

    def __init__(self, terms: int, bits: int = WEIGHT_BITS) -> None:
        self._scale = 2.0**bits
        self._limit = 2.0**_SUM_BITS / max(1, terms)
        self._integers: list[Tensor] = []
        self._like: list[tuple[torch.device, torch.dtype]] = []

    @property
    def limit(self) -> float:
        """What a term must stay below in size."""
        return self._limit / self._scale

    @torch.no_grad()
    def add(self, values: Sequence[Tensor], coefficient: float = 1.0) -> None:
        """Add ``coefficient * value`` to each sum; nothing is added where one of them has no room.

        Args:
            values: Tensors of the same shapes, devices and types for all terms. They are neither changed nor kept.
            coefficient: The term's weight.

        Raises:
            OutOfRange: A term is too large, or not finite.
        """
        terms = [self._fixed(value, coefficient) for value in values]
        if self._integers:
            for total, term in zip(self._integers, terms, strict=True):
                total.add_(term)
        else:
            self._integers = terms
            self._like = [(value.device, value.dtype) for value in values]

    @torch.no_grad()
    def exchange(self, like: Sequence[Tensor]) -> None:
        """Add the sums of all processes up; ``like`` has the shapes and types of terms where this one has added none.

        Raises:
            PeerLost: Another process has ended.
        """
        if peers().count > 1:
            if not self._integers:
                self._integers = [torch.zeros(value.shape, dtype=torch.int64, device=value.device) for value in like]
                self._like = [(value.device, value.dtype) for value in like]
            peers().sum_integers(self._integers)

    def result(self) -> list[Tensor]:
        """Return the sums, on the devices and in the types of the terms; empty where nothing was added."""
        return [
            integer.double().div_(self._scale).to(device=device, dtype=dtype)
            for integer, (device, dtype) in zip(self._integers, self._like, strict=True)
        ]

    def _fixed(self, value: Tensor, coefficient: float) -> Tensor:
        here = value.cpu() if value.device.type in _WITHOUT_FLOAT64 else value
        term = here.double() * (coefficient * self._scale)
        largest = float(term.abs().max()) if term.numel() else 0.0
        if not largest < self._limit:  # NaN is not below anything
            raise OutOfRange(
                f"what it sends is too large: with its weight {largest / self._scale:.3g}, where there is room for less"
                f" than {self.limit:.3g}"
            )
        return term.round_().to(torch.int64)
