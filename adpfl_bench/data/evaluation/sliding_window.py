"""Sliding window: segmentation of a volume that is larger than a network's input."""

from __future__ import annotations

from typing import NamedTuple

from adpfl_bench.data.case_grid import Shape3


class SlidingWindow(NamedTuple):
    """Windows that cover a volume, their logits weighted by a Gaussian around each window's centre.

    Attributes:
        size: Shape of the window in voxels.
        overlap: Share of the window by which neighbours overlap, in [0, 1).
        batch_size: Windows per forward pass.
        background: Value around a volume that is smaller than the window.
    """

    size: Shape3
    overlap: float
    batch_size: int
    background: float
