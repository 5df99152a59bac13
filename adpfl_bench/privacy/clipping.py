"""Clipping: norms of gradients, and scaling them to a threshold."""

from __future__ import annotations

import torch
from torch import Tensor

from adpfl_bench.privacy.ledger import Norm as Norm

# A norm in float32 may be too small by rounding. Clipping to a little less keeps every contribution within C.
_MARGIN = 5e-6
# torch's norm of a long row adds up squares one after the other: at 10^6 numbers it is off by 10^-5, at 2 * 10^7 by
# 10^-3 (10^-2 for equal numbers), enough to let a contribution exceed C. Norms of blocks, and their norm, are not.
_BLOCK = 64


def group_norms(tensors: list[Tensor], norm: Norm = "l2") -> Tensor:
    """Compute the norm of each of several gradients, [U], to about one part in a million.

    Args:
        tensors: The gradients' parts, each [U, ...]; the parts of one gradient count as one vector.
        norm: ``l2`` or ``l1``.
    """
    order = 1 if norm == "l1" else 2
    parts = [_row_norms(tensor.reshape(len(tensor), -1), order) for tensor in tensors]
    return _row_norms(torch.stack(parts, dim=1), order)


def _row_norms(rows: Tensor, order: int) -> Tensor:
    """Norm of each row, [U, N] to [U]."""
    while (length := rows.shape[1]) > _BLOCK:
        whole = length // _BLOCK * _BLOCK
        blocks = torch.linalg.vector_norm(rows[:, :whole].reshape(len(rows), -1, _BLOCK), ord=order, dim=2)
        rest = torch.linalg.vector_norm(rows[:, whole:], ord=order, dim=1, keepdim=True)
        rows = torch.cat([blocks, rest], dim=1)
    norms: Tensor = torch.linalg.vector_norm(rows, ord=order, dim=1)
    return norms


def clip_factors(norms: Tensor, threshold: float) -> Tensor:
    """Compute the factors ``min(1, C / norm)`` (Abadi et al. 2016, arXiv 1607.00133, Algorithm 1).

    They are 1 for a gradient of zeros. A factor below 1 is smaller by five parts in a million, so that rounding never
    lets a contribution exceed C.
    """
    inside = norms <= threshold * (1 - _MARGIN)
    return torch.where(inside, torch.ones_like(norms), threshold * (1 - _MARGIN) / norms)


def global_norm(tensors: list[Tensor], norm: Norm = "l2") -> float:
    """Compute the norm of one gradient given as a list of tensors, as if they were one vector."""
    return float(group_norms([tensor[None] for tensor in tensors], norm))


def clip_(tensors: list[Tensor], norm: float, threshold: float) -> float:
    """Scale a gradient of known norm in place so that it is at most C; returns the factor of :func:`clip_factors`."""
    factor = float(clip_factors(torch.tensor(norm, dtype=torch.float64), threshold))
    if factor < 1:
        torch._foreach_mul_(tensors, factor)
    return factor
