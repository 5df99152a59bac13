"""Losses with one value per example.

Per-example gradients need a loss that never pools over the batch, written in plain tensor operations so that
``torch.func.vmap`` can map it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """Soft Dice loss of each example, averaged over regions (Milletari et al. 2016, arXiv 1606.04797, equation 8).

    Args:
        logits: [B, R, *spatial]; each region is a sigmoid of its own, so regions may overlap.
        target: [B, R, *spatial], 0 or 1.
        smooth: Added to numerator and denominator, so that an empty region that is found empty costs nothing.

    Returns:
        Loss of each example, [B], in [0, 1).
    """
    probability = torch.sigmoid(logits).flatten(2)
    target = target.flatten(2)
    overlap = (probability * target).sum(-1)
    total = probability.sum(-1) + target.sum(-1)
    return (1 - (2 * overlap + smooth) / (total + smooth)).mean(1)


def dice_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Sum of :func:`dice_loss` and binary cross-entropy (mean over regions and voxels) of each example, [B]."""
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return dice_loss(logits, target) + cross_entropy.flatten(1).mean(1)
