"""Sources of noise: a seed, so that runs repeat, or the operating system, so that nobody can repeat them."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from adpfl_bench.seeding import torch_generator

WORD_BITS = 62
"""Random bits of a word, which has room for its sign and one bit more."""

# A lattice this much finer than the noise costs less than a millionth of it, and its points still fit in float64.
_LATTICE_BITS = 30


class Randomness(ABC):
    """A source of standard random numbers."""

    @abstractmethod
    def exponential(self, size: int) -> Tensor:
        """Draw standard exponential values, (size,)."""

    @abstractmethod
    def normal(self, size: int) -> Tensor:
        """Draw standard normal values, (size,)."""

    @abstractmethod
    def words(self, size: int) -> Tensor:
        """Draw whole numbers, uniform from 0 to 2^62 - 1, (size,) in int64."""

    @abstractmethod
    def lattice(self, scale: float) -> float:
        """Spacing of the lattice that noise of this scale, and what it is added to, are rounded to; 0 for none."""


class Seeded(Randomness):
    """Pseudo-random numbers from a generator: runs repeat, and whoever knows the seed can take the noise off again.

    Args:
        generator: The generator, on the device where the numbers are needed.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def exponential(self, size: int) -> Tensor:
        """Draw float32 values."""
        return torch.empty(size, device=self.generator.device).exponential_(generator=self.generator)

    def normal(self, size: int) -> Tensor:
        """Draw float32 values."""
        return torch.empty(size, device=self.generator.device).normal_(generator=self.generator)

    def words(self, size: int) -> Tensor:
        """Draw whole numbers of 62 random bits."""
        drawn = torch.empty(size, dtype=torch.int64, device=self.generator.device)
        return drawn.random_(0, 2**WORD_BITS, generator=self.generator)

    def lattice(self, scale: float) -> float:
        """None: values are added as they are."""
        return 0.0


class OperatingSystem(Randomness):
    """Numbers from the operating system's generator, for releases that are rounded to a lattice.

    Floating-point noise has gaps that depend on what it was added to, and its lowest bits give that away (Mironov 2012,
    On Significance of the Least Significant Bits for Differential Privacy). So the sum is rounded to a lattice, and
    noise drawn in float64 is rounded to the same lattice before they are added: every released value can then come from
    every sum, and rounding the noise is post-processing. Rounding the sum enlarges its sensitivity, which
    :meth:`~adpfl_bench.privacy.mechanisms.Mechanism.widened` makes up for.

    A uniform number has 53 random bits whatever its size (its exponent is drawn bit by bit), so that the tails have no
    gaps. What remains unproved is the rounding inside the logarithm and the cosine, about one part in 10^16.

    Args:
        device: Where the numbers are needed.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = device

    def _log_uniform(self, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """``-log U`` for U uniform in (0, 1)."""
        bits = np.frombuffer(os.urandom(16 * size), dtype=np.uint64).reshape(2, size)
        mantissa = 0.5 + (bits[0] >> np.uint64(11)).astype(np.float64) * 2.0**-54 + 2.0**-55  # in (1/2, 1)
        # Zeros before the first one: a uniform number lies in [2^-(k+1), 2^-k) with probability 2^-(k+1).
        exponent = 63.0 - np.floor(np.log2(np.maximum(bits[1], 1).astype(np.float64)))
        exponent += bits[1] == 0
        logarithm: np.ndarray[tuple[int], np.dtype[np.float64]] = exponent * math.log(2) - np.log(mantissa)
        return logarithm

    def exponential(self, size: int) -> Tensor:
        """Draw float64 values."""
        return torch.from_numpy(self._log_uniform(size)).to(self.device)

    def normal(self, size: int) -> Tensor:
        """Draw float64 values (Box and Muller 1958)."""
        angle = np.frombuffer(os.urandom(8 * size), dtype=np.uint64).astype(np.float64) * (2 * math.pi * 2.0**-64)
        return torch.from_numpy(np.sqrt(2 * self._log_uniform(size)) * np.cos(angle)).to(self.device)

    def words(self, size: int) -> Tensor:
        """Draw whole numbers of 62 random bits."""
        bits = np.frombuffer(os.urandom(8 * size), dtype=np.uint64) >> np.uint64(64 - WORD_BITS)
        return torch.from_numpy(bits.astype(np.int64)).to(self.device)

    def lattice(self, scale: float) -> float:
        """Return the power of two at most 2^-30 of the scale."""
        return 2.0 ** (math.floor(math.log2(scale)) - _LATTICE_BITS) if scale > 0 else 0.0


class NoiseStreams:
    """A source of noise for each client's turn in a round.

    Args:
        secure: Take all noise from the operating system; otherwise each turn has a stream of its own, derived from the
            run's key of noise, the round and the client, so that a round that is repeated has the same noise.
    """

    def __init__(self, secure: bool) -> None:
        self.secure = secure
        self._turn: tuple[str, int, str] | None = None
        self._source: Randomness = OperatingSystem()

    def source(self, key: str, round_index: int, client: str, device: torch.device) -> Randomness:
        """Return the source for the client's next release; it goes on where the release before it stopped.

        ``key`` is that of :mod:`adpfl_bench.privacy.noise_key`, which the run's seed is a part of.
        """
        if self.secure:
            return OperatingSystem(device)
        turn = (key, round_index, client)
        if turn != self._turn:
            self._turn = turn
            self._source = Seeded(torch_generator(0, "noise", key, round_index, client, device=device))
        return self._source
