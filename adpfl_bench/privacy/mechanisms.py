"""Noise mechanisms for clipped gradients."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor

from adpfl_bench.errors import ConfigError
from adpfl_bench.privacy.ledger import ACCOUNTED_LAWS, Norm, Release, Trust
from adpfl_bench.privacy.noise_sequence import NoiseSequence
from adpfl_bench.privacy.proofs import noise_law
from adpfl_bench.privacy.randomness import Randomness


def add_on_lattice_(tensors: list[Tensor], noise: Tensor, lattice: float, unit: float = 1.0) -> None:
    """Add noise to tensors, in place, which are rounded to the noise's lattice before.

    Args:
        tensors: The tensors.
        noise: Noise for all of their numbers, [P], in units of ``unit``.
        lattice: Spacing that the noise is rounded to, likewise; 0 where nothing is rounded.
        unit: What noise and lattice are stated in units of.
    """
    for part, tensor in zip(torch.split(noise, [tensor.numel() for tensor in tensors]), tensors, strict=True):
        if lattice:
            on_lattice = torch.round(tensor.double() / (unit * lattice)) * lattice
            tensor.copy_((on_lattice + part.view_as(tensor)) * unit)
        else:
            tensor.add_(part.view_as(tensor).to(tensor.dtype), alpha=unit)


class Mechanism(ABC):
    """Base of mechanisms: independent noise of one law on every coordinate.

    The scale is ``noise_multiplier * threshold``; what the scale means is the law's own matter, and so is what it
    proves.

    Attributes:
        norm: The norm that contributions are clipped in.
        trust: Whom the noise of one client protects against.
    """

    norm: Norm = "l2"
    trust: Trust = "server"

    @abstractmethod
    def sample(self, size: int, scale: float, source: Randomness) -> Tensor:
        """Draw ``size`` values with the given scale on the source's device, of shape (size,)."""

    def add_noise_(self, tensors: list[Tensor], scale: float, source: Randomness) -> None:
        """Add noise to every coordinate of ``tensors``, in place.

        Args:
            tensors: The clipped gradient.
            scale: ``noise_multiplier * threshold``.
            source: Where chance comes from, on the device of the tensors. A hardened source first rounds the
                tensors to a lattice that it rounds the noise to as well; see
                :class:`~adpfl_bench.privacy.randomness.OperatingSystem`.
        """
        noise = self.sample(sum(tensor.numel() for tensor in tensors), scale, source)
        lattice = source.lattice(scale)
        if lattice:
            noise = torch.round(noise / lattice) * lattice
        add_on_lattice_(tensors, noise, lattice)

    def add_to_sum_(
        self,
        total: list[Tensor],
        threshold: float,
        multiplier: float,
        source: Randomness,
        sequence: NoiseSequence | None = None,
    ) -> float:
        """Add a step's noise to a sum of contributions of norm ``threshold``, in place.

        Args:
            total: The sum.
            threshold: The threshold C.
            multiplier: Noise multiplier of the sum, greater than 0.
            source: Where chance comes from, on the device of the sum.
            sequence: The client's steps so far, where its batches have a fixed order. Independent noise needs nothing
                of them.

        Returns:
            The scale of the noise.
        """
        numbers = sum(tensor.numel() for tensor in total)
        scale = multiplier * self.widened(threshold, numbers, multiplier * threshold, source)
        self.add_noise_(total, scale, source)
        return scale

    def widened(self, threshold: float, size: int, scale: float, source: Randomness) -> float:
        """The sensitivity to scale noise to when contributions of norm ``threshold`` are summed in ``size`` numbers.

        Rounding to a lattice of spacing g moves each coordinate by at most g/2 on either of two neighbours, so their
        distance grows by at most ``g sqrt(size)`` in L2 norm (``g size`` in L1). Noise scaled to that may have a
        lattice of twice the spacing, which is what is added here.
        """
        reach = size if self.norm == "l1" else math.sqrt(size)
        return threshold + 2 * source.lattice(scale) * reach

    def lattice_of(self, threshold: float) -> float:
        """Spacing of the lattice that all releases under a threshold are on, whatever the source; 0 for none."""
        return 0.0

    def enlarged(self, threshold: float, size: int) -> float:
        """The noise of ``size`` numbers as a share of what the ledger states, where the law itself is on a lattice."""
        return 1.0

    def check_room(self, multiplier: float, size: int, clients: int, units: int) -> None:  # noqa: B027 - most have room
        """Refuse a run whose sums do not fit into what carries them.

        Args:
            multiplier: Noise multiplier of a sum, greater than 0.
            size: Number of coordinates.
            clients: Number of clients.
            units: Number of units of all of them, each of which may bring all of C to one coordinate.

        Raises:
            ConfigError: They do not.
        """

    def event(self, noise_multiplier: float, sensitivity: float = 1.0, sampling_rate: float = 1.0) -> Release:
        """Return the ledger's entry for one release with noise of this law; arguments as :class:`Release`.

        It names the law that the noise is accounted as, whatever the class is called; a class that no proof is known
        for stands there by its own name, which nothing is accounted for.
        """
        law = noise_law(type(self))
        if law is None:
            own = type(self).__name__
            name = own if own not in ACCOUNTED_LAWS else f"{type(self).__module__}.{type(self).__qualname__}"
            return Release(name, noise_multiplier, sensitivity, sampling_rate, self.norm)
        return Release(law.name, law.factor * noise_multiplier, sensitivity, sampling_rate, self.norm)

    def split(self, noise_multiplier: float, share: float) -> tuple[float, float]:
        """Divide one release among two sums that are released together.

        Args:
            noise_multiplier: z of the joint release.
            share: Share of the budget that the second sum takes, in [0, 1).

        Returns:
            Multipliers ``(z1, z2)`` of noise in units of each sum's own sensitivity. Under L2 clipping
            ``z1^-2 + z2^-2 = z^-2``: sensitivities of a vector that each part divides by its own noise add in squares
            (Andrew et al. 2021, arXiv 1905.03871, Theorem 1, which halves the indicator's sensitivity in addition).
            Under L1 clipping ``1/z1 + 1/z2 = 1/z``. ``z2`` is infinite where the share is 0.
        """
        power = 1.0 if self.norm == "l1" else 0.5
        first = noise_multiplier / (1 - share) ** power
        second = noise_multiplier / share**power if share > 0 else math.inf
        return first, second

    def share(self, noise_multiplier: float, second: float) -> float:
        """The share of the budget that a second sum takes when its own multiplier is given; see :meth:`split`."""
        return float((noise_multiplier / second) ** (1 if self.norm == "l1" else 2))


