"""L2 norms of gradients, and scaling them to a threshold."""

from __future__ import annotations

import torch
from torch import Tensor


def global_norm(tensors: list[Tensor]) -> float:
    """Compute the L2 norm of a gradient given as a list of tensors, as if they were one vector."""
    return float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors))))


def clip_(tensors: list[Tensor], norm: float, threshold: float) -> float:
    """Scale a gradient in place so that its L2 norm is at most ``threshold``.

    Args:
        tensors: The gradient.
        norm: Its L2 norm.
        threshold: The clipping threshold C, at least 0.

    Returns:
        The factor ``min(1, C / norm)`` that was applied (Abadi et al. 2016, arXiv 1607.00133, Algorithm 1); 1 for a
        gradient of zeros.
    """
    if norm <= threshold:
        return 1.0
    factor = threshold / norm
    torch._foreach_mul_(tensors, factor)
    return factor
