"""Random streams that depend only on their purpose.

Every random choice of a run draws from a generator of its own, derived from (seed, round, client, purpose, ...).
Nothing reads the global random state, so a run that is resumed, that visits its clients in another order, or that
loads its data in more worker processes makes the same choices. A run whose noise is secret draws from the operating
system instead (:class:`SecretDraws`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Derive the 63-bit seed of one purpose from the run's seed.

    Args:
        seed: Seed of the run.
        purpose: What the stream is for, e.g. ``("noise", round, client)``. Order and type matter: ``1`` and ``"1"``
            are different purposes.

    Returns:
        An integer in [0, 2**63), the same on every platform.

    Example:
        >>> derive_seed(0, "noise", 3, "site-1") == derive_seed(0, "noise", 3, "site-1")
        True
        >>> derive_seed(0, "noise", 3, "site-1") == derive_seed(0, "noise", 4, "site-1")
        False
    """
    # NumPy's strings and integers print otherwise than Python's, and mean the same.
    plain = tuple(str(word) if isinstance(word, str) else int(word) for word in purpose)
    digest = hashlib.blake2b(repr((int(seed), *plain)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def numpy_generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """Create the NumPy generator of one purpose; see :func:`derive_seed`."""
    return np.random.default_rng(derive_seed(seed, *purpose))


def torch_generator(seed: int, *purpose: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Create the torch generator of one purpose on ``device``; see :func:`derive_seed`."""
    import torch  # deferred: commands that do not train must start without it

    return torch.Generator(device=device).manual_seed(derive_seed(seed, *purpose))


def seed_torch(seed: int) -> None:
    """Seed torch's global generators, those of all devices.

    It is ``torch.manual_seed``, which takes milliseconds for devices that are not there, as a client's turn may.
    """
    import torch  # deferred likewise

    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


class Draws(ABC):
    """Random draws of training: who is sampled, in which order, how examples are augmented, what dropout drops."""

    @abstractmethod
    def uniform(self, size: int, *purpose: str | int) -> NDArray[np.float64]:
        """Draw numbers in [0, 1), (size,)."""

    @abstractmethod
    def permutation(self, size: int, *purpose: str | int) -> NDArray[np.int64]:
        """Draw an order of ``size`` things, (size,)."""

    @abstractmethod
    def seed(self, *purpose: str | int) -> int:
        """Draw a seed in [0, 2**63)."""


class SeededDraws(Draws):
    """Draws that follow from the run's seed and their purpose alone: whoever knows the seed knows them.

    Args:
        run_seed: Seed of the run.
    """

    def __init__(self, run_seed: int) -> None:
        self.run_seed = run_seed

    def uniform(self, size: int, *purpose: str | int) -> NDArray[np.float64]:
        """Draw from :func:`numpy_generator`."""
        return numpy_generator(self.run_seed, *purpose).random(size)

    def permutation(self, size: int, *purpose: str | int) -> NDArray[np.int64]:
        """Draw from :func:`numpy_generator`."""
        return numpy_generator(self.run_seed, *purpose).permutation(size)

    def seed(self, *purpose: str | int) -> int:
        """Derive as :func:`derive_seed`."""
        return derive_seed(self.run_seed, *purpose)


class SecretDraws(Draws):
    """Draws from the operating system, which nobody can repeat or foresee, whatever they are for."""

    def uniform(self, size: int, *purpose: str | int) -> NDArray[np.float64]:
        """Draw numbers with 53 random bits."""
        return (_random_words(size) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def permutation(self, size: int, *purpose: str | int) -> NDArray[np.int64]:
        """Sort random 64-bit numbers; two of 2^20 are equal once in 2^25 times."""
        return np.argsort(_random_words(size), kind="stable")

    def seed(self, *purpose: str | int) -> int:
        """Draw 63 random bits."""
        return secrets.randbits(63)


def _random_words(size: int) -> NDArray[np.uint64]:
    return np.frombuffer(os.urandom(8 * size), dtype=np.uint64)