class LaplaceMechanism(Mechanism):
    """Laplace noise with scale b: density ``exp(-|x| / b) / (2 b)``, standard deviation ``sqrt(2) b``.

    Under L2 sensitivity Delta, in any dimension, its Renyi divergence of order alpha is at most
    ``alpha * Delta^2 / (2 b^2)``, the curve of a Gaussian with standard deviation b. Under L1 sensitivity Delta it is
    ``Delta / b``-DP (Dwork et al. 2006, Calibrating Noise to Sensitivity in Private Data Analysis).

    The draw is the difference of two standard exponentials, which has exactly this law.

    Args:
        norm: ``l2`` or ``l1``: the norm that contributions are clipped in.
    """

    def __init__(self, norm: Norm = "l2") -> None:
        if norm not in ("l2", "l1"):
            raise ConfigError(f"LaplaceMechanism.norm is {norm}; possible are l2, l1.")
        self.norm = norm

    def sample(self, size: int, scale: float, source: Randomness) -> Tensor:
        """Draw Laplace(0, scale) values; see :meth:`Mechanism.sample`."""
        return source.exponential(size).sub_(source.exponential(size)).mul_(scale)


class GaussianMechanism(Mechanism):
    """Gaussian noise with standard deviation equal to the scale."""

    def sample(self, size: int, scale: float, source: Randomness) -> Tensor:
        """Draw Normal(0, scale^2) values; see :meth:`Mechanism.sample`."""
        return source.normal(size).mul_(scale)
