"""Noise added to a clipped gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Mechanism(ABC):
    """Adds independent noise of one law to every coordinate.

    The scale is ``noise_multiplier * threshold``; what the scale means is the law's own matter, and so is what it
    proves.
    """

    @abstractmethod
    def sample(self, size: int, scale: float, generator: torch.Generator) -> Tensor:
        """Draw ``size`` values with the given scale on the generator's device, as float32 of shape (size,)."""

    def add_noise_(self, tensors: list[Tensor], scale: float, generator: torch.Generator) -> None:
        """Add noise to every coordinate of ``tensors``, in place.

        Args:
            tensors: The clipped gradient.
            scale: ``noise_multiplier * threshold``.
            generator: Source of the noise, on the device of the tensors.
        """
        sizes = [tensor.numel() for tensor in tensors]
        noise = torch.split(self.sample(sum(sizes), scale, generator), sizes)
        shaped = [part.view_as(tensor).to(tensor.dtype) for part, tensor in zip(noise, tensors, strict=True)]
        torch._foreach_add_(tensors, shaped)


class LaplaceMechanism(Mechanism):
    """Laplace noise with scale b: density ``exp(-|x| / b) / (2 b)``, standard deviation ``sqrt(2) b``.

    Under L2 sensitivity Delta, in any dimension, its Renyi divergence of order alpha is at most
    ``alpha * Delta^2 / (2 b^2)``, the curve of a Gaussian with standard deviation b.

    The draw is the difference of two standard exponentials, which has exactly this law.
    """

    def sample(self, size: int, scale: float, generator: torch.Generator) -> Tensor:
        """Draw Laplace(0, scale) values; see :meth:`Mechanism.sample`."""
        positive = torch.empty(size, device=generator.device).exponential_(generator=generator)
        negative = torch.empty(size, device=generator.device).exponential_(generator=generator)
        return positive.sub_(negative).mul_(scale)


class GaussianMechanism(Mechanism):
    """Gaussian noise with standard deviation equal to the scale."""

    def sample(self, size: int, scale: float, generator: torch.Generator) -> Tensor:
        """Draw Normal(0, scale^2) values; see :meth:`Mechanism.sample`."""
        return torch.empty(size, device=generator.device).normal_(0.0, scale, generator=generator)
