"""Whole-number noise that clients share: what they send could be added up by a real secure aggregation."""

from __future__ import annotations

import math
from typing import Any

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.discrete_gaussian import LARGEST_DEVIATION, discrete_gaussian
from adpfl_bench.privacy.mechanisms import add_on_lattice_
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.randomness import Randomness
from adpfl_bench.privacy.summed_noise import SummedGaussianMechanism
from adpfl_bench.text import count

RESERVE = 3.0
"""Standard deviation that is added in squares, in steps of the lattice: a continuous Gaussian is rounded with it."""

_LEAST_DEVIATION = 8  # times the square root of 1/2 more than the reserve, as sums of two parts need
_TAIL = 12  # deviations that noise passes with probability below 10^-30


class SummedDiscreteGaussianMechanism(SummedGaussianMechanism):
    """Discrete Gaussian noise on sums that are rounded to whole numbers, of which each client adds a part.

    The trust model of :class:`SummedGaussianMechanism`. Each client rounds its clipped sum to steps of a public
    lattice, the power of two at most ``2^-lattice_bits`` of C, and adds discrete Gaussian noise, drawn exactly. So what
    it sends are whole numbers, which a secure aggregation adds up modulo ``2^modulus_bits``. Their sum reveals no more
    than Gaussian noise of the accounted scale would, but for less than 10^-60; rounding moves two neighbours apart by
    at most the square root of the number of coordinates, in steps, which the noise is enlarged for. Proof in
    docs/privacy.md.

    Source: Canonne, Kamath and Steinke 2020 (arXiv 2004.00010, the sampler) and Kairouz, Liu and Steinke 2021 (arXiv
    2102.06387, the sum). Recommended: the defaults. Costs: the trust, and more noise by a share of at most the square
    root of the number of coordinates over ``2^lattice_bits``.

    Args:
        honest_clients: Number of clients of each round whose noise nobody else knows, the unit's own among them.
        lattice_bits: The lattice has at least ``2^lattice_bits`` steps to C.
        modulus_bits: Bits of a coordinate of what is sent. A run whose sums might not fit is refused.

    Raises:
        ConfigError: A number is out of range.
    """

    def __init__(self, honest_clients: int, lattice_bits: int = 16, modulus_bits: int = 32) -> None:
        super().__init__(honest_clients)
        if not 1 <= lattice_bits <= 20 or not lattice_bits < modulus_bits <= 62:
            raise ConfigError(
                "SummedDiscreteGaussianMechanism.lattice_bits must lie from 1 to 20, and modulus_bits above it up to"
                f" 62, but they are {lattice_bits} and {modulus_bits}."
            )
        self.lattice_bits = lattice_bits
        self.modulus_bits = modulus_bits

    def lattice_of(self, threshold: float) -> float:
        """Return the lattice's spacing for a threshold: a power of two, so that floats hold its multiples."""
        return 2.0 ** (math.floor(math.log2(threshold)) - self.lattice_bits) if threshold > 0 else 0.0

    def enlarged(self, threshold: float, size: int) -> float:
        """Return the noise of all honest clients as a share of what the ledger states: rounding is made up for."""
        return 1 + self.lattice_of(threshold) * math.sqrt(size) / threshold if threshold > 0 else 1.0

    def deviation(self, threshold: float, multiplier: float, size: int) -> int:
        """Return the parameter of each client's noise, in steps of the lattice.

        Args:
            threshold: The norm of contributions, greater than 0.
            multiplier: Noise multiplier of the sum.
            size: Number of coordinates.
        """
        reach = threshold / self.lattice_of(threshold) + math.sqrt(size)
        part = math.hypot(multiplier * reach, RESERVE) / math.sqrt(self.honest_clients)
        return max(_LEAST_DEVIATION, math.ceil(part))

    def add_to_sum_(
        self,
        total: list[Any],
        threshold: float,
        multiplier: float,
        source: Randomness,
        sequence: NoiseSequence | None = None,
    ) -> float:
        """Round a client's sum to the lattice and add its part of the noise; see :meth:`Mechanism.add_to_sum_`."""
        spacing = self.lattice_of(threshold)
        if not spacing:  # nothing but zeros passes a threshold of 0
            return 0.0
        size = sum(tensor.numel() for tensor in total)
        deviation = self.deviation(threshold, multiplier, size)
        add_on_lattice_(total, discrete_gaussian(size, deviation, source), lattice=1.0, unit=spacing)
        return deviation * spacing

    def check_room(self, multiplier: float, size: int, clients: int, units: int) -> None:
        """Refuse a run whose noise or sums are too large; see :meth:`Mechanism.check_room`."""
        steps = 2 ** (self.lattice_bits + 1)  # to C: fewer than that
        deviation = 2 * self.deviation(1.0, multiplier, size)
        if deviation > LARGEST_DEVIATION:
            bits = self.lattice_bits - math.ceil(math.log2(deviation / LARGEST_DEVIATION))
            raise ConfigError(
                f"SummedDiscreteGaussianMechanism.lattice_bits is {self.lattice_bits}, which is too fine for a noise"
                f" multiplier of {multiplier:.4g}: {f'set it to {bits}' if bits > 0 else 'set a smaller one'}."
            )
        most = units * steps + clients + _TAIL * deviation * math.sqrt(clients)
        needed = math.ceil(math.log2(most)) + 1
        if needed > self.modulus_bits:
            raise ConfigError(
                f"A sum over {count(units, 'unit')} of {count(clients, 'client')} may take {needed} bits, but"
                f" SummedDiscreteGaussianMechanism.modulus_bits is {self.modulus_bits}, where it would wrap around: set"
                f" it to {needed}."
            )
