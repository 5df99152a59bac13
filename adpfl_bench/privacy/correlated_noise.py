"""Correlated noise: what one step adds the next ones take off again, so that sums of many steps have little of it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from adpfl_bench.errors import BenchError, ConfigError
from adpfl_bench.privacy.mechanisms import GaussianMechanism, add_on_lattice_
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.randomness import Randomness


def square_root_coefficients(bands: int) -> list[float]:
    """The first coefficients of ``(1 - x)^(-1/2)``: 1, 1/2, 3/8, ...

    ``c_k = c_(k-1) (2k - 1) / (2k)`` (Kalinin and Lampert 2024, arXiv 2405.13763, Theorem 1): the lower triangular
    Toeplitz matrix C of all of them is the square root of the matrix of prefix sums.

    >>> square_root_coefficients(3)
    [1.0, 0.5, 0.375]
    """
    found = [1.0]
    for k in range(1, bands):
        found.append(found[-1] * (2 * k - 1) / (2 * k))
    return found


class CorrelatedGaussianMechanism(GaussianMechanism):
    """Gaussian noise that is correlated from step to step: banded matrix factorisation with the square root's bands.

    With fresh noise ``z_t``, the noise of a client's step t in units of C is ``w_t = z_t - sum_(k < p) c_k w_(t-k)``
    with the coefficients of :func:`square_root_coefficients`: ``w = C^-1 z`` for the banded matrix C. Added up over
    steps, as weights add steps up, most of it cancels. The client's units are in b fixed batches, which take turns, so
    with at most b bands no unit is in two steps whose noise shares a ``z_t`` in the same place: a pass moves ``C g`` by
    at most the norm of one column, which ``z_t`` is scaled to. So a pass is one Gaussian release of multiplier z,
    however many steps it has. Proof in docs/privacy.md.

    Source: Choquette-Choo et al. 2023 (arXiv 2306.08153, banded matrices under fixed participation) and Kalinin and
    Lampert 2024 (arXiv 2405.13763, the coefficients). Recommended: ``sampling: fixed``, ``normalize: true``, five to
    twenty steps a pass and plain SGD with a small learning rate: within a pass there is more noise than after it, and
    steps that adapt to what they see (Adam) amplify it. Costs: the last ``bands - 1`` noise vectors of each client.

    Args:
        bands: Number of bands p, at least 1; a client of fewer batches a pass has as many as it has batches. With 1 the
            noise is independent.

    Raises:
        ConfigError: There is no band.
    """

    def __init__(self, bands: int = 32) -> None:
        if bands < 1:
            raise ConfigError(f"CorrelatedGaussianMechanism.bands must be at least 1, but it is {bands}.")
        self.bands = bands

    def bands_of(self, batches: int) -> int:
        """The number of bands for a client of so many batches a pass: with more its own columns would overlap."""
        return min(self.bands, batches)

    def add_to_sum_(
        self,
        total: list[Tensor],
        threshold: float,
        multiplier: float,
        source: Randomness,
        sequence: NoiseSequence | None = None,
    ) -> float:
        """Add the next noise of a client's sequence; see :meth:`Mechanism.add_to_sum_`.

        A hardened source rounds the sum, the fresh noise and what is taken off to one lattice. On two neighbours the
        sums then are at most ``g sqrt(n)`` further apart than C, and what is taken off by as much again at each of the
        p - 1 steps after; twice that is made up for, as the lattice of the widened noise may have twice the spacing.

        Raises:
            BenchError: It is not known which step of its sequence the client makes.
        """
        if sequence is None:
            raise BenchError("Correlated noise needs privacy.sampling: fixed, but a step has no place in a sequence.")
        coefficients = square_root_coefficients(self.bands_of(sequence.batches))
        column, count = math.hypot(*coefficients), sum(tensor.numel() for tensor in total)
        spacing = source.lattice(multiplier * column) * math.sqrt(count)
        after = math.sqrt(len(coefficients) - 1)
        scale = multiplier * (column * (1 + 2 * spacing) + 2 * spacing * after)
        lattice = source.lattice(scale) if threshold > 0 else 0.0  # nothing but zeros passes a threshold of 0
        fresh = self.sample(count, scale, source)
        taken_off = sequence.taken_off(coefficients, fresh)
        if lattice:
            fresh, taken_off = (torch.round(part / lattice) * lattice for part in (fresh, taken_off))
        noise = fresh.sub_(taken_off)
        add_on_lattice_(total, noise, lattice, threshold)
        sequence.keep(noise, len(coefficients) - 1)
        return scale * threshold
