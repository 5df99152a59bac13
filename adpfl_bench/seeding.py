"""Random streams that depend only on their purpose.

Every random choice of a run draws from a generator of its own, derived from (seed, round, client, purpose, ...).
Nothing reads the global random state, so a run that is resumed, that visits its clients in another order, or that
loads its data in more worker processes makes the same choices.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

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
