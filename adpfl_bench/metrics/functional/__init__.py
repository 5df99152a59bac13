"""Metrics as pure functions of two masks; numpy and scipy only."""

from adpfl_bench.metrics.functional.overlap import dice, iou
from adpfl_bench.metrics.functional.surface import hausdorff_distance, normalized_surface_distance

__all__ = ["dice", "hausdorff_distance", "iou", "normalized_surface_distance"]
