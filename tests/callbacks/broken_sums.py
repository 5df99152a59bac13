"""Clipped sums whose factors can be broken."""

import torch

from adpfl_bench.privacy.clipping import clip_factors, group_norms
from adpfl_bench.privacy.unit_gradients import ClippedSum


def broken_sum(factor):
    """A clipped sum with factors as ``factor(norms, factors)`` has them, in place of UnitGradients.clipped_sum."""

    def clipped_sum(self, image, label, units, threshold, norm):
        rows = self.gradients(image, label, units)
        total = [torch.zeros_like(p) for p in self._parameters.values()]
        if not len(rows):
            return ClippedSum(total, image.new_zeros(0), image.new_zeros(0))
        norms = group_norms([rows], norm)
        flat = (factor(norms, clip_factors(norms, threshold))[:, None] * rows).sum(0)
        parts = torch.split(flat, [p.numel() for p in self._parameters.values()])
        gradients = [part.view_as(p) for part, p in zip(parts, self._parameters.values(), strict=True)]
        return ClippedSum(gradients, norms, image.new_zeros(len(image)))

    return clipped_sum
